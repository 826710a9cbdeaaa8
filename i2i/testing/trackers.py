"""Checks of a tracker: it can be told a run from its beginning to its end, and one that goes on."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from i2i.contracts import Tracker
from i2i.errors import UsageError
from i2i.plugins import Entry, resolve
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, one_line, require

RECIPE = {"name": "check", "run": {"steps": 4}}
"""What it is told, beside figures, pictures and an event."""


class Follower:
    """A tracker on the bench."""

    def __init__(self, bench: Bench, entry: Entry[Any]) -> None:
        self.bench, self.entry = bench, entry
        self._runs = 0

    @cached_property
    def options(self) -> Any:
        """Its defaults. Raises `Skipped` where some have none."""
        return self.bench.default(self.entry).options

    def build(self) -> Any:
        """A new one. Raises `Skipped` where it lacks what only its user can install or say."""
        try:
            return resolve(self.entry.value.build)(self.options)
        except UsageError as error:
            raise Skipped(f"it is not built as it is: {one_line(error)}") from error

    def folder(self) -> Path:
        """A run folder that nothing lies in."""
        self._runs += 1
        folder = self.bench.folder / f"{self.entry.name}-{self._runs}"
        folder.mkdir()
        return folder


def is_a_tracker(follower: Follower) -> None:
    """By its class."""
    built = follower.build()
    require(isinstance(built, Tracker), f"builds {built!r}, which is no i2i.Tracker")


def follows_a_run(follower: Follower) -> None:
    """A run, one that goes back to a checkpoint, and one that was resumed, in the same folder."""
    import torch

    folder = follower.folder()
    columns = {"made": torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))}
    before = columns["made"].clone()
    for steps in ((0, 2), (4,)):  # it goes back to step 2; it is resumed at step 4
        tracker = follower.build()
        for step in steps:
            tracker.started(folder, RECIPE, step)
            tracker.scalars(step + 1, {"loss": 0.5, "images_per_second": 3.25})
            tracker.pictures(step + 1, columns)
            tracker.said(step + 1, "best", "psnr_y 31.2 is the best so far")
        tracker.ended()
    same = list(columns) == ["made"] and torch.equal(columns["made"], before)
    require(same, "writes into the pictures that it is given; begin with a copy")


CHECKS = (
    Check("it builds a tracker from its default options", is_a_tracker, gate=True),
    Check("it follows a run that goes back and goes on, and writes into no picture", follows_a_run),
)
