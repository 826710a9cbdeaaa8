"""The outputs of tiles, one after another, by whichever way the model allows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from i2i.contracts import Geometry
from i2i.inference.tiled import Norms, Work
from i2i.tiling.exact import costs, painted, profiled
from i2i.tiling.layout import Layout
from i2i.tiling.looks import Look
from i2i.tiling.memory import spelled
from i2i.tiling.moments import Moments, Statistics
from i2i.tiling.norms import Compute, Met
from i2i.tiling.recompute import recomputed, refined
from i2i.tiling.sample import spread
from i2i.tiling.spill import spilled


@dataclass(frozen=True)
class Painter:
    """Computes all tiles of a layout, with norms as they are in the whole picture."""

    geometry: Geometry
    layout: Layout
    norms: Norms
    report: Callable[..., None]
    """Told how much is done."""
    pixels: int
    """That may be computed at once, be it in one tile or in several."""
    tell: Callable[[str], object]
    """Told what exact norms are going to take."""
    folder: Path | None = None
    """Where exact norms may put files while they work; None: where temporary files go."""

    @contextmanager
    def __call__(self, work: Work) -> Iterator[Iterable[Tensor]]:
        """The outputs (C', h·scale, W·scale) in the layout's order."""
        with closing(self._outputs(work)) as outputs:
            yield outputs

    def _outputs(self, work: Work) -> Generator[Tensor]:
        if self.geometry.tiling != "statistics" or len(self.layout) == 1:
            yield from self._counted(work.compute([tile])[0] for tile in self.layout)
        elif self.norms == "exact":
            yield from self._exact(work.compute)
        else:
            yield from self._going_by(of_thumbnail(lambda: work.thumbnail(self.pixels)), work.compute)

    def _exact(self, compute: Compute) -> Iterator[Tensor]:
        """In the way that takes the least time and fits on the disk, which is told first."""
        first = next(iter(self.layout))
        profile = profiled(compute, first)
        folder = self.folder or Path(tempfile.gettempdir())
        cost = costs(profile, self.layout, folder)[0]
        self.tell(f"exact norms, {cost.way}: about {cost.seconds:.0f} s, {spelled(cost.disk_bytes)} of disk")
        if cost.way == "spilled":
            return spilled(compute, self.layout, folder, report=self.report, looks=profile.looks)
        if cost.way == "recomputed":
            return self._going_by(recomputed(compute, self.layout, profile.looks, self.report), compute)
        sample = spread(self.layout.size, self.geometry, self.pixels)
        return self._going_by(refined(compute, self.layout, sample, profile.looks, self.report), compute)

    def _going_by(self, statistics: Statistics, compute: Compute) -> Iterator[Tensor]:
        return self._counted(painted(compute, self.layout, statistics))

    def _counted(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        for number, output in enumerate(outputs, 1):
            self.report(number / len(self.layout))
            yield output
            del output


def of_thumbnail(translate: Callable[[], object]) -> Statistics:
    """What the norms go by where this translates a picture made smaller."""
    found: list[Moments] = []

    def answer(place: int, look: Look) -> object:
        found.append(Moments.of(look.maps[0]))
        return look.answer(found[-1])

    with Met(answer, 1):
        translate()
    return tuple(found)
