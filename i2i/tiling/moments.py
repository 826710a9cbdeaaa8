"""Mean and variance of a picture's maps, gathered part by part."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from i2i.errors import I2IError
from i2i.tiling.layout import Tile

OTHER_WAYS = "this model computes differently in different parts of one picture: it cannot be translated in tiles"


@dataclass(frozen=True)
class Moments:
    """Of each channel over places: how many there are, their mean, their squared deviations from it summed."""

    count: int
    mean: Tensor
    """(C,), float64 on the CPU."""
    deviations: Tensor
    """(C,), float64 on the CPU."""

    @classmethod
    def of(cls, maps: Tensor) -> Moments:
        """Of maps (C, h, w)."""
        count = maps.shape[1] * maps.shape[2]
        if not count:
            nothing = torch.zeros(len(maps), dtype=torch.float64)
            return cls(0, nothing, nothing)
        variance, mean = torch.var_mean(_precise(maps), (1, 2), correction=0)
        return cls(count, mean.cpu().double(), variance.cpu().double() * count)

    def merged(self, other: Moments) -> Moments:
        """Of the places of both (Chan, Golub and LeVeque 1983, "Algorithms for Computing the Sample Variance", 2.1)."""
        if not self.count or not other.count:
            return other if other.count else self
        count = self.count + other.count
        share, apart = other.count / count, other.mean - self.mean
        deviations = self.deviations + other.deviations + apart.square() * (self.count * share)
        return Moments(count, self.mean + apart * share, deviations)

    def over(self, groups: int) -> Moments:
        """Of groups of neighbouring channels, each channel with its group's."""
        members = len(self.mean) // groups
        if members == 1:
            return self
        means = self.mean.view(groups, members)
        mean = means.mean(1, keepdim=True)
        deviations = self.deviations.view(groups, members) + (means - mean).square() * self.count
        spread = deviations.sum(1, keepdim=True).expand(groups, members)
        return Moments(self.count * members, mean.expand(groups, members).flatten(), spread.flatten())

    def variance(self, correction: float = 0) -> Tensor:
        """(C,): the squared deviations over the count less `correction`; 1 makes it unbiased."""
        return self.deviations / max(self.count - correction, 0)


Statistics = tuple[Moments, ...]
"""One for each call that looks at a whole picture, in the order of the calls of one translation."""


def together(parts: Iterable[Moments]) -> Moments:
    """Of the places of all parts. Raises `I2IError` where they have not the same channels."""
    found = list(parts)
    if len({len(part.mean) for part in found}) != 1:
        raise I2IError(OTHER_WAYS)
    return reduce(Moments.merged, found)


def inner_moments(maps: Tensor, tile: Tile) -> Moments:
    """Of the places of maps (C, h, w), made of a tile's outer box, that lie in its inner box."""
    share, outer = tile.share, tile.outer
    rows = inner_places(maps.shape[1], outer.height, share.top, share.bottom)
    columns = inner_places(maps.shape[2], outer.width, share.left, share.right)
    return Moments.of(maps[:, rows, columns])


def inner_places(places: int, pixels: int, first: int, beyond: int) -> slice:
    """Which of the places along one side of a tile's maps lie over its pixels `first` … `beyond` − 1.

    Maps lie centred on the tile: those of convolutions that pad as usual cover it exactly, those of unpadded ones end
    before it and those of pictures padded at first beyond it. What lies beyond the tile counts where the share reaches
    the tile's end, as there the picture ends too.

    >>> inner_places(64, 256, 32, 224), inner_places(60, 256, 0, 224), inner_places(256, 64, 8, 64)
    (slice(8, 56, None), slice(0, 54, None), slice(32, 256, None))
    """
    stride = _stride(places, pixels)

    def place(pixel: int) -> int:
        return max(0, min(places, math.ceil((pixel - pixels / 2) / stride + places / 2 - 0.5 - 1e-6)))

    return slice(0 if first == 0 else place(first), places if beyond == pixels else place(beyond))


def _stride(places: int, pixels: int) -> float:
    """Pixels to a place; where they do not divide, the nearest power of 2."""
    if not places:
        raise I2IError(f"a tile of {pixels} pixels leaves no place in one of this model's layers: take larger tiles")
    if pixels % places == 0 or places % pixels == 0:
        return pixels / places
    return 2.0 ** round(math.log2(pixels / places))


def _precise(maps: Tensor) -> Tensor:
    return maps if maps.dtype in (torch.float32, torch.float64) else maps.float()
