"""What the files of a run folder tell, as values: all that a report shows."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import yaml

from i2i.training.basis import Basis, basis_of
from i2i.training.layout import ENVIRONMENT, EVENTS, METRICS, RECIPE
from i2i.training.report.curves import Curve, Curves
from i2i.training.report.embedding import Pictures
from i2i.training.report.events import Event, Events
from i2i.training.report.grouping import VALIDATIONS, Group, groups
from i2i.training.report.shown import Answers, Grids, answers, grids
from i2i.training.report.thinning import Thinned, thin
from i2i.training.runs import Best, Run, look_at

MOST_POINTS = 2000
"""Of a curve."""
ALL_POINTS = 60_000
"""Of all curves together."""
RECENT = 50
"""Lines of metrics by which speed is told."""
PATIENCE = 1.0
"""Seconds that a run which goes on may wait for older sample grids."""
LONGEST_RECIPE = 200_000
"""Characters that are shown of one."""


@dataclass(frozen=True)
class Chart:
    """Curves with the same axes."""

    group: Group
    curves: Mapping[str, Thinned]


@dataclass(frozen=True)
class Recipe:
    """A recipe as it lies there, and what the report reads out of it."""

    text: str | None = None
    batch: int | None = None
    validates: bool = False
    metric: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Story:
    """A run at one moment."""

    run: Run
    step: int
    """The furthest that anything tells of."""
    written: datetime
    recipe: Recipe
    environment: Mapping[str, Any]
    """As `environment.json` has it, without the data."""
    data: Mapping[str, Any]
    charts: tuple[Chart, ...]
    newest: Mapping[str, tuple[int, float]]
    """Metric → the step and value that were logged last."""
    first: Mapping[str, float]
    """Metric → the value that was logged first."""
    events: tuple[Event, ...]
    grids: Grids
    answers: Answers | None
    basis: Basis | None
    """On what its validations rest."""
    complaints: tuple[str, ...]
    """What of the folder could not be read."""

    @property
    def name(self) -> str:
        """Of the run folder."""
        return self.run.path.resolve().name

    @property
    def warnings(self) -> tuple[Event, ...]:
        """What somebody should look at."""
        return tuple(event for event in self.events if event.is_warning)

    @property
    def seconds_per_step(self) -> float | None:
        """Lately."""
        speed = self.newest.get("images_per_second")
        return self.recipe.batch / speed[1] if speed and speed[1] > 0 and self.recipe.batch else None

    @property
    def metric(self) -> str | None:
        """What validations measure."""
        found = [name for name in self.newest if name in VALIDATIONS]
        return self.run.best.metric if self.run.best else next(iter(found), None)

    @property
    def best(self) -> Best | None:
        """The best figure so far."""
        return self.run.best


class Source:
    """A run folder, with what was read of it before: asking again costs what is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.curves, self.events = Curves(folder / METRICS), Events(folder / EVENTS)
        self.pictures = Pictures()

    def story(self, ends: bool, most_grids: int, with_answers: bool = True) -> Story:
        """The run now, with as many sample grids at most.

        `ends`: where this process is the one that trains it, it is about to stop, and pictures may take their time.
        """
        run = _looked_at(self.folder, ends)
        curves, events = self.curves.read(), self.events.read()
        recipe, environment = _recipe(self.folder / RECIPE), _mapping(self.folder / ENVIRONMENT)
        shown = grids(self.folder, self.pictures, most_grids, inf if ends else PATIENCE)
        found = answers(self.folder, self.pictures) if with_answers else None
        self.pictures.forget_unasked()
        data = environment.pop("data", None)
        if environment.get("broken") == []:
            del environment["broken"]
        return Story(
            run=run,
            step=max(run.step, self.curves.last_step, *(grid.step for grid in shown.shown), 0),
            written=datetime.now(UTC),
            recipe=recipe,
            environment=environment,
            data=data if isinstance(data, dict) else {},
            charts=_charts(curves, run.best.metric if run.best else recipe.metric),
            newest=_newest(curves),
            first={name: curve.values[0] for name, curve in curves.items()},
            events=events,
            grids=shown,
            answers=found,
            basis=basis_of(self.folder),
            complaints=_complaints(self.folder, recipe, environment, shown),
        )


def _looked_at(folder: Path, ends: bool) -> Run:
    run = look_at(folder)
    return replace(run, occupant=None) if ends and run.occupant == f"{os.getpid()} on {platform.node()}" else run


def _charts(curves: Mapping[str, Curve], validation: str | None) -> tuple[Chart, ...]:
    most = min(MOST_POINTS, max(100, ALL_POINTS // max(1, len(curves))))
    thinned = {name: thin(curve.steps, curve.values, most) for name, curve in curves.items()}
    sizes = {name: statistics.median(map(abs, curve.values)) for name, curve in thinned.items()}
    return tuple(Chart(group, {name: thinned[name] for name in group.names}) for group in groups(sizes, validation))


def _newest(curves: Mapping[str, Curve]) -> dict[str, tuple[int, float]]:
    """The last ones; of the speed, what is in the middle of the last ones."""
    last = {name: (curve.steps[-1], curve.values[-1]) for name, curve in curves.items()}
    if (speed := curves.get("images_per_second")) is not None:
        last["images_per_second"] = speed.steps[-1], statistics.median(speed.values[-RECENT:])
    return last


def _recipe(file: Path) -> Recipe:
    try:
        text = file.read_text(encoding="utf-8", errors="replace")[:LONGEST_RECIPE]
    except OSError:
        return Recipe()
    try:
        run = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["run"]
        batch, metric = run.get("batch"), run.get("metric")
        return Recipe(
            text,
            batch if isinstance(batch, int) and batch > 0 else None,
            run.get("validate_every") is not None,
            metric if isinstance(metric, str) else None,
            str(run.get("note") or ""),
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return Recipe(text)


def _mapping(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _complaints(folder: Path, recipe: Recipe, environment: Mapping[str, Any], shown: Grids) -> tuple[str, ...]:
    found = []
    if recipe.text is None:
        found.append(f"{RECIPE}: is not there, or cannot be read")
    if not environment:
        found.append(f"{ENVIRONMENT}: is not there, or cannot be read")
    if not (folder / METRICS).is_file():
        found.append(f"{METRICS}: is not there")
    return (*found, *(f"{name}: cannot be read" for name in shown.unreadable))
