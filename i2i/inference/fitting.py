"""Any picture size through a model of any geometry: pad or resize, expand channels, compute, crop or resize back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from i2i.contracts.geometry import Geometry, luma

HARDLY_SEEN = 8 / 255
"""Alpha below which a pixel's colour may be anything: resizing and lossy compression leave such."""


def fitted(picture: Tensor, geometry: Geometry) -> Tensor:
    """(3, H, W) → (C, H', W') as the model takes it: luma for one channel, mirrored beyond the right and lower edge.

    A model that knows one size is given the picture brought to it.
    """
    picture = geometry.channelled(picture)
    if geometry.size is not None:
        return _resized(picture, geometry.size).clamp(0, 1)
    height, width = geometry.padded(*picture.shape[-2:])
    rows = mirrored(picture.shape[-2], height, picture.device)
    columns = mirrored(picture.shape[-1], width, picture.device)
    return picture.index_select(-2, rows).index_select(-1, columns)


def restored(output: Tensor, size: tuple[int, int], geometry: Geometry) -> Tensor:
    """(C, H'·scale, W'·scale) → (3, H·scale, W·scale) in [0, 1], where (H, W) is `size`."""
    height, width = size[0] * geometry.scale, size[1] * geometry.scale
    if geometry.size is not None:
        return shown(_resized(output.float(), (height, width)))
    return shown(output[:, :height, :width])


def on_its_way(output: Tensor, size: tuple[int, int], geometry: Geometry) -> Tensor:
    """(C, h, w), a padded picture in any resolution → the part of it that is the picture (3, h', w') in [0, 1]."""
    if geometry.size is not None:
        return shown(output)  # all of it is
    shares = (there / whole for there, whole in zip(output.shape[-2:], geometry.padded(*size), strict=True))
    height, width = (max(1, round(own * share)) for own, share in zip(size, shares, strict=True))
    return shown(output[:, :height, :width])


def shown(output: Tensor) -> Tensor:
    """(C, H, W) as a model answers → float (3, H, W) in [0, 1]; one channel becomes grey."""
    return output.float().clamp(0, 1).expand(3, *output.shape[-2:])


def mirrored(size: int, wanted: int, device: torch.device) -> Tensor:
    """Indices 0 … size−1, then back and forth without repeating the edge, `wanted` in all.

    >>> mirrored(3, 8, torch.device("cpu")).tolist()
    [0, 1, 2, 1, 0, 1, 2, 1]
    """
    places = torch.arange(wanted, device=device)
    if size == 1:
        return torch.zeros_like(places)
    period = 2 * (size - 1)
    places = places % period
    return torch.minimum(places, period - places)


def apply(model: Callable[[Tensor], Tensor], pictures: list[Tensor], geometry: Geometry) -> list[Tensor]:
    """Pictures (3, H, W) in [0, 1] of one padded size through a model, each back in its own size × scale."""
    batch = torch.stack([fitted(picture, geometry) for picture in pictures])
    outputs = model(batch)
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    return [restored(output, size, geometry) for output, size in zip(outputs, sizes, strict=True)]


def apply_whole(
    model: Callable[[Tensor, Sequence[int] | None], Tensor], pictures: list[Tensor], geometry: Geometry
) -> list[Tensor]:
    """Pictures (C, H, W) in [0, 1] of one padded size through a model, each back as the same kind in its size × scale.

    C is 1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha. Grey is the luma of what the model answers. Alpha goes
    through it too, as a grey picture, so that its edges turn out as the colours' do; but no alpha leaves the range of
    the pixels that it lies between, so that what is opaque, or transparent, stays exactly that. The model is told of
    which of the pictures it sees the alpha; None: it sees the colours of all.
    """
    colours, alphas = zip(*map(_parted, pictures), strict=True)
    shown = [_visible(colour, alpha) for colour, alpha in zip(colours, alphas, strict=True)]
    answers = apply(lambda images: model(images, None), shown, geometry)
    whole = [luma(answer) if len(colour) == 1 else answer for answer, colour in zip(answers, colours, strict=True)]
    given = {place: alpha for place, alpha in enumerate(alphas) if alpha is not None}
    seen_through = [place for place, alpha in given.items() if alpha.amin() < 1]
    made = {place: torch.ones_like(whole[place][:1]) for place in given}
    if seen_through:
        answers = apply(
            lambda images: model(images, seen_through), [_in_three(given[place]) for place in seen_through], geometry
        )
        for place, answer in zip(seen_through, answers, strict=True):
            made[place] = _within_neighbours(luma(answer), given[place], geometry.scale)
    return [torch.cat([picture, made[place]]) if place in made else picture for place, picture in enumerate(whole)]


