"""Generator and discriminator (Radford et al. 2016, section 3 and figure 1)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from i2i_dcgan import ModelOptions

LEAK = 0.2  # slope of LeakyReLU (section 4)
MOST = 8
"""The widest layer has this many times the width: figure 1's 1024 at 64×64. Larger pictures repeat it."""


def shape_of(options: ModelOptions) -> tuple[int, list[int]]:
    """(side of the first map, channels of each map up to half the picture's side).

    64×64 at width 128 is the paper's: 4 and [1024, 512, 256, 128].
    """
    base = 7 if options.size == 28 else 4
    doublings = (options.size // base).bit_length() - 1
    return base, [options.width * min(MOST, 2**place) for place in reversed(range(doublings))]


class Generator(nn.Module):
    """Latents to pictures: project and reshape, then double the side until the picture's is reached.

    Batch norm and ReLU after every layer but the last, which ends in tanh.
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.uniform = options.distribution == "uniform"
        base, channels = shape_of(options)
        self.embed = nn.Embedding(len(options.classes), options.latent) if options.classes else None
        inputs = options.latent * (2 if options.classes else 1)
        # figure 1's "project and reshape": a matrix, written as the transposed convolution of one pixel
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, channels[0], base, bias=False), *_normed(channels[0])]
        for wide, narrow in itertools.pairwise(channels):
            layers += [*_doubling(wide, narrow, options, bias=False), *_normed(narrow)]
        self.layers = nn.Sequential(*layers, *_doubling(channels[-1], options.channels, options, options.bias))

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) from N(0, 1), labels (B,) for a model with classes → (B, C, size, size) in [0, 1]."""
        if self.uniform:
            latents = torch.erf(latents * 0.5**0.5)  # uniform on [−1, 1]: 2Φ(z) − 1
        if self.embed is not None:
            latents = torch.cat([latents, self.embed(labels)], dim=1)
        pictures = self.layers(latents[:, :, None, None])
        return (torch.tanh(pictures.float()) + 1) / 2


class Discriminator(nn.Module):
    """Pictures to logits: halve the side down to the generator's first map, then one linear layer.

    LeakyReLU everywhere, a norm after every convolution but the first. With classes, the logit gains the inner product
    of the class's embedding and the pooled features (Miyato and Koyama 2018, equation 3).
    """

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        base, generated = shape_of(options)
        channels = [options.channels, *reversed(generated)]
        layers: list[nn.Module] = []
        for place, (narrow, wide) in enumerate(itertools.pairwise(channels)):
            norm = _norm(options.discriminator_norm, wide) if place else nn.Identity()
            bias = isinstance(norm, nn.Identity)
            layers += [nn.Conv2d(narrow, wide, options.kernel, 2, (options.kernel - 1) // 2, bias=bias)]
            layers += [norm, nn.LeakyReLU(LEAK)]
        self.layers = nn.Sequential(*layers)
        self.logit = nn.Linear(channels[-1] * base * base, 1)
        self.embed = nn.Embedding(len(options.classes), channels[-1]) if options.classes else None

    def forward(self, pictures: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, C, size, size) in [0, 1], labels (B,) for a model with classes → (B, 1)."""
        features = self.layers(pictures * 2 - 1).float()  # (B, widest, base, base)
        with torch.autocast(features.device.type, enabled=False):  # a logit has more digits than bfloat16 holds
            logits = self.logit(features.flatten(1))
            if self.embed is not None:
                logits = logits + (self.embed(labels) * features.sum((2, 3))).sum(1, keepdim=True)
        return logits


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02) (section 4), those of norms around 1; biases 0. For `nn.Module.apply`.

    Embeddings too: with classes as large as the latents, the generator learns one picture a class and stays there.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
    if isinstance(bias := getattr(module, "bias", None), nn.Parameter):
        nn.init.zeros_(bias)


def normalise_spectrally(discriminator: nn.Module) -> None:
    """Every weight matrix gets largest singular value 1 (Miyato et al. 2018, algorithm 1)."""
    for module in list(discriminator.modules()):
        if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
            spectral_norm(module)


def _norm(name: str, channels: int) -> nn.Module:
    if name == "none":
        return nn.Identity()
    return nn.BatchNorm2d(channels) if name == "batch" else nn.GroupNorm(1, channels)


def _normed(channels: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), nn.ReLU()]


def _doubling(inputs: int, outputs: int, options: ModelOptions, bias: bool) -> list[nn.Module]:
    """(B, inputs, H, W) → (B, outputs, 2H, 2W)."""
    if options.upsampling == "resize":
        return [nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)]
    odd = options.kernel % 2
    return [nn.ConvTranspose2d(inputs, outputs, options.kernel, 2, 1 + odd, output_padding=odd, bias=bias)]
