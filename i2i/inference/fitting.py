"""Any picture size through a model of any geometry: pad or resize, expand channels, compute, crop or resize back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from i2i.contracts.geometry import Geometry, luma
from i2i.tiling.regions import mirrored

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


def apply(model: Callable[[Tensor], Tensor], pictures: list[Tensor], geometry: Geometry) -> list[Tensor]:
    """Pictures (3, H, W) in [0, 1] of one padded size through a model, each back in its own size × scale."""
    batch = torch.stack([fitted(picture, geometry) for picture in pictures])
    outputs = model(batch)
    sizes = [(picture.shape[-2], picture.shape[-1]) for picture in pictures]
    return [restored(output, size, geometry) for output, size in zip(outputs, sizes, strict=True)]


class Ask(Protocol):
    """A model as batch inference asks it."""

    def __call__(self, images: Tensor, mask: Tensor | None, alpha_of: Sequence[int] | None) -> Tensor:
        """(B, C, H', W') and, of a model that fills, its mask (B, 1, H', W') → (B, C, H'·scale, W'·scale).

        `alpha_of`: of which of the pictures these are the alpha; None: the colours of all.
        """


def apply_whole(model: Ask, pictures: list[Tensor], geometry: Geometry) -> list[Tensor]:
    """Pictures (C, H, W) in [0, 1] of one padded size through a model, each back with all that it had.

    C is 1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha. Of a model that fills, what is not wholly opaque is a
    hole, all other numbers stay as they are and the answer is opaque. Of one that restores alpha goes through it too,
    as a grey picture, so that its edges turn out as the colours' do. Of any other the answer is in colours and alpha
    is carried over.
    """
    parts = [Parts.of(picture) for picture in pictures]
    mask = torch.stack([fitted(part.holes, geometry) for part in parts]) if geometry.fills else None
    shown = [part.shown(geometry) for part in parts]
    answers = apply(lambda images: model(images, mask, None), shown, geometry)
    alphas: dict[int, Tensor] = {}
    if seen_through := [place for place, part in enumerate(parts) if part.alpha_is_asked(geometry)]:
        given = [parts[place].alpha_shown() for place in seen_through]
        made = apply(lambda images: model(images, None, seen_through), given, geometry)
        alphas = dict(zip(seen_through, made, strict=True))
    return [
        part.joined(answer, alphas.get(at), geometry)
        for at, (part, answer) in enumerate(zip(parts, answers, strict=True))
    ]


@dataclass(frozen=True)
class Parts:
    """Colours and alpha of a picture, or of some of its rows."""

    colour: Tensor
    """(1 or 3, H, W) in [0, 1]."""
    alpha: Tensor | None
    """(1, H, W) in [0, 1]."""

    @classmethod
    def of(cls, picture: Tensor) -> Parts:
        """Those of (C, H, W), where 2 or 4 channels end with alpha."""
        return cls(picture[:-1], picture[-1:]) if len(picture) in (2, 4) else cls(picture, None)

    @property
    def holes(self) -> Tensor:
        """(1, H, W): 1 where a model that fills is to paint, 0 elsewhere."""
        return torch.zeros_like(self.colour[:1]) if self.alpha is None else (self.alpha < 1).to(self.colour)

    def shown(self, geometry: Geometry) -> Tensor:
        """(3, H, W) as a model is to see it; what hardly anybody sees takes the colours around it."""
        if self.alpha is None or geometry.fills:
            return _in_three(self.colour)
        return _in_three(filled(self.colour, self.alpha))

    def alpha_shown(self) -> Tensor:
        """(3, H, W): alpha as a grey picture."""
        return _in_three(torch.ones_like(self.colour[:1]) if self.alpha is None else self.alpha)

    def alpha_is_asked(self, geometry: Geometry) -> bool:
        """Whether alpha goes through the model, as a grey picture; where all is opaque there is nothing to ask."""
        return geometry.restores and self.alpha is not None and bool(self.alpha.amin() < 1)

    def joined(self, answer: Tensor, alpha_answer: Tensor | None, geometry: Geometry) -> Tensor:
        """The answer (3, H·scale, W·scale) as the kind of picture that it is to be."""
        is_grey = len(self.colour) == 1 and (geometry.restores or geometry.fills)
        made = luma(answer) if is_grey else answer
        if geometry.fills:
            return torch.where(self.holes > 0, made, self.colour)
        if self.alpha is None:
            return made
        if alpha_answer is not None:  # no alpha leaves the range of those it lies between: opaque stays opaque
            return torch.cat([made, _within_neighbours(luma(alpha_answer), self.alpha, geometry.scale)])
        return torch.cat([made, _enlarged(self.alpha, geometry.scale)])


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


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) → (C, *size), bicubic; every pixel counts where it becomes smaller."""
    if picture.shape[-2:] == size:
        return picture
    return interpolate(picture[None], size, mode="bicubic", antialias=True)[0]


def _enlarged(alpha: Tensor, scale: int) -> Tensor:
    return alpha if scale == 1 else interpolate(alpha[None], scale_factor=scale, mode="bilinear")[0]


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
