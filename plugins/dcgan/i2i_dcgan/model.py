"""Both networks in one module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from i2i import Geometry, Request, UsageError, normal_latents
from i2i_dcgan import ModelOptions
from i2i_dcgan.networks import Discriminator, Generator, initialise, normalise_spectrally


class DCGAN(nn.Module):
    """G = `generator`, D = `discriminator`."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.options = options
        self.generator = Generator(options)
        self.discriminator = Discriminator(options)
        self.apply(initialise)
        if options.spectral_norm:
            normalise_spectrally(self.discriminator)
        self.geometry = Geometry(size=(options.size, options.size), channels=options.channels)

    def latents(self, seeds: Sequence[int]) -> Tensor:
        """(B, latent) from N(0, 1); the generator itself makes them uniform where they should be."""
        return normal_latents(seeds, (self.options.latent,))

    def sample(self, latents: Tensor, request: Request) -> Tensor:
        """(B, latent) → (B, C, size, size) in [0, 1], of the class that the options name or each seed chooses."""
        return self.generator(latents, self._labels(request, latents.device))

    def _labels(self, request: Request, device: torch.device) -> Tensor | None:
        options: Any = request.options
        name, classes = options.class_name, self.options.classes
        if name is not None and name not in classes:
            known = f"they know {', '.join(classes)}" if classes else "they were trained without classes"
            raise UsageError(f"translate.class_name: no class '{name}' in these weights; {known}")
        if not classes:
            return None
        chosen = [seed % len(classes) if name is None else classes.index(name) for seed in request.seeds]
        return torch.tensor(chosen, device=device)
