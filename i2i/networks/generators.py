"""Generators layer by layer as published, so that state-dict keys and outputs are the same.

A generator takes and gives pictures in [0, 1]; inside, as in the papers, they lie in [-1, 1]. Sizes in comments are for
width 64. Departures from the published implementation, none of which changes a number beyond rounding: instance norm
runs as group norm with one channel a group (a faster kernel), reflection padding is slicing (its backward is
deterministic on every device), the last tanh is always computed in float32 (bfloat16 would round to steps of 1/256).

What is the same for both: `inputs` and `outputs` are channels, `resize` takes resize-convolutions for transposed ones,
`dropout` puts noise into the middle of the network, `affine` gives its norms a learned scale and shift, `batch` makes
them batch norms, with no biases before them. With `residual` the network learns what to add to its input, cut at the
ends of the range, in place of a tanh: a departure that keeps colours and edges from the first step on. Without `norms`
a pixel depends on its surroundings alone, and a network has no cause for the blobs by which it tells a norm how loud a
part is (Karras et al. 2020, StyleGAN 2, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.networks.layers import (
    BatchNorm,
    Chance,
    ChanceLayer,
    Dropout,
    InstanceNorm,
    Layers,
    ReflectionPad,
    Tanh32,
    chance_of,
    initialise,
)

Norm = Literal["instance", "affine", "batch", "none"]

NOISY_LEVELS = 3
"""Levels of the U-Net's decoder, from the deepest, that dropout follows (Isola et al. 2017, 6.1.1: CD512 × 3)."""


class ResidualBlock(ChanceLayer):
    """Two 3×3 convolutions beside a shortcut (Zhu et al. 2017, appendix 7.2, Rk); dropout between them if wanted."""

    def __init__(self, channels: int, dropout: bool, norm: Norm) -> None:
        super().__init__()
        bias = norm != "batch"
        half = [ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=bias), _norm(channels, norm)]
        other = [ReflectionPad(1), nn.Conv2d(channels, channels, 3, bias=bias), _norm(channels, norm)]
        self.conv_block = Layers(*half, nn.ReLU(), *_noise(dropout), *other)

    def forward(self, features: Tensor, chance: Chance | None = None) -> Tensor:
        """(B, C, H, W) → the same shape."""
        return features + self.conv_block(features, chance)


class _Generator(nn.Module):
    """What takes and gives pictures in [0, 1] around a network on [-1, 1]."""

    model: nn.Module
    multiple_of: int
    """Height and width of the pictures are multiples of this."""
    min_size: int
    """The smallest height and width of a picture."""
    margin: int
    """How many pixels away an input can influence an output, norms aside."""
    residual: bool
    """Whether the network's answer is added to its input."""

    def begin(self) -> None:
        """Take first weights, as `initialise` draws them."""
        self.apply(initialise)

    def forward(self, pictures: Tensor, seeds: Sequence[int] | None = None) -> Tensor:
        """(B, inputs, H, W) in [0, 1] → (B, outputs, H, W) in [0, 1].

        With a seed for each picture, dropout is at work and a function of it, and batch norms go by each picture's own
        statistics; without, there is noise in training only, and afterwards batch norms go by their running averages.
        """
        chance = None if seeds is None else chance_of(seeds)
        signed = pictures * 2 - 1
        answer = self.model(signed, chance)
        return (_within_range(signed + answer.float()) if self.residual else answer) / 2 + 0.5


