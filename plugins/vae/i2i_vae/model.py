"""Both networks in one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from i2i import Geometry, Request, normal_latents
from i2i_vae import ModelOptions
from i2i_vae.networks import Decoder, Encoder


class VAE(nn.Module):
    """q(z|x) = `encoder`, p(x|z) = `decoder` of the paper; the prior p(z) is N(0, I)."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        self.encoder = Encoder(options)
        self.decoder = Decoder(options)
        self.geometry = Geometry(size=(options.size, options.size), channels=options.channels)

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """(B, latent) from the prior."""
        return normal_latents(seeds, (self.options.latent,))

    def sample(self, latents: Tensor, request: Request) -> Tensor:
        """(B, latent) → (B, C, size, size) in [0, 1], the latents multiplied by the options' temperature."""
        options: Any = request.options
        return self.decoder(latents * options.temperature)

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, size, size) in [0, 1] → the same shape and range: pictures decoded from the means of their latents."""
        mean, _ = self.encoder(images)
        return self.decoder(mean)
