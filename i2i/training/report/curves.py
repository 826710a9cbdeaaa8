"""The numbers of a run over its steps, gathered from `metrics.jsonl` as it grows."""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

from i2i.training.report.growing import GrowingFile

LAST_STEP = 2**53
"""Beyond it a browser cannot count by one."""


@dataclass(frozen=True)
class Curve:
    """One metric: its values at rising steps, finite ones alone."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def forget_from(self, step: int) -> None:
        """Drop this step and all behind it."""
        first = bisect_left(self.steps, step)
        del self.steps[first:], self.values[first:]


class Curves:
    """Every metric of a run. A step that is logged again voids what was there of it and of those behind it."""

    def __init__(self, file: Path) -> None:
        self._file = GrowingFile(file)
        self._by_name: dict[str, Curve] = {}
        self.last_step = 0

    def read(self) -> dict[str, Curve]:
        """Take in what the file has got since the last time; a line that cannot be read is passed over."""
        news = self._file.news()
        if news.begins_anew:
            self._by_name, self.last_step = {}, 0
        for line in news.lines:
            self._take(line)
        return {name: curve for name, curve in self._by_name.items() if curve.steps}

    def _take(self, line: bytes) -> None:
        entry = mapping_in(line)
        step = entry.pop("step", None)
        if not is_step(step):
            return
        if step <= self.last_step:
            for curve in self._by_name.values():
                curve.forget_from(step)
        self.last_step = step
        for name, value in entry.items():
            if is_finite(value):
                curve = self._by_name.setdefault(name, Curve())
                curve.steps.append(step)
                curve.values.append(value)


def mapping_in(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; an empty one where there is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_step(value: object) -> TypeGuard[int]:
    """Whether it counts steps."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LAST_STEP


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number that can be drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:  # a whole number of hundreds of digits
        return False
