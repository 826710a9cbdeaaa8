"""Where a run's figures, pictures and events go: its folder, who listens, its trackers and its page."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from torch import Tensor

from i2i.errors import I2IError
from i2i.recipe import Recipe
from i2i.training.basis import Basis
from i2i.training.events import MOST_BROKEN, Event, Events, Kind
from i2i.training.exhibition import Examples, exhibit
from i2i.training.layout import EVENTS
from i2i.training.listener import Listener
from i2i.training.loop import Loop
from i2i.training.reporting import Reporting
from i2i.training.run_folder import RunFolder
from i2i.training.tracking import Tracking


class Logbook:
    """Of one run. Before it begins, and on all ranks but the first, nothing is written; what happened is kept."""

    def __init__(self, loop: Loop, recipe: Recipe, listener: Listener, tracking: Tracking) -> None:
        self.loop, self.recipe, self.listener, self.tracking = loop, recipe, listener, tracking
        self.folder: RunFolder | None = None
        self.events: Events | None = None
        self.report: Reporting | None = None
        self.waiting: list[Event] = []
        self.left_out = 0

    def begin(self, folder: RunFolder) -> None:
        """The run takes its first step, or goes on, in this folder."""
        self.folder = folder
        if not folder.writes:
            return
        self.events = Events(folder.path / EVENTS)
        if self.recipe.run.report:
            self.report = Reporting(folder.path, self.listener.warned)
        self._start_trackers()
        for event in self.waiting:
            self._write(event)
        self.waiting.clear()
        if self.loop.step:
            self.note("resumed", f"goes on from step {self.loop.step}")

    def log(self, numbers: Mapping[str, float]) -> None:
        """A line of metrics."""
        step = self.loop.step
        if self.folder is not None:
            self.folder.log(step, numbers)
        self.listener.logged(step, numbers)
        self.tracking.scalars(step, numbers)
        self._tick()

    def show(self, columns: Mapping[str, Tensor]) -> None:
        """A sample sheet: titles and their pictures, (B, 3, H, W) in [0, 1]."""
        if self.folder is not None:
            self.folder.show(self.loop.step, columns)
        self.tracking.pictures(self.loop.step, columns)
        self._tick()

    def exhibit(self, metric: str, examples: Examples, basis: Basis) -> None:
        """The best and the worst pictures of a validation."""
        if self.folder is not None and self.folder.writes:
            exhibit(self.folder.path, self.loop.step, metric, examples, basis)

    def note(self, kind: Kind, text: str) -> None:
        """Remember what happened at this step."""
        event = Event(self.loop.step, kind, text)
        if self.folder is None:
            self.waiting.append(event)
        else:
            self._write(event)

    def warn(self, kind: Kind, text: str) -> None:
        """Say it too."""
        self.listener.warned(f"step {self.loop.step}: {text}")
        self.note(kind, text)

    def leave_out(self, text: str) -> None:
        """Say that a picture was left out; the first ones are remembered."""
        self.listener.warned(text)
        self.left_out += 1
        if self.left_out <= MOST_BROKEN:
            self.note("broken", text)

    def sum_up_left_out(self, text: str) -> None:
        """Say how many were."""
        self.listener.warned(text)
        if self.left_out > MOST_BROKEN:
            with suppress(I2IError):  # of a disk that is full, something else tells
                self.note("broken", text)

    def note_end(self, text: str) -> None:
        """Remember why the run ends before its last step, as far as the disk has room for it."""
        assert self.folder is not None
        with suppress(I2IError):
            self.note("stopped", text.replace(f"{self.folder.path}/", ""))  # the folder may be moved

    def go_back(self) -> None:
        """The loop is at an earlier step again: what came after it is forgotten."""
        assert self.folder is not None
        self.folder.forget_after(self.loop.step)
        if self.events is not None:
            self.events.forget_after(self.loop.step)
            self._start_trackers()

    def close(self) -> None:
        """No more comes."""
        self.tracking.ended()
        if self.report is not None:
            self.report.write()

    @property
    def report_failed(self) -> bool:
        """Whether the page could not be written; an older one may be there."""
        return self.report is not None and self.report.failed

    def drop(self) -> None:
        """The folder is gone."""
        self.tracking.ended()
        self.folder = self.events = self.report = None

    def _start_trackers(self) -> None:
        assert self.folder is not None
        self.tracking.started(self.folder.path, self.recipe.as_dict(), self.loop.step)

    def _write(self, event: Event) -> None:
        if self.events is not None and self.events.is_new(event):
            self.events.write(event)
            self.tracking.said(event)

    def _tick(self) -> None:
        if self.report is not None:
            self.report.tick()
