"""What the generators and the discriminator are made of, and how they begin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import has_torch_function

DROPPED = 0.5
"""Share of the values that dropout sets to 0 (Isola et al. 2017, section 6.1.1)."""

AT_ONCE = 2**19
"""Numbers that are squared at a time: what a processor's cache holds."""

Chance = Sequence[torch.Generator]
"""One generator of random numbers a picture, on the CPU: each layer that needs some draws the next."""


def chance_of(seeds: Sequence[int]) -> Chance:
    """What is drawn for a picture is a function of its seed alone, whatever else is in its batch."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


class InstanceNorm(nn.InstanceNorm2d):
    """Ulyanov et al. 2016; with `affine`, a learned scale and shift for each channel."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → the same shape, each channel of each picture with mean 0 and variance 1 before the scale."""
        return _normed_alone(input, self.weight, self.bias, self.eps)


class ReflectionPad(nn.Module):
    """`nn.ReflectionPad2d`, on CUDA made of slices: there the original's backward sums in random order."""

    def __init__(self, pixels: int) -> None:
        super().__init__()
        self.pixels = pixels

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, H + 2 pixels, W + 2 pixels)."""
        if not input.is_cuda:
            return F.pad(input, (self.pixels,) * 4, mode="reflect")
        return _reflect(_reflect(input, self.pixels, 2), self.pixels, 3)


class Tanh32(nn.Module):
    """tanh in float32 whatever the precision around it."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape → the same shape, float32."""
        return torch.tanh(input.float())


class ChanceLayer(nn.Module):
    """Base of the layers whose `forward` takes `chance`, and hands it to such layers inside."""


class BatchNorm(_BatchNorm, ChanceLayer):
    """Ioffe and Szegedy 2015, which translates in two ways: by its running averages, or each picture by its own.

    The latter is what the published pix2pix does, whose batches hold one picture and which never leaves training.
    """

    def forward(self, input: Tensor, chance: Chance | None = None) -> Tensor:
        """(B, C, H, W) → the same shape; with chance each channel of each picture by itself, before the scale."""
        if chance is None:
            return super().forward(input)
        return _normed_alone(input, self.weight, self.bias, self.eps)

    def _check_input_dim(self, input: Tensor) -> None:
        """Any will do."""


class Dropout(ChanceLayer):
    """Half of the values become 0, the others twice as large: by a picture's own chance, or by torch's in training."""

    def forward(self, features: Tensor, chance: Chance | None = None) -> Tensor:
        """(B, C, H, W) → the same shape; without chance nothing is dropped but in training."""
        if chance is None:
            return F.dropout(features, DROPPED, self.training)
        drawn = torch.stack([torch.rand(features.shape[1:], generator=own) for own in chance])
        return features * (drawn >= DROPPED).to(features) / (1 - DROPPED)


class Layers(nn.Sequential, ChanceLayer):
    """One layer after the other; chance goes to those that take it."""

    def forward(self, input: Tensor, chance: Chance | None = None) -> Tensor:
        """What the first layer takes → what the last one gives."""
        for layer in self:
            input = layer(input, chance) if isinstance(layer, ChanceLayer) else layer(input)
        return input


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), biases 0, scales of norms from N(1, 0.02); to be given to `Module.apply`.

    Isola et al. 2017, section 6.2; Zhu et al. 2017, appendix 7.1; the norms' as in the published code of both.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.InstanceNorm2d | BatchNorm) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _normed_alone(maps: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """(B, C, H, W) → the same shape, each channel of each picture by its own mean and variance.

    torch's group norm is the quickest way; but on CPUs, in channels-last, it adds up a channel's pixels one by one, and
    of float32 only four digits are left at 256×256. Where pictures are translated, they are added up in pairs.
    """
    if not _adds_one_by_one(maps):
        return F.group_norm(maps, maps.shape[1], weight, bias, eps)
    batch, channels, height, width = maps.shape
    centred = maps - maps.mean((2, 3), keepdim=True)
    rows = max(1, AT_ONCE // (batch * channels * width))
    squares = sum(band.square().sum((2, 3), keepdim=True) for band in centred.split(rows, 2))
    scale = (squares / (height * width) + eps).rsqrt()
    centred *= scale if weight is None else scale * weight[:, None, None]
    return centred if bias is None else centred.add_(bias[:, None, None])


def _adds_one_by_one(maps: Tensor) -> bool:
    if maps.dtype != torch.float32 or maps.device.type != "cpu" or torch.is_grad_enabled():
        return False
    if maps.is_contiguous() or torch.compiler.is_compiling():
        return False
    return not has_torch_function((maps,))  # somebody watches for norms: tiles, whose moments are exact


def _reflect(input: Tensor, pixels: int, dim: int) -> Tensor:
    size = input.shape[dim]
    before = input.narrow(dim, 1, pixels).flip(dim)
    after = input.narrow(dim, size - 1 - pixels, pixels).flip(dim)
    return torch.cat([before, input, after], dim)
