"""The adversary (Ledig et al. 2017, figure 4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from i2i import I2IError

LEAK = 0.2
SMALLEST = 16
"""Pixels of a side: four strides of 2 leave one of them."""
POOLED = 6
"""The side of the last map at the paper's crop of 96 pixels."""


class Discriminator(nn.Module):
    """Eight 3×3 convolutions, every other one with stride 2, and two dense layers.

    Departs from the paper in one thing: the last map is pooled to 6×6, so that any crop from 16 pixels up will do. At
    the paper's 96 pixels that changes nothing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.LeakyReLU(LEAK)]
        channels = width
        for wide in (width, 2 * width, 4 * width, 8 * width):
            if wide != channels:
                layers += _normed(channels, wide, stride=1)
            layers += _normed(wide, wide, stride=2)
            channels = wide
        self.layers = nn.Sequential(*layers)
        self.judgement = nn.Sequential(
            nn.Linear(channels * POOLED**2, 16 * width), nn.LeakyReLU(LEAK), nn.Linear(16 * width, 1)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], sides of 16 pixels or more → logits (B, 1). Raises `I2IError` for smaller ones."""
        height, width = pictures.shape[-2:]
        if min(height, width) < SMALLEST:
            raise I2IError(
                f"the discriminator needs pictures of {SMALLEST}×{SMALLEST} pixels or more, found {width}×{height}: "
                f"set dataset.crop to {SMALLEST} or more"
            )
        if self.training and len(pictures) == 1 and max(height, width) == SMALLEST:
            raise I2IError(
                f"one square of {width}×{height} pixels leaves the discriminator's batch norm a single number: "
                "set run.batch to 2 or more, or a larger dataset.crop"
            )
        maps = self.layers(pictures * 2 - 1).float()  # (B, 8·width, H/16, W/16)
        with torch.autocast(maps.device.type, enabled=False):  # a logit has more digits than bfloat16 holds
            return self.judgement(pooled(maps).flatten(1))


def pooled(maps: Tensor) -> Tensor:
    """(B, C, H, W) → (B, C, 6, 6): means over 6×6 parts that cover the map, overlapping where they must.

    As `nn.AdaptiveAvgPool2d`, whose gradients on CUDA are summed in no fixed order.
    """
    if maps.shape[-2:] == (POOLED, POOLED):  # the published crop
        return maps
    rows, columns = (_shares(size, maps) for size in maps.shape[-2:])
    return rows @ maps @ columns.T


def _shares(size: int, maps: Tensor) -> Tensor:
    """(6, size): what each place contributes to each of the means."""
    shares = torch.zeros(POOLED, size)
    for part in range(POOLED):
        first, last = part * size // POOLED, -(-(part + 1) * size // POOLED)
        shares[part, first:last] = 1 / (last - first)
    return shares.to(maps)


def _normed(narrow: int, wide: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(narrow, wide, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(wide), nn.LeakyReLU(LEAK)]
