"""The outputs of tiles, one after another, by whichever way the model allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from i2i.contracts import Geometry
from i2i.inference.tiled import Compute, Norms
from i2i.tiling.layout import Layout


@dataclass(frozen=True)
class Painter:
    """Computes all tiles of a layout, with norms as they are in the whole picture."""

    geometry: Geometry
    layout: Layout
    norms: Norms
    report: Callable[..., None]
    """Told how much is done."""

    @contextmanager
    def __call__(self, compute: Compute) -> Iterator[Iterable[Tensor]]:
        """The outputs (C', h·scale, W·scale) in the layout's order."""
        yield self._one_by_one(compute)

    def _one_by_one(self, compute: Compute) -> Iterator[Tensor]:
        for number, tile in enumerate(self.layout, 1):
            output = compute([tile])[0]
            self.report(number / len(self.layout))
            yield output
