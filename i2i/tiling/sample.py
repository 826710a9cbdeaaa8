"""Norms of a whole picture from a sample of it: tiles from all over, translated as if they were one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from i2i.contracts.geometry import Geometry
from i2i.tiling.layout import Box, Tile
from i2i.tiling.looks import Look
from i2i.tiling.moments import Moments, Statistics
from i2i.tiling.norms import Compute, Met, inner

SIDE = 128
"""Of the tiles of a sample, in pixels."""
FLOOR = 1e-5
"""Variance below which nothing is seen of it: norms add as much."""


def spread(size: tuple[int, int], geometry: Geometry, pixels: int, side: int = SIDE) -> list[Tile]:
    """Tiles of about `side` × `side` pixels, evenly over a padded picture of this (height, width), `pixels` in all.

    At least one, whatever `pixels` says, and no more than cover the picture. Each answers for all that it shows.
    """
    unit = geometry.multiple_of
    side = -(-max(side, geometry.min_size) // unit) * unit
    height, width = (min(side, length) for length in size)
    most = max(1, pixels // (height * width))
    rows = min(max(1, round(math.sqrt(most * size[0] / size[1]))), most, -(-size[0] // height))
    columns = min(most // rows, -(-size[1] // width))
    tops, lefts = _places(size[0], height, rows, unit), _places(size[1], width, columns, unit)
    tiles = []
    for row, top in enumerate(tops):
        for column, left in enumerate(lefts):
            box = Box(top, left, height, width)
            tiles.append(Tile(box, box, row, column))
    return tiles


def _places(length: int, side: int, count: int, unit: int) -> list[int]:
    """Where `count` tiles begin, each in the middle of its part of the length."""
    middles = ((2 * place + 1) * length / (2 * count) for place in range(count))
    return [min(max(0, round((middle - side / 2) / unit) * unit), length - side) for middle in middles]


def blended_overlap(geometry: Geometry) -> tuple[int, int]:
    """(overlap, feather) in pixels that a picture needs whose norms go by a sample: half its margin, half of that.

    What lies further away than half the margin hardly counts: with that overlap tiles of trained networks differ by
    0.00 to 0.6/255 in the mean, far less than by what a sample misses, and blended over the feather their borders
    cannot be told from the rest (tests/prove/test_tiles.py).
    """
    overlap = -(-geometry.margin // 2)
    return overlap, overlap // 4 * 2


@dataclass(frozen=True)
class Correction:
    """What makes the moments of a sample those of a whole picture."""

    shift: Tensor
    """(C,): between the means, in standard deviations of the sample."""
    ratio: Tensor
    """(C,): of the variances."""

    @classmethod
    def between(cls, sample: Moments, whole: Moments) -> Correction:
        """The one that makes these of those."""
        own = sample.variance() + FLOOR
        return cls((whole.mean - sample.mean) / own.sqrt(), (whole.variance() + FLOOR) / own)

    def of(self, sample: Moments) -> Moments:
        """The same correction of other moments."""
        own = sample.variance() + FLOOR
        variance = (own * self.ratio - FLOOR).clamp_min(0)
        return Moments(sample.count, sample.mean + self.shift * own.sqrt(), variance * sample.count)

    @property
    def size(self) -> float:
        """The largest of all shifts and logarithms of ratios."""
        return max(float(self.shift.abs().max()), float(self.ratio.log().abs().max()))


def corrected(
    compute: Compute, tiles: Sequence[Tile], corrections: Sequence[Correction] | None
) -> tuple[Statistics, Statistics]:
    """Translate tiles at once, their norms going by the tiles' common moments, each corrected if there are corrections.

    The corrected moments, and those of the tiles before each was corrected.
    """
    used: list[Moments] = []
    found: list[Moments] = []

    def answer(place: int, look: Look) -> object:
        moments = inner(look, tiles)
        found.append(moments)
        used.append(moments if corrections is None else corrections[place].of(moments))
        return look.answer(used[-1])

    with Met(answer, len(tiles)):
        compute(tiles)
    return tuple(used), tuple(found)
