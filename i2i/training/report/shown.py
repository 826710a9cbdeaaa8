"""The pictures of a report: sample grids through time, and how validations went at their best and worst."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from i2i.training.layout import PICTURES, SAMPLES, STEP, VALIDATION
from i2i.training.report.curves import is_finite
from i2i.training.report.embedding import Embedded, Pictures

MOST_GRIDS = 40
GRID_CHARACTERS = 140_000
"""Of each: forty and the rest of a page stay below 15 MB, however large and noisy they are."""
MOST_OF_A_RANK = 6
VALIDATED_CHARACTERS = 40_000
"""Of each picture of a validation."""


@dataclass(frozen=True)
class Grid:
    """Samples at a step."""

    step: int
    picture: Embedded


@dataclass(frozen=True)
class Grids:
    """The sample grids that are shown, out of those that are there."""

    shown: tuple[Grid, ...] = ()
    there: int = 0
    unreadable: tuple[str, ...] = ()
    """Names of files."""


@dataclass(frozen=True)
class Answer:
    """What became of one validation picture."""

    value: float | None
    """None: without bound, as of one that equals its target."""
    made: Embedded
    source: Embedded | None
    wanted: Embedded | None


@dataclass(frozen=True)
class Answers:
    """The worst and the best of a validation, the very worst and the very best first."""

    step: int
    metric: str
    measured: str
    """What a value means, in words."""
    lower_is_better: bool
    worst: tuple[Answer, ...]
    best: tuple[Answer, ...]


def grids(folder: Path, pictures: Pictures, most: int = MOST_GRIDS, seconds: float = inf) -> Grids:
    """At most `most` sample grids of a run folder, evenly spread, the first and the newest among them.

    When encoding has taken so many seconds, older ones are left out that were not encoded before.
    """
    there, chosen, left_off = sample_grids(folder), dict[int, Embedded | None](), time.perf_counter() + seconds
    for step in reversed(spread(list(there), most)):
        if pictures.knows(there[step]) or time.perf_counter() < left_off:
            chosen[step] = pictures.embed(there[step], GRID_CHARACTERS)
    shown = [Grid(step, picture) for step, picture in chosen.items() if picture is not None]
    unreadable = [there[step].name for step, picture in chosen.items() if picture is None]
    return Grids(tuple(reversed(shown)), len(there), tuple(reversed(unreadable)))


def sample_grids(folder: Path) -> dict[int, Path]:
    """Step → file, in order."""
    found = {path.stem.removeprefix(STEP): path for path in (folder / SAMPLES).glob(f"{STEP}*.png")}
    return dict(sorted((int(step), path) for step, path in found.items() if step.isdecimal() and len(step) < 16))


def spread(steps: Sequence[int], most: int) -> list[int]:
    """At most `most` (2 or more) of these, evenly: every 1st, 2nd, 4th, 8th …, and the last.

    As more of them come, what is chosen was chosen before, but for the newest.
    """
    stride = 1
    while -(-len(steps) // stride) + 1 > most and len(steps) > most:
        stride *= 2
    return sorted({*steps[::stride], *steps[-1:]})


def answers(folder: Path, pictures: Pictures) -> Answers | None:
    """The validation pictures of a run folder; None where there are none that can be shown."""
    place = folder / VALIDATION
    try:
        told = json.loads((place / PICTURES).read_text(encoding="utf-8"))
        lower, metric, step = bool(told["lower_is_better"]), str(told["metric"]), int(told["step"])
        measured, entries = str(told.get("measured", "")), [dict(entry) for entry in told["pictures"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    worst = _answers(place, [entry for entry in entries if entry.get("rank") == "worst"], pictures)
    best = _answers(place, [entry for entry in entries if entry.get("rank") == "best"], pictures)
    return Answers(step, metric, measured, lower, worst, best) if worst or best else None


def _answers(place: Path, entries: Sequence[dict[str, Any]], pictures: Pictures) -> tuple[Answer, ...]:
    found = []
    for entry in entries[:MOST_OF_A_RANK]:
        source, made, wanted = (_embedded(place, entry.get(part), pictures) for part in ("source", "made", "wanted"))
        if made is not None:
            value = entry.get("value")
            found.append(Answer(float(value) if is_finite(value) else None, made, source, wanted))
    return tuple(found)


def _embedded(place: Path, name: object, pictures: Pictures) -> Embedded | None:
    """Nothing outside the folder is shown, whatever the file names."""
    if not isinstance(name, str) or not name:
        return None
    try:
        file = (place / name).resolve()
    except (OSError, ValueError):
        return None
    return pictures.embed(file, VALIDATED_CHARACTERS) if file.is_relative_to(place.resolve()) else None
