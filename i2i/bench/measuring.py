"""A short look at what this machine makes of recipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from i2i.bench.limit import Limit, limits
from i2i.bench.recipes import chosen
from i2i.bench.sides import Side, Timing, in_turns
from i2i.errors import I2IError, UsageError
from i2i.plugins import discover
from i2i.recipe import load_recipe
from i2i.training.runtime import Runtime
from i2i.training.speed import precisions_of

ROUNDS = 5
LIMIT_SHARE, TURN_SHARE = 0.04, 0.02
"""Of the time: for the limit, and for one turn of a translation."""


@dataclass(frozen=True)
class Measured:
    """One thing that a recipe does, in one precision."""

    recipe: str
    what: str
    """`256×256 translated`, `drawn` or `trained, batch 16`."""
    precision: str
    seconds: float
    """The median turn."""
    pictures: int
    """Of a turn."""
    ratio: float | None
    """How many times as fast as fp32; None where there is nothing else."""
    share_of_limit: float | None
    """Operations a second, of convolutions done directly, beside the limit; None where nobody can count them."""
    memory: int
    """Bytes at most: of the process, or of the GPU."""

    @property
    def pictures_per_second(self) -> float:
        """Loading and saving included."""
        return self.pictures / self.seconds


@dataclass(frozen=True)
class Bench:
    """Everything that was measured."""

    machine: Mapping[str, Any]
    limits: Mapping[str, Limit]
    rows: Sequence[Measured]
    left_out: Mapping[str, str]
    """What was not measured, and why."""


def measured(
    recipe: str | None,
    overrides: Sequence[str],
    size: int,
    seconds: float,
    device: str,
    tell: Callable[[str], object] = lambda text: None,
) -> Bench:
    """One recipe, or those that one would try first, in about so many seconds; `tell` hears what comes next.

    Raises `UsageError` for a recipe that there is not, and where there is none to measure.
    """
    catalog, runtime = discover(), Runtime.choose(device)
    if recipe is not None:
        load_recipe(catalog, recipe, overrides=overrides)
    names = chosen(catalog) if recipe is None else [recipe]
    if not names:
        raise UsageError("no recipe with shipped weights, and no light one, is installed: name one with --plugin")
    end = time.monotonic() + seconds
    tell("the limit of convolutions")
    reached = limits(runtime.device, LIMIT_SHARE * seconds)
    rows, left_out = list[Measured](), dict[str, str]()
    for place, name in enumerate(names):
        for title, sides in _works(name, overrides, size, TURN_SHARE * seconds, runtime.device.type):
            left = (end - time.monotonic()) / (2 * (len(names) - place))
            if left <= 0 and rows:
                left_out[f"{name}, {title}"] = "no time left; more --seconds, or --plugin"
                continue
            tell(f"{name}, {title}")
            try:
                rows += _rows(name, size, _in_turns(sides, left), reached)
            except I2IError as error:
                left_out[f"{name}, {title}"] = str(error)
    return Bench(runtime.describe(), reached, rows, left_out)


def _works(
    name: str, overrides: Sequence[str], size: int, turn: float, device: str
) -> Iterator[tuple[str, list[Side]]]:
    both = {"name": name, "overrides": list(overrides), "device": device}
    own: Mapping[str, dict[str, Any]] = {"translating": {"size": size, "seconds": turn}, "training": {}}
    for title, given in own.items():
        build = f"i2i.bench.recipes:{title}"
        precisions = precisions_of(Runtime.choose(device).device)
        yield title, [Side(each, build, {**both, **given, "precision": each}, device) for each in precisions]


def _in_turns(sides: Sequence[Side], seconds: float) -> list[Timing]:
    with TemporaryDirectory(prefix="i2i-bench-") as name:
        placed = []
        for side in sides:
            folder = Path(name) / side.name
            folder.mkdir()
            placed.append(Side(side.name, side.build, {**side.options, "folder": str(folder)}, side.device))
        return in_turns(placed, ROUNDS, seconds)


def _rows(name: str, size: int, timings: Sequence[Timing], reached: Mapping[str, Limit]) -> Iterator[Measured]:
    plain = timings[0]
    what = {"translate": f"{size}×{size} translated", "draw": "drawn", "train": f"trained, batch {plain.pictures}"}
    for timing in timings:
        share = None
        if plain.gigaflops is not None:
            rate = plain.gigaflops / plain.pictures * timing.pictures / timing.seconds
            share = rate / reached[timing.side].gigaflops
        ratio = timing.pictures / timing.seconds / (plain.pictures / plain.seconds) if len(timings) > 1 else None
        yield Measured(
            name, what[timing.task], timing.side, timing.seconds, timing.pictures, ratio, share, timing.memory
        )
