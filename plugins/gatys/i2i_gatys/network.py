"""The feed-forward painter (Johnson et al. 2016, supplementary material, table 1)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i import InstanceNorm
from i2i_gatys import FastOptions

SMALLEST = 8
"""Pixels of a side: the innermost maps, of a quarter, are mirrored by one place and so have two."""
STRIDE = 4
"""Pixels of the picture to one place of the innermost maps."""


class Network(nn.Module):
    """Halves a picture twice, changes it in residual blocks, and doubles it twice.

    Departs from the paper as its successors do: instance norm for batch norm (Ulyanov et al. 2016, Instance
    Normalization: The Missing Ingredient for Fast Stylization), edges mirrored at every convolution, and the nearest
    pixel repeated before a convolution where the paper convolves with half a stride (Odena et al. 2016, Deconvolution
    and Checkerboard Artifacts). Without the paper's tanh: whoever shows the picture clamps it.
    """

    def __init__(self, options: FastOptions) -> None:
        super().__init__()
        thin, middle, wide = options.width, 2 * options.width, 4 * options.width
        self.down = nn.ModuleList([Normed(3, thin, 9), Normed(thin, middle, 3, 2), Normed(middle, wide, 3, 2)])
        self.blocks = nn.Sequential(*(Block(wide) for _ in range(options.blocks)))
        self.up = nn.ModuleList([Normed(wide, middle, 3), Normed(middle, thin, 3)])
        self.last = _mirroring(thin, 3, 9)
        with torch.no_grad():  # begins near grey: noise at full contrast has gradients that Adam is long in forgetting
            self.last.weight *= 0.1
            self.last.get_parameter("bias").fill_(0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same shape, about [0, 1]; H and W multiples of 4, from 8 up."""
        maps = pictures
        for layer in self.down:
            maps = F.relu(layer(maps))
        maps = self.blocks(maps)  # (B, 4·width, H/4, W/4)
        for layer in self.up:
            maps = F.relu(layer(F.interpolate(maps, scale_factor=2.0, mode="nearest")))
        painted: Tensor = self.last(maps)
        return painted


class Normed(nn.Module):
    """A convolution and its instance norm."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = _mirroring(inputs, outputs, side, stride)
        self.norm = InstanceNorm(outputs, affine=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, H, W) → (B, outputs, H / stride, W / stride)."""
        normed: Tensor = self.norm(self.convolution(maps))
        return normed


class Block(nn.Module):
    """Adds what two convolutions make of it; no ReLU after the sum (section 3.1, after Gross and Wilber 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = Normed(channels, channels, 3), Normed(channels, channels, 3)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, channels, H, W) → the same."""
        change: Tensor = self.second(F.relu(self.first(maps)))
        return maps + change


def _mirroring(inputs: int, outputs: int, side: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, padding_mode="reflect")
