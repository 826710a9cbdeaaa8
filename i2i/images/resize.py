"""Shrinking as the super-resolution field does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_BORDER = 3
"""Pixels of the small picture: the kernel reaches two to either side."""


def shrunk(pictures: Tensor, scale: int) -> Tensor:
    """(B, C, H, W) in [0, 1] → (B, C, H/scale, W/scale) in [0, 1]: bicubic as MATLAB's `imresize` does 8-bit pictures.

    The kernel is Keys's with a = −0.5, stretched by the scale against aliasing; beyond the border the last row is
    repeated (the release that made the field's test pictures did so; where another one mirrors, only the border
    differs); columns are shrunk first, then rows, and either pass ends clipped and rounded to 8 bits. The small
    pictures published with Set5 come out equal in every pixel. Raises `ValueError` where a side cannot be divided.
    """
    height, width = pictures.shape[-2:]
    if height % scale or width % scale:
        raise ValueError(f"{width}×{height} pixels cannot be divided by {scale}")
    levels = (pictures * 255).round()  # whole numbers: the kernel's weights are exact, so halves are rounded alike
    for dimension in (-2, -1):
        levels = _along(dimension, levels, scale).add(0.5).floor().clamp(0, 255)
    return levels / 255


def _along(dimension: int, pictures: Tensor, scale: int) -> Tensor:
    import torch
    import torch.nn.functional as F

    size = pictures.shape[dimension]
    places = torch.arange(-_BORDER * scale, size + _BORDER * scale, device=pictures.device).clamp(0, size - 1)
    shape = list(pictures.shape[-2:])
    shape[dimension] = size // scale + 2 * _BORDER
    padded = pictures.index_select(dimension, places)
    return F.interpolate(padded, shape, mode="bicubic", antialias=True).narrow(dimension, _BORDER, size // scale)
