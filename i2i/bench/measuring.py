"""A short look at what this machine makes of recipes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from i2i.bench.limit import Limit, limits
from i2i.bench.recipes import chosen
from i2i.bench.sides import Side, Timing, in_turns
from i2i.errors import I2IError, UsageError
from i2i.plugins import discover
from i2i.recipe import load_recipe
from i2i.training.runtime import Runtime
from i2i.training.speed import precisions_of

ROUNDS = 5
LIMIT_SHARE, TURN_SHARE = 0.04, 0.008
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
        left = (end - time.monotonic()) / (len(names) - place)
        if left <= 0 and rows:
            left_out[name] = "no time left; more --seconds, or --plugin"
            continue
        tell(name)
        refused = dict[str, str]()
        try:
            timings = _timings(name, overrides, size, TURN_SHARE * seconds, left, runtime.device, refused)
            rows += _rows(name, size, timings, reached)
        except I2IError as error:
            left_out[name] = str(error)
        left_out |= {f"{name}, {side}": why for side, why in refused.items()}
    return Bench(runtime.describe(), reached, rows, left_out)


def _timings(
    name: str,
    overrides: Sequence[str],
    size: int,
    turn: float,
    seconds: float,
    device: torch.device,
    refused: dict[str, str],
) -> list[Timing]:
    """Of translating and training, fp32 first, then what else the hardware has; what cannot be built is `refused`."""
    works: Mapping[str, dict[str, Any]] = {"translating": {"size": size, "seconds": turn}, "training": {}}
    with TemporaryDirectory(prefix="i2i-bench-") as folder:
        sides = []
        for (work, own), precision in product(works.items(), precisions_of(device)):
            place = Path(folder) / work / precision
            place.mkdir(parents=True)
            options = {"name": name, "overrides": list(overrides), "folder": str(place), "device": device.type, **own}
            build = f"i2i.bench.recipes:{work}"
            sides.append(Side(f"{work} in {precision}", build, {**options, "precision": precision}, device.type))
        return in_turns(sides, ROUNDS, seconds, refused=refused)


def _rows(name: str, size: int, timings: Sequence[Timing], reached: Mapping[str, Limit]) -> Iterator[Measured]:
    for task, of_task in groupby(timings, lambda timing: timing.task):
        plain, *others = of_task
        what = {"translate": f"{size}×{size} translated", "draw": "drawn", "train": f"trained, batch {plain.pictures}"}
        for timing in (plain, *others):
            precision, share = timing.side.rpartition(" ")[2], None
            rate, plain_rate = timing.pictures / timing.seconds, plain.pictures / plain.seconds
            if plain.gigaflops is not None:
                share = plain.gigaflops / plain.pictures * rate / reached[precision].gigaflops
            yield Measured(
                name,
                what[task],
                precision,
                timing.seconds,
                timing.pictures,
                rate / plain_rate if others else None,
                share,
                timing.memory,
            )
