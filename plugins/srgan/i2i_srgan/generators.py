"""The networks that enlarge (Ledig et al. 2017, figure 4; and a small one)."""

from __future__ import annotations

import itertools
import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i_srgan import GeneratorOptions

COLOURS = 3
PRELU_SLOPE = 0.25
"""Of negative numbers, before anything is learned."""
NOVELTY = 0.3
"""How much a convolution of `Compact` changes its maps before anything is learned."""


class ResidualBlock(nn.Module):
    """x + f(x), f two 3×3 convolutions (after Gross and Wilber 2016: no activation after the sum)."""

    def __init__(self, width: int, norm: str, bounded: bool) -> None:
        super().__init__()
        first, second = _convolution(width, norm, bounded), _convolution(width, norm, bounded)
        self.layers = nn.Sequential(*first, _slopes(width, bounded), *second)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, H, W) → the same."""
        return maps + self.layers(maps)


class ResNet(nn.Module):
    """SRResNet: 9×9 head, residual blocks and a skip around them all, pixel shuffles, 9×9 tail.

    Bounded, it is that of leftthomas/SRGAN: with tanh at the end, biases before norms and one slope for all channels.
    """

    def __init__(self, options: GeneratorOptions) -> None:
        super().__init__()
        width = options.width
        self.bounded = bounded = options.generator == "resnet-tanh"
        self.head = nn.Sequential(nn.Conv2d(COLOURS, width, 9, padding=4), _slopes(width, bounded))
        blocks = [ResidualBlock(width, options.norm, bounded) for _ in range(options.blocks)]
        if options.closing == "norm":
            last = _convolution(width, options.norm, bounded)
        else:
            last = [nn.Conv2d(width, width, 3, padding=1), _slopes(width, bounded)]
        self.body = nn.Sequential(*blocks, *last)
        steps: list[nn.Module] = []
        for factor in factors(options.scale):
            steps += [nn.Conv2d(width, width * factor**2, 3, padding=1), nn.PixelShuffle(factor)]
            steps += [_slopes(width, bounded)]
        self.enlarge = nn.Sequential(*steps)
        self.tail: nn.Module = nn.Conv2d(width, COLOURS, 9, padding=4)
        self.merged: nn.Module | None = None
        self.to(memory_format=torch.channels_last)  # measurably faster on CPUs: benchmarks/super_resolution.py

    def forward(self, low: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → (B, 3, H·scale, W·scale), about [0, 1]."""
        first = self.head(low)  # (B, width, H, W)
        if self.merged is not None:
            return self._shown(self.merged(first + self.body(first)).float())
        enlarged = self.enlarge(first + self.body(first))  # (B, width, H·scale, W·scale)
        with torch.autocast(enlarged.device.type, enabled=False):  # a colour has more digits than bfloat16 holds
            signed = self.tail(enlarged.to(next(self.tail.parameters()).dtype))  # in [−1, 1] (section 3.2)
        return self._shown(signed)

    def _shown(self, signed: Tensor) -> Tensor:
        return ((torch.tanh(signed) if self.bounded else signed) + 1) / 2

    def merge(self) -> None:
        """For enlarging alone: the last shuffle comes after the tail, which then convolves a picture that is smaller.

        The PReLU knows every channel by what it will be, and the 9×9 convolution becomes one of 5×5 whose answers are
        shuffled: the same sums (of zeros, too, beyond the ends), on maps that a CPU is several times as fast with.
        """
        *before, shuffle, activation = self.enlarge
        assert isinstance(self.tail, nn.Conv2d)
        assert isinstance(shuffle, nn.PixelShuffle)
        assert isinstance(activation, nn.PReLU)
        factor = shuffle.upscale_factor
        given = activation.weight.expand(self.tail.in_channels)  # one for all, or each its own
        slopes = nn.PReLU(len(given) * factor**2).to(given)
        slopes.weight = nn.Parameter(given.repeat_interleave(factor**2), requires_grad=False)
        tail = _before_shuffle(self.tail, factor)
        self.merged = nn.Sequential(*before, slopes, tail, nn.PixelShuffle(factor)).eval()
        self.enlarge, self.tail = nn.Sequential(), nn.Identity()

    @staticmethod
    def margin(options: GeneratorOptions) -> int:
        """Half the receptive field, in pixels of the small picture."""
        reach = 4.0 + 2 * options.blocks + 1
        side = 1
        for factor in factors(options.scale):
            reach += 1 / side
            side *= factor
        return math.ceil(reach + 4 / side)


