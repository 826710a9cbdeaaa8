"""Where a picture is cut: tiles of one size that overlap, and the share of the picture that each answers for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from i2i.contracts.geometry import Geometry
from i2i.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Box:
    """A rectangle of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The first column beyond it."""
        return self.left + self.width

    def scaled(self, scale: int) -> Box:
        """The same rectangle where each pixel has become scale × scale pixels."""
        return Box(self.top * scale, self.left * scale, self.height * scale, self.width * scale)

    def below(self, other: Box) -> Box:
        """The same rectangle as seen from the upper left corner of another."""
        return Box(self.top - other.top, self.left - other.left, self.height, self.width)

    def cut(self, picture: Tensor) -> Tensor:
        """(…, H, W) → (…, height, width): a view of its part inside the rectangle."""
        return picture[..., self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True)
class Tile:
    """A part of the padded picture that the network sees at once."""

    outer: Box
    """What the network is given."""
    inner: Box
    """Its share of the picture: the inner boxes of a layout cover the picture, each pixel once."""
    row: int
    column: int

    @property
    def share(self) -> Box:
        """The inner box as seen from the outer one: where in the tile its share of the picture lies."""
        return self.inner.below(self.outer)


@dataclass(frozen=True)
class Layout:
    """All tiles of one picture, outer boxes of equal size, so that they make batches and kernels are chosen once.

    Outer and inner boxes begin and end at multiples of the geometry's `multiple_of`: each pixel of a deeper, smaller
    layer lies under the pixels that it lies under in the whole picture, and in the inner box of one tile alone.
    """

    size: tuple[int, int]
    """(height, width) of the padded picture."""
    overlap: int
    """How many pixels an inner box lies inside its outer one, at least, but at the picture's edges."""
    rows: tuple[tuple[Tile, ...], ...]

    @classmethod
    def of(cls, size: tuple[int, int], geometry: Geometry, side: int, overlap: int | None = None) -> Layout:
        """The fewest tiles of at most side × side pixels for a padded picture of this (height, width).

        Among tilings of that many tiles the one with the smallest is taken. Without `overlap` it is the geometry's
        margin, which makes tiles exact; it is rounded up to `multiple_of`. Raises `UsageError` where a tile of this
        side would be all overlap, or the model sees no tiles.
        """
        unit = geometry.multiple_of
        if geometry.padded(*size) != size:
            raise ValueError(f"a padded picture of {size[0]}×{size[1]} pixels would be {geometry.padded(*size)}")
        overlap = _up(geometry.margin if overlap is None else overlap, unit)
        if geometry.size is not None:
            side = max(size)  # it knows nothing smaller
        if max(size) > side:
            _require_tiles(geometry)
            require_side(geometry, side, overlap)
        heights, widths = (_cuts(length, unit, side // unit * unit, overlap, geometry.min_size) for length in size)
        rows = tuple(
            tuple(
                Tile(_box(outer_rows, outer_columns), _box(inner_rows, inner_columns), row, column)
                for column, (outer_columns, inner_columns) in enumerate(widths)
            )
            for row, (outer_rows, inner_rows) in enumerate(heights)
        )
        return cls(size, overlap, rows)

    def __iter__(self) -> Iterator[Tile]:
        """Row by row from the top, each from the left."""
        return (tile for row in self.rows for tile in row)

    def __len__(self) -> int:
        return len(self.rows) * len(self.rows[0])

    @property
    def outer(self) -> tuple[int, int]:
        """(height, width) of what the network is given each time."""
        box = self.rows[0][0].outer
        return box.height, box.width


def smallest_side(geometry: Geometry, overlap: int | None = None) -> int:
    """The least side of a tile that has a share of its own between the overlaps on both sides, in pixels."""
    unit = geometry.multiple_of
    overlap = _up(geometry.margin if overlap is None else overlap, unit)
    return max(2 * overlap + unit, _up(geometry.min_size, unit))


def require_side(geometry: Geometry, side: int, overlap: int | None = None) -> None:
    """Raise `UsageError` where a tile of this side would be all overlap."""
    least = smallest_side(geometry, overlap)
    if side < least:
        around = _up(geometry.margin if overlap is None else overlap, geometry.multiple_of)
        raise UsageError(
            f"tiles of {side} pixels: with an overlap of {around} on each side this model needs at least {least}"
        )


Span = tuple[int, int]
"""The first place and the first beyond, along one side of the picture."""


def _cuts(length: int, unit: int, side: int, overlap: int, least: int) -> list[tuple[Span, Span]]:
    """Outer and inner spans along one side of the picture."""
    if length <= side:
        return [((0, length), (0, length))]
    further = side - 2 * overlap  # what each tile adds to the two at the ends
    count = 1 + -(-(length - side) // further)
    side = _up(max(-(-(length + 2 * (count - 1) * overlap) // count), least), unit)
    starts = [place * ((length - side) // unit) // (count - 1) * unit for place in range(count)]
    borders = [0, *((before + side + after) // (2 * unit) * unit for before, after in pairwise(starts)), length]
    return list(zip(((start, start + side) for start in starts), pairwise(borders), strict=True))


def _require_tiles(geometry: Geometry) -> None:
    if geometry.tiling == "never":
        raise UsageError("this model looks at a whole picture at once and cannot work in tiles: give it a smaller one")


def _box(rows: Span, columns: Span) -> Box:
    return Box(rows[0], columns[0], rows[1] - rows[0], columns[1] - columns[0])


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
