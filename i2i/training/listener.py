"""Whoever hears what happens during a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


class Listener:
    """Hears what happens during a run; the command line shows it."""

    def said(self, text: str) -> None:
        """One line worth telling."""

    def warned(self, text: str) -> None:
        """The same of what went wrong, though the run goes on."""
        self.said(text)

    def started(self, first_step: int, steps: int) -> None:
        """The loop begins."""

    def stepped(self, step: int) -> None:
        """An optimizer step is done."""

    def logged(self, step: int, scalars: Mapping[str, float]) -> None:
        """Scalars were read, `images_per_second` and `loader_share` among them."""

    def should_save(self) -> bool:
        """Asked after every step: whether somebody wants a checkpoint now; once for each time."""
        return False

    def should_stop(self) -> int | None:
        """Asked after every step: the signal that wants the run to save and end, or None."""
        return None


@dataclass(frozen=True)
class DryRun:
    """What one step told."""

    data: Mapping[str, object]
    environment: Mapping[str, object]
    parameters: int
    seconds: float
    total_seconds: float
    memory: int
    """Peak bytes."""
    scalars: Mapping[str, float]
