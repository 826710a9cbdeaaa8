"""What a canvas is to become: content of the photo, style by its Gram matrices, little grain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from i2i import FeatureExtractor
from i2i_gatys.tiles import Tile, tiles

FLAT = 1e-3
"""The least mean square that a distance is divided by: a flat picture has none of its own."""


@dataclass(frozen=True)
class Goal:
    """What is wanted of a canvas, and how much of each."""

    photo: Tensor
    """(1, 3, H, W): where the content comes from."""
    grams: Mapping[str, Tensor]
    """Layer → (regions, C, C)."""
    shares: Tensor
    """(regions,): how much the style of each region counts."""
    style_layers: Mapping[str, float]
    content_layers: Mapping[str, float]
    style: float = 1.0
    content: float = 1.0
    variation: float = 0.0
    masks: Tensor | None = None
    """(regions, H, W) in [0, 1]; None: the one region is the whole canvas."""
    octave: int = 0
    tile: int = 768


@dataclass(frozen=True)
class Evaluation:
    """The loss at one canvas."""

    canvas: Tensor
    loss: Tensor
    gradient: Tensor
    parts: Mapping[str, Tensor]


@dataclass
class _Target:
    """What one tile of the canvas is compared with."""

    tile: Tile
    content: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)


class Objective:
    """The loss of a canvas (1, 3, H, W): equation 7 of Gatys et al. 2016, and total variation.

    Departs from equations 1 and 4: a squared distance is divided by the mean square of what it is a distance to (the
    style's Gram matrix, the variance of the content's map) and not by constants of the network, so that a weight means
    the same in every layer, of every network, at every size; and of the style's the logarithm is taken.
    """

    def __init__(self, features: FeatureExtractor, goal: Goal, reduced: bool = False) -> None:
        """`reduced`: convolutions in bfloat16. Losses, Gram matrices and the canvas are float32 in any case."""
        self.features, self.goal, self.reduced = features, goal, reduced
        self.names = sorted({*goal.style_layers, *goal.content_layers})
        height, width = goal.photo.shape[-2:]
        self.targets = [_Target(tile) for tile in tiles(height, width, goal.tile, features, self.names)]
        self.places = {name: goal.photo.new_zeros(len(goal.shares)) for name in goal.style_layers}
        self._last: Evaluation | None = None
        with torch.no_grad():
            for target in self.targets:
                self._aim(target)
        self.spread = {
            name: _summed_variance([target.content[name] for target in self.targets]) for name in goal.content_layers
        }

    def at(self, canvas: Tensor) -> Evaluation:
        """The loss and its gradient here; when asked twice of one canvas, the second answer costs nothing."""
        if self._last is None or not torch.equal(self._last.canvas, canvas):
            with torch.enable_grad():
                point = canvas.detach().clone().requires_grad_()
                parts = self.parts(point)
                loss = torch.stack(list(parts.values())).sum()
                (gradient,) = torch.autograd.grad(loss, point)
            found = {name: part.detach() for name, part in parts.items()}
            # L-BFGS reads a gradient from end to end, in whatever order the features have theirs
            self._last = Evaluation(point.detach(), loss.detach(), gradient.contiguous(), found)
        return self._last

    def parts(self, canvas: Tensor) -> dict[str, Tensor]:
        """The parts of the loss, weighted, each 0-dim and differentiable."""
        goal, answers = self.goal, [self._of_tile(canvas, target) for target in self.targets]
        style = canvas.new_zeros(())
        for place, (name, weight) in enumerate(goal.style_layers.items()):
            sums = torch.stack([grams[place] for grams, _ in answers]).sum(0)
            grams = sums / self.places[name].clamp_min(FLAT)[:, None, None]
            style = style + weight * (goal.shares * gram_distances(grams, goal.grams[name])).sum()
        content = torch.stack([loss for _, loss in answers]).sum()
        return {
            "style": goal.style * style,
            "content": goal.content * content,
            "variation": goal.variation * total_variation(canvas),
        }

    def _of_tile(self, canvas: Tensor, target: _Target) -> tuple[list[Tensor], Tensor]:
        """Of several tiles, maps are kept of none and computed again for its gradient: memory is that of one tile."""
        if len(self.targets) == 1:
            return self._compared(canvas, target)
        answer: tuple[list[Tensor], Tensor] = checkpoint(
            self._compared, target.tile.crop(canvas), target, use_reentrant=False, preserve_rng_state=False
        )
        return answer

    def _compared(self, crop: Tensor, target: _Target) -> tuple[list[Tensor], Tensor]:
        """Every style layer's Gram matrices, summed over the tile's places, and its share of the content loss."""
        maps, content = self._maps(crop, target.tile), crop.new_zeros(())
        for name, weight in self.goal.content_layers.items():
            content = content + weight * (maps[name] - target.content[name]).square().sum() / self.spread[name]
        return [gram_sums(maps[name], target.masks.get(name)) for name in self.goal.style_layers], content

    def _maps(self, crop: Tensor, tile: Tile) -> dict[str, Tensor]:
        with torch.autocast(crop.device.type, torch.bfloat16, enabled=self.reduced):
            maps = self.features(crop, self.names, self.goal.octave)
        if self.reduced:
            maps = {name: seen.float() for name, seen in maps.items()}
        return {name: tile.own(maps[name], self.features.layers[name].stride) for name in self.names}

    def _aim(self, target: _Target) -> None:
        """Find what the tile is compared with, and count the places of its regions."""
        maps = self._maps(target.tile.crop(self.goal.photo), target.tile)
        target.content = {name: maps[name].clone() for name in self.goal.content_layers}
        for name in self.goal.style_layers:
            height, width = maps[name].shape[-2:]
            if self.goal.masks is None:
                self.places[name] += height * width
                continue
            stride = self.features.layers[name].stride
            shares = F.avg_pool2d(target.tile.crop(self.goal.masks), stride, ceil_mode=True)
            target.masks[name] = target.tile.own(shares, stride)[:, :height, :width]
            self.places[name] += target.masks[name].sum((1, 2))


def gram_sums(maps: Tensor, masks: Tensor | None = None) -> Tensor:
    """(1, C, H, W) → (regions, C, C): products of features, summed over the places of each mask (regions, H, W).

    With masks: guided Gram matrices (Gatys et al. 2017, Controlling Perceptual Factors in Neural Style Transfer,
    section 4.1), up to the count of places.
    """
    vectors = maps[0].permute(1, 2, 0).flatten(0, 1)  # (H·W, C), not copied in either order of memory
    if masks is None:
        return (vectors.T @ vectors)[None]
    return torch.stack([(vectors * mask.flatten()[:, None]).T @ vectors for mask in masks])


def gram_distances(grams: Tensor, wanted: Tensor) -> Tensor:
    """(regions, C, C) twice → (regions,): log(1 + d), d = ‖G − A‖² / ‖A‖² for a matrix G where A is wanted.

    Near the style that is d; far from it one layer that is a thousand times off does not drown all others.
    """
    return ((grams - wanted).square().sum((1, 2)) / wanted.square().sum((1, 2)).clamp_min(FLAT)).log1p()


def total_variation(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) → 0-dim: the mean squared slope, across and down, per 1/256 of the longer side.

    So a picture that is enlarged varies as much as before.
    """
    across, down = pictures.diff(dim=3).square(), pictures.diff(dim=2).square()
    return (across.sum() + down.sum()) / pictures.numel() * (max(pictures.shape[-2:]) / 256) ** 2


def _summed_variance(parts: list[Tensor]) -> Tensor:
    """Parts (1, C, h, w) of one map → 0-dim: squared deviations from each channel's mean, summed over all."""
    places = sum(part.shape[2] * part.shape[3] for part in parts)
    mean = torch.stack([part.sum((0, 2, 3)) for part in parts]).sum(0)[:, None, None] / places
    return torch.stack([(part - mean).square().sum() for part in parts]).sum().clamp_min(FLAT * places * len(mean))