def apply_filling(
    model: Callable[[Tensor, Tensor], Tensor], pictures: list[Tensor], geometry: Geometry
) -> list[Tensor]:
    """Pictures (C, H, W) in [0, 1] of one padded size through a model that fills, each back whole, without alpha.

    C is 1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha. What is not wholly opaque is a hole; the model is told of
    them by a mask (B, 1, H', W'). Outside of them every number stays as it is. Grey is the luma of what it answers.
    """
    colours, alphas = zip(*map(_parted, pictures), strict=True)
    holes = [_holes(colour, alpha) for colour, alpha in zip(colours, alphas, strict=True)]
    mask = torch.stack([fitted(hole, geometry) for hole in holes])
    answers = apply(lambda images: model(images, mask), [_in_three(colour) for colour in colours], geometry)
    made = [luma(answer) if len(colour) == 1 else answer for answer, colour in zip(answers, colours, strict=True)]
    return [torch.where(hole > 0, new, old) for hole, new, old in zip(holes, made, colours, strict=True)]


def filled(colour: Tensor, alpha: Tensor) -> Tensor:
    """(C, H, W) with what hardly anybody sees, by alpha (1, H, W), painted in the colours of visible pixels around.

    Else the colour that a file happens to have there would show at the edges of what is visible. Averages of ever
    larger squares are taken and filled in from the smallest that sees something (pull and push: Gortler et al. 1996,
    "The Lumigraph").
    """
    seen = torch.where(alpha < HARDLY_SEEN, 0, alpha)
    if seen.amax() == 0 or seen.amin() > 0:
        return colour
    return _pulled_and_pushed(colour[None], seen[None])[0]


def _pulled_and_pushed(colour: Tensor, weight: Tensor) -> Tensor:
    """(1, C, h, w) where the weights (1, 1, h, w) are 0: from the half as large picture."""
    if weight.amin() > 0 or colour.shape[-2:] == (1, 1):
        return colour
    seen = avg_pool2d(weight, 2, ceil_mode=True)
    smaller = avg_pool2d(colour * weight, 2, ceil_mode=True) / torch.where(seen > 0, seen, 1)
    pushed = interpolate(_pulled_and_pushed(smaller, seen), size=colour.shape[-2:], mode="bilinear")
    return torch.where(weight > 0, colour, pushed)


def _parted(picture: Tensor) -> tuple[Tensor, Tensor | None]:
    return (picture[:-1], picture[-1:]) if len(picture) in (2, 4) else (picture, None)


def _holes(colour: Tensor, alpha: Tensor | None) -> Tensor:
    """(1, H, W): 1 where something is missing, 0 elsewhere."""
    return torch.zeros_like(colour[:1]) if alpha is None else (alpha < 1).to(colour)


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) → (C, *size), bicubic; every pixel counts where it becomes smaller."""
    if picture.shape[-2:] == size:
        return picture
    return interpolate(picture[None], size, mode="bicubic", antialias=True)[0]


def _visible(colour: Tensor, alpha: Tensor | None) -> Tensor:
    return _in_three(colour if alpha is None else filled(colour, alpha))


def _in_three(picture: Tensor) -> Tensor:
    return picture.expand(3, -1, -1)


def _within_neighbours(made: Tensor, alpha: Tensor, scale: int) -> Tensor:
    """(1, H·scale, W·scale), clipped to the range of the pixels of alpha (1, H, W) between whose centres each lies."""
    least = most = alpha
    for dimension in (-2, -1):
        size = alpha.shape[dimension]
        places = (torch.arange(size * scale, device=alpha.device) + 0.5) / scale - 0.5
        before, after = (ends.long().clamp(0, size - 1) for ends in (places.floor(), places.ceil()))
        least = torch.minimum(least.index_select(dimension, before), least.index_select(dimension, after))
        most = torch.maximum(most.index_select(dimension, before), most.index_select(dimension, after))
    return made.clamp(least, most)
