"""Features learned from the style picture itself: no weights to fetch.

Each level of a picture's pyramid has its own bank of filters: patches of the style at that size, whitened, then
clustered on the sphere (Coates and Ng 2012, Learning Feature Representations with K-means). Later stages are learned
in the same way on the pooled maps of the earlier one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.features.extractor import SIZES, FeatureExtractor, Layer

BANKS = 6
"""Sizes with filters of their own: a picture of 1024 pixels, of half that … down to 32; smaller ones share the last."""

LEVELS = 5
"""Sizes at which a picture is seen, each half the one before."""

COLOURS = 3
SEED = 0
PATCHES = 6000
ROUNDS = 10
"""Of k-means."""

DIRECTIONS = 256
"""Principal components of a patch that are looked at: the others are noise."""

CONTRASTED = 3 / 4
"""Share of the patches, those with most contrast, that are clustered: flat ones have no direction."""

LEARNING_SIDE = 16
"""A smaller picture's edges are repeated before its patches are taken."""

FAINT = 1e-4
"""Variance that counts as none, in squares of the pictures' range: a flat style has no directions to enlarge."""

QUIET = 0.1
"""Response, of filters whose directions have variance 1, that counts as none: such a filter is left out, as zeros."""

TINY = 1e-6


class Stage(NamedTuple):
    """One layer of filters, on all of the finest `levels`."""

    name: str
    filters: int
    side: int
    smoothing: float
    """What is added to each direction's variance, in units of their mean, before it is whitened to 1."""
    levels: int
    weight: float
    """Of its Gram matrices in a style."""

    @property
    def banks(self) -> int:
        """Octaves at which it has filters: the octave of the picture and its level add up."""
        return min(BANKS, len(SIZES) - 1 + self.levels)


STAGES = (
    Stage("dabs", filters=64, side=5, smoothing=0.1, levels=5, weight=2.0),
    Stage("strokes", filters=96, side=3, smoothing=1.0, levels=4, weight=1.0),
    Stage("figures", filters=128, side=3, smoothing=1.0, levels=2, weight=1.0),
)

OPPONENTS = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (1.0, -2.0, 1.0))
"""Lightness, red against blue, green against both; each scaled to length 1."""

HALVING = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
BLUR = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)

LIGHTNESS, GRADIENTS = 4, 2
"""Strides of the content layers."""


