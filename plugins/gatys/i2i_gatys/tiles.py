"""A picture in overlapping tiles, so that what is computed of it is the same as of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from i2i import FeatureExtractor


@dataclass(frozen=True)
class Span:
    """A stretch of one axis, in pixels: computed from `begin` to `end`, of which `first` to `last` is its own."""

    begin: int
    end: int
    first: int
    last: int
    is_final: bool

    def own(self, stride: int) -> slice:
        """The positions of a map computed from `begin` on that lie in the stretch itself."""
        stop = None if self.is_final else (self.last - self.begin) // stride
        return slice((self.first - self.begin) // stride, stop)


@dataclass(frozen=True)
class Tile:
    """A rectangle of a picture with its surroundings."""

    rows: Span
    columns: Span

    def crop(self, picture: Tensor) -> Tensor:
        """(…, H, W) → the tile with what lies around it."""
        return picture[..., self.rows.begin : self.rows.end, self.columns.begin : self.columns.end]

    def own(self, maps: Tensor, stride: int) -> Tensor:
        """Maps of the crop → the part that belongs to no other tile."""
        return maps[..., self.rows.own(stride), self.columns.own(stride)]


def tiles(height: int, width: int, side: int, features: FeatureExtractor, names: list[str]) -> list[Tile]:
    """Tiles of about `side` pixels whose surroundings hold all that these layers look at; one where that is enough."""
    stride = max(features.layers[name].stride for name in names)
    reach = max(features.layers[name].reach for name in names)
    margin = _up(reach, stride)
    rows, columns = (list(_spans(length, _up(side, stride), margin)) for length in (height, width))
    return [Tile(row, column) for row in rows for column in columns]


def _spans(length: int, side: int, margin: int) -> Iterator[Span]:
    """Whole strides, so that a map's positions fall on the same pixels in a tile as in the whole picture.

    What is left at the end, less than half a tile, goes to the last one.
    """
    count = max(1, round(length / side))
    for number in range(count):
        first, is_final = number * side, number == count - 1
        last = length if is_final else first + side
        yield Span(max(0, first - margin), min(length, last + margin), first, last, is_final)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