class Compact(nn.Module):
    """Plain 3×3 convolutions at the small size, one pixel shuffle, added to the bicubic enlargement.

    Everything but the last line of it happens on the small picture, which is what a CPU needs (Shi et al. 2016,
    section 3; the stack is the plainest of those in Zhang et al. 2021, "Edge-oriented Convolution Block").
    """

    def __init__(self, options: GeneratorOptions) -> None:
        super().__init__()
        self.scale, width = options.scale, options.width
        layers: list[nn.Module] = []
        for inputs in (COLOURS, *[width] * options.blocks):
            layers += [_begun(nn.Conv2d(inputs, width, 3, padding=1)), nn.PReLU(width)]
        last = nn.Conv2d(width, COLOURS * options.scale**2, 3, padding=1)
        nn.init.zeros_(last.weight)  # the whole begins as bicubic
        nn.init.zeros_(cast(Tensor, last.bias))
        layers += [last]
        self.layers = nn.Sequential(*layers, nn.PixelShuffle(options.scale))
        self.to(memory_format=torch.channels_last)  # measurably faster on CPUs: benchmarks/super_resolution.py

    def forward(self, low: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → (B, 3, H·scale, W·scale), about [0, 1]."""
        enlarged = F.interpolate(low.float(), scale_factor=self.scale, mode="bicubic", antialias=True)
        return enlarged + self.layers(low - 0.5).float()

    @staticmethod
    def margin(options: GeneratorOptions) -> int:
        """Half the receptive field, in pixels of the small picture."""
        return options.blocks + 2


def _before_shuffle(tail: nn.Conv2d, factor: int) -> nn.Conv2d:
    """A convolution whose answers, shuffled, are those of `tail` to shuffled maps.

    Pixel (factor · i + a) takes from (factor · (i + step) + b) what `tail` gives to the tap at factor · step + b − a.
    """
    reach = tail.padding[0]
    assert isinstance(reach, int)
    steps = -(-reach // factor)
    width, side = tail.in_channels * factor**2, 2 * steps + 1
    merged = nn.Conv2d(width, tail.out_channels * factor**2, side, padding=steps).to(tail.weight)
    weight = tail.weight.new_zeros(tail.out_channels, factor, factor, tail.in_channels, factor, factor, side, side)
    places = [
        (a, b, step + steps, tap + reach)
        for a, b, step in itertools.product(range(factor), range(factor), range(-steps, steps + 1))
        if abs(tap := factor * step + b - a) <= reach
    ]
    for a, b, step, tap in places:
        for c, d, across, beside in places:
            weight[:, a, c, :, b, d, step, across] = tail.weight[:, :, tap, beside]
    merged.weight = nn.Parameter(weight.view(merged.weight.shape), requires_grad=False)
    merged.bias = nn.Parameter(cast(Tensor, tail.bias).repeat_interleave(factor**2), requires_grad=False)
    return merged.to(memory_format=torch.channels_last)


def _begun(convolution: nn.Conv2d) -> nn.Conv2d:
    """Set to hand its maps on nearly as they are, which a stack without skips learns from much sooner."""
    nn.init.kaiming_normal_(convolution.weight, PRELU_SLOPE)
    nn.init.zeros_(cast(Tensor, convolution.bias))
    if convolution.in_channels == convolution.out_channels:
        with torch.no_grad():
            convolution.weight *= NOVELTY
            convolution.weight[:, :, 1, 1] += torch.eye(convolution.out_channels)
    return convolution


def factors(scale: int) -> list[int]:
    """What the pixel shuffles multiply the sides by, one after another.

    >>> factors(8), factors(3)
    ([2, 2, 2], [3])
    """
    return [3] if scale == 3 else [2] * (scale.bit_length() - 1)


def _slopes(width: int, one: bool) -> nn.PReLU:
    return nn.PReLU() if one else nn.PReLU(width)


def _convolution(width: int, norm: str, bias: bool) -> list[nn.Module]:
    if norm == "none":
        return [nn.Conv2d(width, width, 3, padding=1)]
    return [nn.Conv2d(width, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width)]
