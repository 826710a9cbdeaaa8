"""What happened to a run, as `events.jsonl` tells it: a line of JSON with `step`, `time`, `kind` and `text` each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from i2i.training.report.curves import is_step, mapping_in
from i2i.training.report.growing import GrowingFile

NEWS = frozenset({"best", "resumed", "stopped"})
"""Kinds that are nothing to worry about; any other is a warning."""
LONGEST = 1000
"""Characters that are shown of a text."""


@dataclass(frozen=True)
class Event:
    """Something that happened at a step."""

    step: int
    kind: str
    text: str
    time: str
    """In ISO 8601, or empty."""

    @property
    def is_warning(self) -> bool:
        """Whether somebody should look at it."""
        return self.kind not in NEWS


class Events:
    """All that happened so far, in the order in which it was written."""

    def __init__(self, file: Path) -> None:
        self._file = GrowingFile(file)
        self._known: list[Event] = []

    def read(self) -> tuple[Event, ...]:
        """Take in what the file has got since the last time; a line that cannot be read is passed over."""
        news = self._file.news()
        if news.begins_anew:
            self._known = []
        self._known += [event for line in news.lines if (event := event_in(line)) is not None]
        return tuple(self._known)


def event_in(line: bytes) -> Event | None:
    """What a line tells; None where it tells nothing."""
    told = mapping_in(line)
    step, kind, text = told.get("step"), told.get("kind"), told.get("text")
    if not is_step(step) or not isinstance(kind, str) or not isinstance(text, str):
        return None
    time = told.get("time")
    return Event(step, kind[:60], text[:LONGEST], time[:40] if isinstance(time, str) else "")
