"""Trackers told what a run writes; one that fails is left out from then on, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from i2i.contracts import Tracker
from i2i.errors import I2IError, UsageError
from i2i.plugins import resolve
from i2i.recipe import Recipe
from i2i.training.events import Event


class Tracking:
    """The trackers of a run."""

    def __init__(self, trackers: Mapping[str, Tracker], say: Callable[[str], None]) -> None:
        self.trackers, self.say = dict(trackers), say

    @classmethod
    def of(cls, recipe: Recipe, say: Callable[[str], None]) -> Tracking:
        """Those that a recipe names, built. Raises `I2IError` where one cannot be, such as for want of a package."""
        return cls({name: _built(name, part) for name, part in recipe.trackers.items()}, say)

    def started(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        """The run begins or goes on, or goes back."""
        self._tell(lambda tracker: tracker.started(folder, recipe, step))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A line of metrics."""
        self._tell(lambda tracker: tracker.scalars(step, dict(values)))

    def pictures(self, step: int, columns: Mapping[str, Tensor]) -> None:
        """A sample sheet."""
        self._tell(lambda tracker: tracker.pictures(step, {title: shown.clone() for title, shown in columns.items()}))

    def said(self, event: Event) -> None:
        """An event."""
        self._tell(lambda tracker: tracker.said(event.step, event.kind, event.text))

    def ended(self) -> None:
        """There is no more to come."""
        self._tell(lambda tracker: tracker.ended())

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                what(tracker)
            except (Exception, SystemExit) as error:  # whatever a plugin's code does: it only looks on
                del self.trackers[name]
                self.say(f"--log {name}: {_in_words(error)}; it is told nothing more, the run goes on")


def _built(name: str, part: Any) -> Tracker:
    try:
        tracker = resolve(part.entry.value.build)(part.options)
    except UsageError as error:
        raise UsageError(f"--log {name}: {error}") from error
    except (Exception, SystemExit) as error:
        raise I2IError(f"--log {name}: cannot be built: {_in_words(error)}") from error
    if not isinstance(tracker, Tracker):
        raise I2IError(f"--log {name}: {part.entry.value.build} gives {tracker!r}, which is no i2i.Tracker")
    return tracker


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, I2IError) else f"{type(error).__name__}: {text}".removesuffix(": ")
