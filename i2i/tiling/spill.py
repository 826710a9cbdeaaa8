"""Exact norms in one pass: all tiles advance from norm to norm together and wait on the disk, not in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, UntypedStorage

from i2i.errors import I2IError
from i2i.tiling.kept import Files, Kept
from i2i.tiling.layout import Layout, Tile
from i2i.tiling.moments import OTHER_WAYS, Moments, inner_moments, together
from i2i.tiling.norms import Compute, Report, silent
from i2i.tiling.paused import Paused


def spilled(
    compute: Compute,
    layout: Layout,
    folder: Path,
    report: Report = silent,
    looks: int | None = None,
) -> Iterator[Tensor]:
    """The outputs (C, height · scale, width · scale) of all tiles, in the layout's order.

    Each tile's translation pauses at each call that looks at the whole picture, until all others have come as far and
    their moments are known; what it holds waits in files of `folder`. So the work is that of one translation and the
    memory that of one tile. The files have no names and are gone when the process is, however it ends.

    `compute` runs in a thread for each tile, one at a time; its torch calls are made by the thread that takes the
    outputs. `looks`, if known, is how often a tile looks at the whole picture, for `report`.
    Raises `I2IError` where the disk is full or the model computes differently in different tiles.
    """
    with ExitStack() as stack:
        files = Files(folder)
        stack.callback(files.remove)
        waiting = [Waiting(compute, tile, files) for tile in layout]
        stack.callback(_stopped, waiting)
        moments: Moments | None = None
        turn = 0
        while True:
            met: list[Moments] = []
            for number, tile in enumerate(waiting):
                step = tile.go_on(moments)
                if isinstance(step, Moments):
                    met.append(step)
                if len(met) not in (0, number + 1):
                    raise I2IError(OTHER_WAYS)
                if looks is not None:
                    report(min(1.0, (turn + (number + 1) / len(waiting)) / (looks + 1)))
                if not isinstance(step, Moments):
                    yield step
                del step
            if not met:
                return
            moments = together(met)
            turn += 1


class Waiting:
    """One tile's translation, which lies in files while it waits."""

    def __init__(self, compute: Compute, tile: Tile, files: Files) -> None:
        self.kept = Kept()
        self._tile, self._files = tile, files
        self._computation = Paused(lambda: compute([tile])[0], self.kept.note)
        self._homes: dict[int, torch.device] = {}
        """Which of the files hold memory of other devices than the CPU, by where they begin."""

    def go_on(self, moments: Moments | None) -> Moments | Tensor:
        """What this tile adds to the moments of its next look, or its output. Raises what the translation raises."""
        if self._homes:
            self.kept.move(self._brought_back)
            self._homes.clear()
        found = self._computation.go_on(moments)
        if isinstance(found, Tensor):
            return found
        added = inner_moments(found.maps[0], self._tile)
        self.kept.move(self._put_away)
        return added

    def _put_away(self, storage: UntypedStorage) -> UntypedStorage | None:
        lies = self._files(storage)
        if lies is not None and storage.device.type != "cpu":  # the CPU reads right from the file
            self._homes[lies.data_ptr()] = storage.device
        return lies

    def _brought_back(self, storage: UntypedStorage) -> UntypedStorage | None:
        home = self._homes.get(storage.data_ptr())
        return None if home is None else storage.to(device=home)

    def stop(self) -> None:
        """Have it end."""
        self._computation.stop()

    def wait(self) -> None:
        """Until it has ended."""
        self._computation.wait()


def _stopped(waiting: list[Waiting]) -> None:
    """However the work ends, no thread outlives it."""
    for tile in waiting:
        tile.stop()
    for tile in waiting:
        tile.wait()
