"""The part of a frame that is not as the frame before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray


@dataclass(frozen=True)
class Patch:
    """A rectangle of a picture, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top

    def on_grid(self, step: int) -> Patch:
        """With its upper left corner at multiples of `step`, and nothing less in it."""
        return Patch(self.left // step * step, self.top // step * step, self.right, self.bottom)


def changed(before: NDArray[Any] | None, now: NDArray[Any]) -> Patch:
    """The smallest rectangle of `now` (H, W, C) outside of which it is as `before`; one pixel where all of it is.

    All of it where there is nothing before.
    """
    height, width = now.shape[:2]
    if before is None:
        return Patch(0, 0, width, height)
    differs = (before != now).any(axis=2)
    rows, columns = (numpy.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return Patch(0, 0, 1, 1)
    return Patch(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
