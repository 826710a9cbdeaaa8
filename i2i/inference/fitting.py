"""Any picture size through a model of any geometry: pad, expand channels, compute, crop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from i2i.contracts import Geometry


def fitted(picture: Tensor, geometry: Geometry) -> Tensor:
    """(3, H, W) → (C, H', W') as the model takes it: luma for one channel, mirrored beyond the right and lower edge."""
    picture = geometry.channelled(picture)
    height, width = geometry.padded(*picture.shape[-2:])
    rows = mirrored(picture.shape[-2], height, picture.device)
    columns = mirrored(picture.shape[-1], width, picture.device)
    return picture.index_select(-2, rows).index_select(-1, columns)


def restored(output: Tensor, size: tuple[int, int], geometry: Geometry) -> Tensor:
    """(C, H'·scale, W'·scale) → (3, H·scale, W·scale) in [0, 1], where (H, W) is `size`."""
    height, width = size[0] * geometry.scale, size[1] * geometry.scale
    return shown(output[:, :height, :width])


def on_its_way(output: Tensor, size: tuple[int, int], geometry: Geometry) -> Tensor:
    """(C, h, w), a padded picture in any resolution → the part of it that is the picture (3, h', w') in [0, 1]."""
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
