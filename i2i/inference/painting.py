"""The outputs of tiles, one after another, by whichever way the model allows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from i2i.contracts import Geometry
from i2i.inference.tiled import Norms, Work
from i2i.tiling.layout import Layout, Tile
from i2i.tiling.looks import Look
from i2i.tiling.moments import Moments, Statistics
from i2i.tiling.norms import Fixed, Met
from i2i.tiling.spill import spilled


@dataclass(frozen=True)
class Painter:
    """Computes all tiles of a layout, with norms as they are in the whole picture."""

    geometry: Geometry
    layout: Layout
    norms: Norms
    report: Callable[..., None]
    """Told how much is done."""
    folder: Path | None = None
    """Where exact norms may put files while they work; None: where temporary files go."""

    @contextmanager
    def __call__(self, work: Work) -> Iterator[Iterable[Tensor]]:
        """The outputs (C', h·scale, W·scale) in the layout's order."""
        if self.geometry.tiling != "statistics" or len(self.layout) == 1:
            yield self._one_by_one(lambda tile: work.compute([tile])[0])
        elif self.norms == "exact":
            folder = self.folder or Path(tempfile.gettempdir())
            with closing(spilled(work.compute, self.layout, folder, report=self.report)) as outputs:
                yield outputs
        else:
            height, width = self.layout.outer
            statistics = of_thumbnail(lambda: work.thumbnail(height * width))

            def compute(tile: Tile) -> Tensor:
                with Fixed(statistics):
                    return work.compute([tile])[0]

            yield self._one_by_one(compute)

    def _one_by_one(self, compute: Callable[[Tile], Tensor]) -> Iterator[Tensor]:
        for number, tile in enumerate(self.layout, 1):
            output = compute(tile)
            self.report(number / len(self.layout))
            yield output


def of_thumbnail(translate: Callable[[], object]) -> Statistics:
    """What the norms go by where this translates a picture made smaller."""
    found: list[Moments] = []

    def answer(place: int, look: Look) -> object:
        found.append(Moments.of(look.maps[0]))
        return look.answer(found[-1])

    with Met(answer, 1):
        translate()
    return tuple(found)