class ResNetGenerator(_Generator):
    """c7s1-64, d128, d256, R256 × blocks, u128, u64, c7s1-3 (Zhu et al. 2017, appendix 7.2; Johnson et al. 2016)."""

    multiple_of = 4
    min_size = 16  # 4×4 pixels at the deepest layer: reflection needs 2, instance norm more than 1

    def __init__(
        self,
        blocks: int,
        width: int,
        resize: bool,
        inputs: int = 3,
        outputs: int = 3,
        dropout: bool = False,
        affine: bool = False,
        residual: bool = False,
        norms: bool = True,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.residual, self.norms = residual, norms
        norm, bias = _kind(affine, batch, norms), not batch
        self.margin = 3 + 1 + 2 + 8 * blocks + 4 + 2 + 3
        layers: list[nn.Module] = [ReflectionPad(3), nn.Conv2d(inputs, width, 7, bias=bias), *_normed(width, norm)]
        for channels in (width, 2 * width):  # (B, 64, H, W) → (B, 256, H/4, W/4)
            layers += [nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=bias), *_normed(2 * channels, norm)]
        layers += [ResidualBlock(4 * width, dropout, norm) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):  # → (B, 64, H, W)
            layers += [_upsample3(channels, channels // 2, resize, bias), *_normed(channels // 2, norm)]
        layers += [ReflectionPad(3), nn.Conv2d(width, outputs, 7), *_bounded(residual)]
        self.model = Layers(*layers)

    def begin(self) -> None:
        """As every generator; but without norms such that signals keep their size from layer to layer.

        Convolutions have the weights of He et al. 2015 (section 2.2), and what is added to a shortcut begins as nothing
        (Zhang et al. 2019, Fixup, section 3).
        """
        super().begin()
        if self.norms:
            return
        added: list[nn.Module] = [self.model] if self.residual else []
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            elif isinstance(module, ResidualBlock):
                added.append(module.conv_block)
        for layers in added:
            nn.init.zeros_([layer for layer in layers.children() if isinstance(layer, nn.Conv2d)][-1].weight)


class SkipBlock(ChanceLayer):
    """One level of the U-Net: down, everything deeper, up, joined with what came in (Isola et al. 2017, 6.1.1)."""

    def __init__(
        self,
        outer: int,
        inner: int,
        deeper: nn.Module | None,
        resize: bool,
        dropout: bool,
        norm: Norm,
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        down: list[nn.Module] = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, stride=2, padding=1, bias=bias)]
        joined = inner
        if deeper is not None:  # at the bottom nothing is normalised: one pixel has no variance
            down += [_norm(inner, norm), deeper]
            joined = 2 * inner
        up = [nn.ReLU(), _upsample4(joined, outer, resize, bias), _norm(outer, norm)]
        self.model = Layers(*down, *up, *_noise(dropout))

    def forward(self, features: Tensor, chance: Chance | None = None) -> Tensor:
        """(B, outer, H, W) → (B, 2 outer, H, W)."""
        return torch.cat([features, self.model(features, chance)], 1)


class _Outermost(ChanceLayer):
    def __init__(
        self, inputs: int, outputs: int, width: int, deeper: nn.Module, resize: bool, residual: bool, bias: bool
    ) -> None:
        super().__init__()
        down = nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=bias)
        self.model = Layers(down, deeper, nn.ReLU(), _upsample4(2 * width, outputs, resize), *_bounded(residual))

    def forward(self, pictures: Tensor, chance: Chance | None = None) -> Tensor:
        return self.model(pictures, chance)


class UNetGenerator(_Generator):
    """C64-C128-C256-C512-…-C512 and back with skip connections (Isola et al. 2017, 6.1.1).

    `side`, a power of 2 from 32 up, is that of the pictures which come down to one pixel. With dropout, it follows the
    three deepest levels on the way up; with batch norms, those that it follows in the published code.
    """

    def __init__(
        self,
        side: int,
        width: int,
        resize: bool,
        inputs: int = 3,
        outputs: int = 3,
        dropout: bool = False,
        affine: bool = False,
        residual: bool = False,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        norm = _kind(affine, batch)
        levels = side.bit_length() - 1  # 7 for 128, 8 for 256: down to one pixel
        self.multiple_of = self.min_size = side
        self.margin = 3 * (side - 1)  # 2 on the way up, 1 on the way down
        channels = [width * min(2**level, 8) for level in range(levels)]  # of what each halving gives
        block: SkipBlock | None = None
        for level in reversed(range(levels - 1)):
            noisy = level in (_noisy_as_published(levels) if batch else range(levels - 1 - NOISY_LEVELS, levels))
            block = SkipBlock(channels[level], channels[level + 1], block, resize, dropout and noisy, norm)
        assert block is not None
        self.model = _Outermost(inputs, outputs, width, block, resize, residual, bias=not batch)


def _noisy_as_published(levels: int) -> range:
    """All levels as wide as the deepest, without that one and the first of them."""
    return range(3, levels - 2)


def _bounded(residual: bool) -> list[nn.Module]:
    return [] if residual else [Tanh32()]


def _within_range(signed: Tensor) -> Tensor:
    """Cut at -1 and 1 on the way forward only: a gradient of zero outside would leave what is there outside."""
    return signed + (signed.clamp(-1, 1) - signed).detach()


def _noise(dropout: bool) -> list[nn.Module]:
    return [Dropout()] if dropout else []


def _kind(affine: bool, batch: bool, norms: bool = True) -> Norm:
    if not norms:
        return "none"
    return "batch" if batch else "affine" if affine else "instance"


def _normed(channels: int, norm: Norm) -> list[nn.Module]:
    return [_norm(channels, norm), nn.ReLU()]


def _norm(channels: int, norm: Norm) -> nn.Module:
    if norm == "none":
        return nn.Identity()  # either way, layers keep their numbers
    return BatchNorm(channels) if norm == "batch" else InstanceNorm(channels, affine=norm == "affine")


def _upsample3(channels: int, fewer: int, resize: bool, bias: bool) -> nn.Module:
    """×2 by the ResNet's published 3×3 transposed convolution, or by resize-convolution (Odena et al. 2016)."""
    if resize:
        return _resize_convolution(channels, fewer, bias)
    return nn.ConvTranspose2d(channels, fewer, 3, stride=2, padding=1, output_padding=1, bias=bias)


def _upsample4(channels: int, fewer: int, resize: bool, bias: bool = True) -> nn.Module:
    """×2 by the U-Net's published 4×4 transposed convolution, or by resize-convolution."""
    if resize:
        return _resize_convolution(channels, fewer, bias)
    return nn.ConvTranspose2d(channels, fewer, 4, 2, 1, bias=bias)


def _resize_convolution(channels: int, fewer: int, bias: bool) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), ReflectionPad(1), nn.Conv2d(channels, fewer, 3, bias=bias))
