"""What happened in a run that is worth remembering: `events.jsonl`, a line each."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from i2i.training import lines

Kind = Literal["collapse", "non-finite", "returned", "starving", "broken", "best", "resumed", "stopped"]
"""Collapse, non-finite, returned, starving and broken warn; the others tell the run's course."""
MOST_BROKEN = 50
"""Pictures left out that are named; more are counted when the run ends."""


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Event:
    """Something that happened after so many steps, in one sentence."""

    step: int
    kind: Kind
    text: str
    time: str = field(default_factory=_now)
    """ISO 8601, UTC."""


class Events:
    """The file of events. What it holds already is not told again, so a run that goes on repeats nothing."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known = self._read()

    def is_new(self, event: Event) -> bool:
        """Whether it is not in the file."""
        return _key(asdict(event)) not in self.known

    def write(self, event: Event) -> None:
        """One line. Raises `I2IError` where it cannot be written."""
        told = {"step": event.step, "time": event.time, "kind": event.kind, "text": event.text}
        lines.append(self.file, told)
        self.known.add(_key(asdict(event)))

    def forget_after(self, step: int) -> None:
        """Drop those of steps that will be taken again."""
        lines.forget_after(self.file, step)
        self.known = self._read()

    def _read(self) -> set[tuple[object, ...]]:
        return {_key(line) for line in lines.told(self.file)}


def _key(event: Mapping[str, object]) -> tuple[object, ...]:
    """What makes two the same: of a picture that was left out not when it was met."""
    kind, text = str(event.get("kind")), str(event.get("text"))
    return (kind, text) if kind == "broken" else (event.get("step"), kind, text)
