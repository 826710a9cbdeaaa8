"""The scheme that teaches a network one style (Johnson et al. 2016, section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from i2i import Trainer, Turns, UsageError, build_features
from i2i_gatys.objective import FLAT, gram_distances, total_variation
from i2i_gatys.style import Style, gram, layers_of, nearest_octave, remarks_on, shares_of

CONTENT_LAYERS: Mapping[str, Mapping[str, float]] = {"vgg19": {"conv2_2": 0.1}, "squeezenet1_1": {"fire3": 0.1}}
"""Early layers of the trained networks (the paper: relu2_2), which say what is where: with conv4_2 of Gatys et al. a
network learns the style's texture long before it learns to tell what is in the photo."""
WARM_UP = 40
"""Steps until the learning rate is the one asked for; a departure from section 4.1."""
PLAIN = 0.1
"""Variance of a map, as a share of its mean square, that counts as the least: or a clear sky were all that matters."""


class FastStyleTrainer(Trainer):
    """The losses of `objective.py`, for every photo of a batch; features and style belong to no model."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        options = self.options
        if not options.style:
            raise UsageError("trainer.style: not given; --set trainer.style=FILE")
        self.features = build_features(options.features)
        self.style_layers, self.content_layers = layers_of(options, self.features)
        if options.content_layers is None:
            self.content_layers = dict(CONTENT_LAYERS.get(options.features.use, self.content_layers))
        self.features.prepare()
        self.style = Style(self.features, self.style_layers, len(options.style), options.style_scale)
        self.style.read(options.style, self.features)
        self.shares = shares_of(options.style_weights, len(options.style))
        self.remarks = remarks_on(self.features, "trainer")
        self.loaded = {**self.features.loaded, **{Path(name).name: _sha256(name) for name in options.style}}

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam (section 4.1). What the network is compared with goes where the network is."""
        network = self.model.network
        device = next(network.parameters()).device
        self.features.to(device)
        self.style.to(device)
        self.shares = self.shares.to(device)
        return {"network": Adam(network.parameters(), self.options.learning_rate)}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Rises over the first steps: Adam is long in forgetting the gradients of the first noise."""
        return min(1.0, (step + 1) / WARM_UP)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`picture`: (B, 3, H, W) in [0, 1]."""
        photos, options = batch["picture"], self.options
        self._refuse_small(photos)
        with turns("network") as turn:
            paintings = self.model.network(photos).float()
            with torch.autocast(photos.device.type, enabled=False):  # Gram matrices sum over thousands of places
                style, content = self._distances(paintings, photos)
                variation = total_variation(paintings)
            loss = (
                options.style_weight * style + options.content_weight * content + options.variation_weight * variation
            )
            turn.minimise(loss)
        return {"loss": loss, "style": style, "content": content, "variation": variation}

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Photos, and what the network makes of them."""
        return {"photo": batch["picture"], "painted": self.model.network(batch["picture"]).clamp(0, 1)}

    def _distances(self, paintings: Tensor, photos: Tensor) -> tuple[Tensor, Tensor]:
        """How far (B, 3, H, W) are from the style, and from the content of the photos; the means over the batch."""
        octave = nearest_octave(self.features.sizes, max(photos.shape[-2:]))
        wanted_grams, wanted_maps = self.style.mixed(octave, self.shares), self._content(photos, octave)
        maps = self.features(paintings, {*self.style_layers, *self.content_layers}, octave)
        nothing = paintings.new_zeros(())
        style = sum(
            (
                weight * gram_distances(gram(maps[name]), wanted_grams[name]).mean()
                for name, weight in self.style_layers.items()
            ),
            start=nothing,
        )
        content = sum(
            (
                weight * content_distances(maps[name], wanted_maps[name]).mean()
                for name, weight in self.content_layers.items()
            ),
            start=nothing,
        )
        return style, content

    @torch.no_grad()
    def _content(self, photos: Tensor, octave: int) -> dict[str, Tensor]:
        """The maps of the photos; learned features see them in the colours that they were learned from."""
        if self.features.learns:
            photos = torch.cat([self.style.coloured(photo, self.shares) for photo in photos.split(1)])
        return self.features(photos, self.content_layers.keys(), octave)

    def _refuse_small(self, photos: Tensor) -> None:
        height, width = photos.shape[-2:]
        if min(height, width) < self.features.smallest:
            needed = f"these features need {self.features.smallest} or more on each side: set dataset.size"
            raise UsageError(f"dataset: gives pictures of {width}×{height} pixels; {needed}")


def content_distances(maps: Tensor, wanted: Tensor) -> Tensor:
    """(B, C, H, W) twice → (B,): squared distances, in units of the variance of what is wanted."""
    energy = wanted.square().sum((1, 2, 3))
    variance = (wanted - wanted.mean((2, 3), keepdim=True)).square().sum((1, 2, 3))
    unit = torch.maximum(variance, PLAIN * energy).clamp_min(FLAT * wanted[0].numel())
    return (maps - wanted).square().sum((1, 2, 3)) / unit


def _sha256(name: str) -> str:
    return hashlib.sha256(Path(name).read_bytes()).hexdigest()
