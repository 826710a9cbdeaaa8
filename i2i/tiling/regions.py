"""What the network sees of a picture: one part at a time, of the picture as it will be padded."""

from __future__ import annotations

import torch
from torch import Tensor

from i2i.contracts.geometry import Geometry
from i2i.tiling.layout import Box


def region(values: Tensor, box: Box, geometry: Geometry) -> Tensor:
    """(C, H, W) → float (C', height, width) in [0, 1]: this part of the padded picture, as the model takes it.

    The picture is uint8, uint16, or float in [0, 1], and stays so: only its part becomes float, luma for one channel.
    Beyond the right and lower edge it is mirrored, as often as it takes.
    """
    if geometry.size is not None:
        raise ValueError("a model of one size is given whole pictures, brought to that size")
    rows = mirrored(values.shape[-2], box.height, values.device, box.top)
    columns = mirrored(values.shape[-1], box.width, values.device, box.left)
    top, left = int(rows.min()), int(columns.min())
    part = values[..., top : int(rows.max()) + 1, left : int(columns.max()) + 1]
    return geometry.channelled(in_unit_range(part)).index_select(-2, rows - top).index_select(-1, columns - left)


def in_unit_range(values: Tensor) -> Tensor:
    """Any shape, uint8, uint16 or float in [0, 1] → float32 in [0, 1]."""
    whites = {torch.uint8: 255, torch.uint16: 65535}
    return values.float() / whites[values.dtype] if values.dtype in whites else values.float()


def mirrored(size: int, wanted: int, device: torch.device, first: int = 0) -> Tensor:
    """Out of 0 … size−1, then back and forth without repeating the edge: `wanted` indices from place `first` on.

    >>> mirrored(3, 8, torch.device("cpu")).tolist()
    [0, 1, 2, 1, 0, 1, 2, 1]
    >>> mirrored(3, 4, torch.device("cpu"), first=2).tolist()
    [2, 1, 0, 1]
    """
    places = torch.arange(first, first + wanted, device=device)
    if size == 1:
        return torch.zeros_like(places)
    period = 2 * (size - 1)
    places = places % period
    return torch.minimum(places, period - places)
