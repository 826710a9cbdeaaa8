"""Encoder and decoder: the paper's two networks (appendix C), convolutional."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from i2i_vae import ModelOptions

LEAK = 0.2  # slope of LeakyReLU
GROUPS = 8
"""Of group norm, where the channels can be parted so."""
MOST = 8
"""The widest layer has this many times the width."""
LIMIT = 12.0
"""|log σ²| stays below: σ lies between 1/400 and 400."""


def shape_of(options: ModelOptions) -> tuple[int, list[int]]:
    """(side of the smallest map, channels of each map from there up to half the picture's side).

    64×64 at width 64: 4 and [512, 256, 128, 64].
    """
    base = 7 if options.size == 28 else 4
    doublings = (options.size // base).bit_length() - 1
    return base, [options.width * min(MOST, 2**place) for place in reversed(range(doublings))]


class Encoder(nn.Module):
    """Pictures to the Gaussian of their latents, q(z|x): halve the side down to the smallest map, then one layer."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        base, decoded = shape_of(options)
        channels = [options.channels, *reversed(decoded)]
        layers: list[nn.Module] = []
        for narrow, wide in itertools.pairwise(channels):
            layers += [nn.Conv2d(narrow, wide, 4, 2, 1), *_normed(options.norm, wide)]
        self.layers = nn.Sequential(*layers)
        self.posterior = nn.Linear(channels[-1] * base * base, 2 * options.latent)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, size, size) in [0, 1] → mean and log variance, float32 (B, latent) each.

        The log variance bends towards ±12 where the last layer leaves that range: its exponential stays finite, and a
        gradient leads back.
        """
        features = self.layers(pictures * 2 - 1).float()  # (B, widest, base, base)
        with torch.autocast(features.device.type, enabled=False):  # bfloat16 has too few digits for the divergence
            mean, log_variance = self.posterior(features.flatten(1)).chunk(2, dim=1)
            return mean, LIMIT * torch.tanh(log_variance / LIMIT)


class Decoder(nn.Module):
    """Latents to the mean of p(x|z): project and reshape, then double the side until the picture's is reached.

    A sigmoid keeps the mean in (0, 1), as in section 5 of the paper.
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        base, channels = shape_of(options)
        layers: list[nn.Module] = [nn.Linear(options.latent, channels[0] * base * base)]
        layers += [nn.Unflatten(1, (channels[0], base, base)), *_normed(options.norm, channels[0])]
        for wide, narrow in itertools.pairwise(channels):
            layers += [*_doubling(wide, narrow, options.upsampling), *_normed(options.norm, narrow)]
        self.layers = nn.Sequential(*layers, *_doubling(channels[-1], options.channels, options.upsampling))

    def forward(self, latents: Tensor) -> Tensor:
        """(B, latent) → float32 (B, C, size, size) in [0, 1]."""
        return torch.sigmoid(self.layers(latents).float())


def _normed(norm: str, channels: int) -> list[nn.Module]:
    kinds: dict[str, nn.Module] = {
        "group": nn.GroupNorm(math.gcd(GROUPS, channels), channels),
        "batch": nn.BatchNorm2d(channels),
        "none": nn.Identity(),
    }
    return [kinds[norm], nn.LeakyReLU(LEAK)]


def _doubling(inputs: int, outputs: int, upsampling: str) -> list[nn.Module]:
    """(B, inputs, H, W) → (B, outputs, 2H, 2W)."""
    if upsampling == "resize":
        return [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1)]
    return [nn.ConvTranspose2d(inputs, outputs, 4, 2, 1)]
