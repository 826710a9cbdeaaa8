"""Differentiable augmentation of what a discriminator sees (Zhao et al. 2020, DiffAugment).

Strengths are those of the published code, which has pictures in [-1, 1]; ours, in [0, 1], are half as far apart, and
its zero is our mid-grey. Nothing is clamped: outside [0, 1] a clamp would stop the generator's gradient.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from kornia.color import rgb_to_grayscale
from kornia.enhance import adjust_brightness
from torch import Tensor

BRIGHTNESS = 0.25
"""Farthest that a picture gets lighter or darker: 0.5 in [-1, 1]."""

SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)

TRANSLATION = 1 / 8
CUTOUT = 1 / 2
"""Shares of a side."""

MID_GREY = 0.5


class DifferentiableAugmentation:
    """Random changes in the order given, others for each picture, drawn from torch's own generator of the device."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self.changes = [CHANGES[kind] for kind in kinds]

    def __call__(self, pictures: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] with 1 or 3 channels → the same shape, in about that range."""
        for change in self.changes:
            pictures = change(pictures)
        return pictures


def recolour(pictures: Tensor) -> Tensor:
    """Brightness, then saturation, then contrast; (B, C, H, W) → the same shape.

    Saturation and contrast are blends with grey that may go beyond 1; kornia's own clamp them. Its grey, weighed as the
    eye does, stands for the published plain mean of the channels.
    """
    shift = _uniform(pictures, -BRIGHTNESS, BRIGHTNESS).flatten()
    pictures = adjust_brightness(pictures, shift, clip_output=False)
    pictures = torch.lerp(_grey(pictures), pictures, _uniform(pictures, *SATURATION))
    mean = _grey(pictures).mean((2, 3), keepdim=True)  # (B, 1, 1, 1)
    return torch.lerp(mean, pictures, _uniform(pictures, *CONTRAST))


def translate(pictures: Tensor) -> Tensor:
    """Shift by whole pixels, up to an eighth of each side; (B, C, H, W) → the same shape, grey where nothing was.

    Made of slices picked by index: kornia's interpolates, and the backward of that sums in random order on CUDA.
    """
    batch, channels, height, width = pictures.shape
    tall, wide = (int(side * TRANSLATION + 0.5) for side in (height, width))
    padded = F.pad(pictures, (wide, wide, tall, tall), value=MID_GREY)
    rows, columns = _window(pictures, height, tall), _window(pictures, width, wide)  # (B, H), (B, W)
    padded = padded.gather(2, rows[:, None, :, None].expand(batch, channels, height, width + 2 * wide))
    return padded.gather(3, columns[:, None, None, :].expand(batch, channels, height, width))


def cut_out(pictures: Tensor) -> Tensor:
    """A grey rectangle of half of each side, its centre anywhere; (B, C, H, W) → the same shape.

    It may reach over the edge. Kornia's `RandomErasing` keeps it inside, which for half a side would erase the middle
    of nearly every picture.
    """
    height, width = pictures.shape[2:]
    rows, columns = _covered(pictures, height), _covered(pictures, width)  # (B, H), (B, W)
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return pictures.masked_fill(hole, MID_GREY)


CHANGES = {"colour": recolour, "translation": translate, "cutout": cut_out}


def _uniform(pictures: Tensor, low: float, high: float) -> Tensor:
    """One number a picture: (B, 1, 1, 1)."""
    return torch.empty(len(pictures), 1, 1, 1, device=pictures.device, dtype=pictures.dtype).uniform_(low, high)


def _grey(pictures: Tensor) -> Tensor:
    return pictures if pictures.shape[1] == 1 else rgb_to_grayscale(pictures)


def _window(pictures: Tensor, side: int, margin: int) -> Tensor:
    """Which of `side + 2 margin` places are seen, in order: (B, side)."""
    first = torch.randint(2 * margin + 1, (len(pictures), 1), device=pictures.device)
    return first + torch.arange(side, device=pictures.device)


def _covered(pictures: Tensor, side: int) -> Tensor:
    """Which of `side` places lie in a stretch of half as many: (B, side) of bool."""
    stretch = int(side * CUTOUT + 0.5)
    centre = torch.randint(side + 1 - stretch % 2, (len(pictures), 1), device=pictures.device)
    from_first = torch.arange(side, device=pictures.device) - (centre - stretch // 2)
    return (from_first >= 0) & (from_first < stretch)