class LearnedFeatures(FeatureExtractor):
    """Up to three stages of filters at five sizes; every map but the colours has mean 0 over the style's patches.

    Colours are blurred before the filters see them: whitening would make much of their finest noise, and a canvas that
    matches noise is speckled.
    """

    learns = True
    smallest = 64
    variation = 3.0
    remark = "features: learned from the style, without ImageNet weights"

    def __init__(self) -> None:
        super().__init__()
        self.layers = dict(_layers())
        self.content_layers = {"lightness": 1.0, "gradients": 0.25}
        banks = {_name(stage, level): stage.weight for stage in STAGES for level in range(stage.levels)}
        self.style_layers = {"colours": 1.0, **banks}
        channels = COLOURS
        for stage in STAGES:
            shape = (stage.banks, stage.filters)
            self.register_buffer(f"{stage.name}_filters", torch.zeros(*shape, channels, stage.side, stage.side))
            self.register_buffer(f"{stage.name}_biases", torch.zeros(shape))
            self.register_buffer(f"{stage.name}_means", torch.zeros(shape))
            channels = stage.filters

    @torch.no_grad()
    def learn(self, pictures: Sequence[Tensor], scale: float = 1.0) -> None:
        """Pictures (1, 3, H, W) in [0, 1] of any size, each at all octaves; the same ones give the same filters."""
        chance = torch.Generator().manual_seed(SEED)
        for bank in range(BANKS):
            sized = [_at_octave(picture, bank, scale).to(self._of(STAGES[0], "filters")) for picture in pictures]
            maps = [_blurred_colours(_opponents(picture)) for picture in sized]
            for stage in STAGES:
                if bank < stage.banks:
                    self._learn_bank(stage, bank, maps, chance)
                    maps = [F.avg_pool2d(self._responses(stage, bank, seen), 2) for seen in maps]

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → layer → (B, channels, H / stride, W / stride), rounded down."""
        found = {}
        seen = _opponents(pictures)
        if "colours" in layers:
            found["colours"] = torch.cat([seen, torch.full_like(seen[:, :1], 0.5)], dim=1)
        for level in range(LEVELS):
            if level:
                seen = _halved(seen)
            if 2**level == GRADIENTS and "gradients" in layers:
                found["gradients"] = _gradients(seen[:, :1])
            if 2**level == LIGHTNESS and "lightness" in layers:
                found["lightness"] = seen[:, :1]
            found.update(self._level(seen, level, layers, min(octave + level, BANKS - 1)))
        return {name: found[name] for name in layers}

    def _level(self, seen: Tensor, level: int, layers: Collection[str], bank: int) -> dict[str, Tensor]:
        wanted = [stage for stage in STAGES if _name(stage, level) in layers]
        found: dict[str, Tensor] = {}
        if not wanted:
            return found
        maps = _blurred_colours(seen)
        for depth, stage in enumerate(STAGES[: STAGES.index(wanted[-1]) + 1]):
            maps = self._responses(stage, bank, F.avg_pool2d(maps, 2) if depth else maps)
            if stage in wanted:
                found[_name(stage, level)] = maps - self._of(stage, "means")[bank][:, None, None]
        return found

    def _responses(self, stage: Stage, bank: int, maps: Tensor) -> Tensor:
        """(B, C, H, W) → (B, filters, H, W), from 0."""
        padded = F.pad(maps, (stage.side // 2,) * 4, mode="replicate")
        filters, biases = self._of(stage, "filters")[bank], self._of(stage, "biases")[bank]
        return F.relu(F.conv2d(padded, filters, biases))

    def _learn_bank(self, stage: Stage, bank: int, maps: Sequence[Tensor], chance: torch.Generator) -> None:
        filters = self._of(stage, "filters")[bank]
        patches = torch.cat([_patches(seen, stage.side, PATCHES // len(maps) + 1, chance) for seen in maps])
        directions, biases, means = _directions(patches, stage, chance)
        filters.copy_(directions.reshape(filters.shape))
        self._of(stage, "biases")[bank].copy_(biases)
        self._of(stage, "means")[bank].copy_(means)

    def _of(self, stage: Stage, what: str) -> Tensor:
        return self.get_buffer(f"{stage.name}_{what}")


def _layers() -> Iterator[tuple[str, Layer]]:
    yield "colours", Layer(COLOURS + 1, stride=1, reach=0)
    yield "lightness", Layer(1, LIGHTNESS, reach=_pyramid_reach(LIGHTNESS))
    yield "gradients", Layer(2, GRADIENTS, reach=_pyramid_reach(GRADIENTS) + GRADIENTS)
    for level in range(LEVELS):
        stride = 2**level
        reach = _pyramid_reach(stride) + len(BLUR) // 2 * stride
        for stage in STAGES:
            if level < stage.levels:
                reach += stage.side // 2 * stride
                yield _name(stage, level), Layer(stage.filters, stride, reach)
            stride *= 2  # the next stage sees pooled maps


def _name(stage: Stage, level: int) -> str:
    return f"{stage.name}{level}"


def _pyramid_reach(stride: int) -> int:
    """Each halving sees one position more on each side, which are 1, 2, 4, … pixels."""
    return stride - 1


def _opponents(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] → the same shape; mid-grey is 0."""
    axes = F.normalize(pictures.new_tensor(OPPONENTS))
    return F.conv2d(pictures - 0.5, axes[:, :, None, None])


def _halved(maps: Tensor) -> Tensor:
    return _smoothed(maps, HALVING, stride=2)


def _blurred_colours(opponents: Tensor) -> Tensor:
    """The lightness as it is, the two other channels blurred."""
    return torch.cat([opponents[:, :1], _smoothed(opponents[:, 1:], BLUR)], dim=1)


