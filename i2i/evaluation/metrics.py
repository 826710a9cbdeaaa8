"""Figures of merit of one picture against its target: PSNR and SSIM as super-resolution states them."""

from __future__ import annotations

from math import inf, log10

import torch
from torch import Tensor

PEAK = 255.0
WINDOW = 11
"""Pixels along each side of SSIM's Gaussian."""
DEVIATION = 1.5
"""Its σ."""
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
STUDIO_LUMA = (65.481, 128.553, 24.966)
"""Of red, green and blue in [0, 1], above 16: ITU-R BT.601 as MATLAB's rgb2ycbcr has it."""


def luma(picture: Tensor) -> Tensor:
    """(3, H, W) in [0, 255] → float64 (1, H, W), whole numbers from 16 for black to 235 for white.

    MATLAB answers 8-bit pictures by 8-bit luma, and so do the tables of the field. Who leaves the rounding out, as some
    newer code does, sees a PSNR that is about 0.01 dB higher.
    """
    shares = torch.tensor(STUDIO_LUMA, dtype=torch.float64).view(3, 1, 1) / PEAK
    return (16 + (picture.double() * shares).sum(0, keepdim=True)).round()


def psnr(picture: Tensor, target: Tensor) -> float:
    """(C, H, W) in [0, 255] each → dB over all channels together; infinite where they are equal."""
    error = (picture.double() - target.double()).square().mean().item()
    return 10 * log10(PEAK**2 / error) if error else inf


def ssim(picture: Tensor, target: Tensor) -> float:
    """(C, H, W) in [0, 255] each → the mean over channels and over all windows that lie inside the picture.

    Wang et al. 2004, section III.B: a Gaussian of 11×11 pixels and σ 1.5, K1 = 0.01, K2 = 0.03; so H and W ≥ 11.
    """
    channels = zip(picture.double(), target.double(), strict=True)  # one by one, for the sake of memory
    return sum(_ssim_of_channel(one, other) for one, other in channels) / len(picture)


def _ssim_of_channel(one: Tensor, other: Tensor) -> float:
    """Equation 13 of (H, W) each, in float64."""
    moments = torch.stack([one, other, one * one, other * other, one * other])
    mean, other_mean, square, other_square, product = _weighted(moments)
    variances = square - mean**2 + other_square - other_mean**2
    likeness = (2 * mean * other_mean + C1) * (2 * (product - mean * other_mean) + C2)
    return (likeness / ((mean**2 + other_mean**2 + C1) * (variances + C2))).mean().item()


def _weighted(maps: Tensor) -> Tensor:
    """(N, H, W) → (N, H − 10, W − 10): means under the Gaussian.

    Sums of shifted maps take a tenth of the time of torch's float64 convolution, on which kornia's SSIM is built.
    """
    places = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(places**2) / (2 * DEVIATION**2))
    for dimension in (-1, -2):
        size = maps.shape[dimension] - WINDOW + 1
        parts = (maps.narrow(dimension, place, size) for place in range(WINDOW))
        total = torch.zeros_like(maps.narrow(dimension, 0, size))
        for part, weight in zip(parts, (weights / weights.sum()).tolist(), strict=True):
            total.add_(part, alpha=weight)
        maps = total
    return maps
