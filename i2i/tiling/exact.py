"""Translating a picture in tiles to what it would be as a whole, in the way that costs the least."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from torch import Tensor

from i2i.tiling.kept import Kept
from i2i.tiling.layout import Layout, Tile
from i2i.tiling.moments import Statistics, inner_moments
from i2i.tiling.norms import Compute, Fixed
from i2i.tiling.paused import Paused

Way = Literal["spilled", "recomputed", "refined"]
TURNS = 6
"""Translations that `refined` takes as a rule."""
MOST_WAITING = 2000
"""Tiles that may wait at once, a thread each."""
PROBE = 2**26
"""Bytes written to find out how fast a disk is."""


@dataclass(frozen=True)
class Profile:
    """What the translation of one tile takes."""

    seconds: float
    until_look: tuple[float, ...]
    """Seconds from its beginning until each call that looks at the whole picture."""
    kept: tuple[int, ...]
    """Bytes of what it holds at each of them."""

    @property
    def looks(self) -> int:
        """How often it looks at the whole picture."""
        return len(self.until_look)


@dataclass(frozen=True)
class Cost:
    """What a picture takes in one of the ways."""

    way: Way
    seconds: float
    disk_bytes: int
    """At the most at once."""


def profiled(compute: Compute, tile: Tile) -> Profile:
    """Time a tile's translation and count what it would put aside; its norms go by the tile's own moments."""
    kept, moments = Kept(), None
    computation = Paused(lambda: compute([tile])[0], kept.note)
    until_look: list[float] = []
    sizes: list[int] = []
    seconds = 0.0
    try:
        while True:
            started = time.perf_counter()
            found = computation.go_on(moments)
            seconds += time.perf_counter() - started
            if isinstance(found, Tensor):
                return Profile(seconds, tuple(until_look), tuple(sizes))
            moments = inner_moments(found.maps[0], tile)
            until_look.append(seconds)
            sizes.append(kept.bytes())
            del found
    finally:
        computation.stop()
        computation.wait()


def costs(profile: Profile, layout: Layout, folder: Path) -> list[Cost]:
    """Of each way there is for this picture, the cheapest first; what lies on the disk is written and read there.

    Left out is what the disk of `folder` has no room for.
    """
    tiles, once = len(layout), profile.seconds
    ways = [
        Cost("recomputed", tiles * (sum(profile.until_look) + once), 0),
        Cost("refined", tiles * once * (TURNS + 1), 0),
    ]
    disk = tiles * max(profile.kept, default=0)
    if tiles <= MOST_WAITING and disk < shutil.disk_usage(folder).free:
        ways.append(Cost("spilled", tiles * (once + 2 * sum(profile.kept) / writing_speed(folder)), disk))
    return sorted(ways, key=lambda cost: cost.seconds)


def writing_speed(folder: Path) -> float:
    """Bytes a second that get onto the disk of a folder."""
    noise = os.urandom(PROBE)  # no disk can make less of it
    with TemporaryFile(dir=folder) as file:
        started = time.perf_counter()
        file.write(noise)
        file.flush()
        os.fsync(file.fileno())
    return PROBE / (time.perf_counter() - started)


def painted(compute: Compute, tiles: Iterable[Tile], statistics: Statistics) -> Iterator[Tensor]:
    """The output (C, height · scale, width · scale) of each tile, its norms going by these statistics."""
    for tile in tiles:
        with Fixed(statistics):
            output = compute([tile])[0]
        yield output
        del output