def _smoothed(maps: Tensor, kernel: Sequence[float], stride: int = 1) -> Tensor:
    channels, margin = maps.shape[1], (len(kernel) - 1) // 2
    row = maps.new_tensor(kernel)
    square = (row[:, None] * row).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(maps, (margin,) * 4, mode="replicate"), square, stride=stride, groups=channels)


def _gradients(maps: Tensor) -> Tensor:
    """Central differences: (B, 1, H, W) → (B, 2, H, W)."""
    maps = F.pad(maps, (1, 1, 1, 1), mode="replicate")
    across, down = maps[..., 1:-1, 2:] - maps[..., 1:-1, :-2], maps[..., 2:, 1:-1] - maps[..., :-2, 1:-1]
    return torch.cat([across, down], dim=1)


def _at_octave(picture: Tensor, octave: int, scale: float) -> Tensor:
    """(1, 3, H, W), resized so that the root of its area is `scale` times the octave's size, never enlarged."""
    sides = picture.shape[2:]
    share = min(1.0, scale * SIZES[0] / 2**octave / (sides[0] * sides[1]) ** 0.5)
    if share < 1:
        size = [max(1, round(side * share)) for side in sides]
        picture = F.interpolate(picture, size, mode="bicubic", antialias=True).clamp(0, 1)
    height, width = (max(0, LEARNING_SIDE - side) for side in picture.shape[2:])
    return F.pad(picture, (0, width, 0, height), mode="replicate")


def _patches(maps: Tensor, side: int, count: int, chance: torch.Generator) -> Tensor:
    """(1, C, H, W) → up to `count` patches at different places, (N, C · side · side)."""
    windows = F.pad(maps, (side // 2,) * 4, mode="replicate")[0].unfold(1, side, 1).unfold(2, side, 1)
    height, width = windows.shape[1:3]
    places = torch.randperm(height * width, generator=chance)[:count]
    return windows[:, places // width, places % width].transpose(0, 1).flatten(1)


def _directions(patches: Tensor, stage: Stage, chance: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(N, D) → filters (K, D) of mean square response 1, biases (K) and mean responses (K)."""
    mean = patches.mean(0)
    centred = patches - mean
    whitening = _whitening(centred, stage.smoothing)
    filters = _centres(centred @ whitening, stage.filters, chance) @ whitening.T
    responses = F.relu(centred @ filters.T)
    strengths = responses.square().mean(0).sqrt()
    gains = torch.where(strengths > QUIET, 1 / strengths, 0)
    filters = filters * gains[:, None]
    return filters, -filters @ mean, responses.mean(0) * gains


def _whitening(centred: Tensor, smoothing: float) -> Tensor:
    """(N, D) → (D, up to 256): principal components, each over the root of its smoothed variance."""
    variances, components = (
        found.to(centred) for found in torch.linalg.eigh((centred.T @ centred / len(centred)).cpu())
    )  # on the CPU, as not every device has it
    variances, components = variances.flip(0)[:DIRECTIONS].clamp(min=0), components.flip(1)[:, :DIRECTIONS]
    return components / (variances + smoothing * variances.mean() + FAINT).sqrt()


def _centres(points: Tensor, count: int, chance: torch.Generator) -> Tensor:
    """Spherical k-means: (N, D) → (count, D) of length 1."""
    lengths = torch.linalg.vector_norm(points, dim=1)
    contrasted = lengths.argsort(descending=True)[: max(1, int(len(points) * CONTRASTED))]
    points = F.normalize(points[contrasted])
    first = points[torch.randint(len(points), (count,), generator=chance)]
    jitter = torch.randn(first.shape, generator=chance).to(first)  # so that no two begin alike
    centres = F.normalize(first + 1e-3 * jitter)
    for _ in range(ROUNDS):
        likeness, nearest = (points @ centres.T).max(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, points * likeness[:, None])
        empty = torch.linalg.vector_norm(sums, dim=1, keepdim=True) < TINY
        centres = torch.where(empty, centres, F.normalize(sums))
    return centres
