"""Generators and discriminator, layer by layer as published, so that state-dict keys and outputs are the same.

A generator takes and gives pictures in [0, 1]; inside, as in the paper, they lie in [-1, 1]. Sizes in comments are for
width 64. Departures from the published implementation, none of which changes a number beyond rounding: instance norm
runs as group norm with one channel a group (a faster kernel), reflection padding is slicing (its backward is
deterministic on every device), the last tanh is always computed in float32 (bfloat16 would round to steps of 1/256).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i import I2IError


class InstanceNorm(nn.InstanceNorm2d):
    """Ulyanov et al. 2016, without learned scale and shift."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape, each channel of each picture with mean 0 and variance 1."""
        return F.group_norm(input, input.shape[1], eps=self.eps)


class ReflectionPad(nn.Module):
    """`nn.ReflectionPad2d` made of slices: on CUDA the original's backward sums in random order."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H + 2 pixels, W + 2 pixels)."""
        return _reflect(_reflect(input, self.pixels, 2), self.pixels, 3)


class Tanh32(nn.Module):
    """tanh in float32 whatever the precision around it."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape → the same shape, float32."""
        return torch.tanh(input.float())


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside a shortcut (appendix 7.2, Rk)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(channels),
            nn.ReLU(),
            ReflectionPad(1),
            nn.Conv2d(channels, channels, 3),
            InstanceNorm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape."""
        return features + self.conv_block(features)


class ResNetGenerator(nn.Module):
    """c7s1-64, d128, d256, R256 × blocks, u128, u64, c7s1-3 (appendix 7.2; Johnson et al. 2016)."""

    multiple_of = 4
    min_size = 16  # 4×4 pixels at the deepest layer: reflection needs 2, instance norm more than 1

    def __init__(self, blocks: int, width: int, resize: bool) -> None:
        super().__init__()
        self.margin = 3 + 1 + 2 + 8 * blocks + 4 + 2 + 3
        layers: list[nn.Module] = [ReflectionPad(3), nn.Conv2d(3, width, 7), InstanceNorm(width), nn.ReLU()]
        for channels in (width, 2 * width):  # (B, 64, H, W) → (B, 256, H/4, W/4)
            layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)]
            layers += [InstanceNorm(2 * channels), nn.ReLU()]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):  # → (B, 64, H, W)
            layers += [_upsample3(channels, channels // 2, resize), InstanceNorm(channels // 2), nn.ReLU()]
        layers += [ReflectionPad(3), nn.Conv2d(width, 3, 7), Tanh32()]
        self.model = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same shape and range."""
        return self.model(pictures * 2 - 1) / 2 + 0.5


class SkipBlock(nn.Module):
    """One level of the U-Net: down, everything deeper, up, joined with what came in (Isola et al. 2017, 6.1.1)."""

    def __init__(self, outer: int, inner: int, deeper: nn.Module | None, resize: bool) -> None:
        super().__init__()
        down: list[nn.Module] = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, stride=2, padding=1)]
        if deeper is None:  # one pixel has no variance to normalise by
            up = [nn.ReLU(), _upsample4(inner, outer, resize), InstanceNorm(outer)]
            self.model = nn.Sequential(*down, *up)
        else:
            up = [nn.ReLU(), _upsample4(2 * inner, outer, resize), InstanceNorm(outer)]
            self.model = nn.Sequential(*down, InstanceNorm(inner), deeper, *up)

    def forward(self, features: Tensor) -> Tensor:
        """(B, outer, H, W) → (B, 2 outer, H, W)."""
        return torch.cat([features, self.model(features)], 1)


class _Outermost(nn.Module):
    def __init__(self, width: int, deeper: nn.Module, resize: bool) -> None:
        super().__init__()
        down = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.model = nn.Sequential(down, deeper, nn.ReLU(), _upsample4(2 * width, 3, resize), Tanh32())

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


class UNetGenerator(nn.Module):
    """C64-C128-C256-C512-…-C512 and back with skip connections (Isola et al. 2017, 6.1.1); no dropout."""

    def __init__(self, side: int, width: int, resize: bool) -> None:
        super().__init__()
        levels = side.bit_length() - 1  # 7 for 128, 8 for 256: down to one pixel
        self.multiple_of = self.min_size = side
        self.margin = 3 * (side - 1)  # 2 on the way up, 1 on the way down
        block = SkipBlock(8 * width, 8 * width, None, resize)
        for _ in range(levels - 5):
            block = SkipBlock(8 * width, 8 * width, block, resize)
        for channels in (4 * width, 2 * width, width):
            block = SkipBlock(channels, 2 * channels, block, resize)
        self.model = _Outermost(width, block, resize)

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same shape and range."""
        return self.model(pictures * 2 - 1) / 2 + 0.5


class PatchDiscriminator(nn.Module):
    """C64-C128-C256-C512 and one logit a patch (appendix 7.2); 70×70 pixels a patch with 3 layers."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self.min_size = 3 * 2**layers  # 3×3 → 2×2 → 1×1 behind the strided layers; a norm needs more than one value
        sequence: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = width
        for layer in range(1, layers + 1):
            wider = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            sequence += [
                nn.Conv2d(channels, wider, 4, stride=stride, padding=1),
                InstanceNorm(wider),
                nn.LeakyReLU(0.2),
            ]
            channels = wider
        self.model = nn.Sequential(*sequence, nn.Conv2d(channels, 1, 4, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → logits (B, 1, about H/8, about W/8) with 3 layers.

        Raises `I2IError` for pictures that are smaller than `min_size`.
        """
        height, width = pictures.shape[-2:]
        if min(height, width) < self.min_size:
            raise I2IError(
                f"a discriminator of {self.layers} layers judges pictures from {self.min_size}×{self.min_size} up, "
                f"found {width}×{height}: raise dataset.crop or lower model.discriminator_layers"
            )
        return self.model(pictures * 2 - 1).float()


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), biases 0 (appendix 7.1); to be given to `Module.apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _reflect(input: Tensor, pixels: int, dim: int) -> Tensor:
    size = input.shape[dim]
    before = input.narrow(dim, 1, pixels).flip(dim)
    after = input.narrow(dim, size - 1 - pixels, pixels).flip(dim)
    return torch.cat([before, input, after], dim)


def _upsample3(channels: int, fewer: int, resize: bool) -> nn.Module:
    """×2 by the generator's published 3×3 transposed convolution, or by resize-convolution (Odena et al. 2016)."""
    if resize:
        return _resize_convolution(channels, fewer)
    return nn.ConvTranspose2d(channels, fewer, 3, stride=2, padding=1, output_padding=1)


def _upsample4(channels: int, fewer: int, resize: bool) -> nn.Module:
    """×2 by the U-Net's published 4×4 transposed convolution, or by resize-convolution."""
    return _resize_convolution(channels, fewer) if resize else nn.ConvTranspose2d(channels, fewer, 4, 2, 1)


def _resize_convolution(channels: int, fewer: int) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), ReflectionPad(1), nn.Conv2d(channels, fewer, 3))
