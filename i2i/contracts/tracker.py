"""Whoever follows a run from outside: its figures, its pictures and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Tracker:
    """Base of every tracker. The first rank tells it what a run writes into its folder; each method may be left out.

    It teaches the run nothing. Where it raises, that is said once, it is told nothing more, and the run goes on.
    """

    def started(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        """The run begins, or goes on, after so many steps. `folder` is its own, `recipe` as `recipe.yaml` has it.

        Where a run goes back to a checkpoint this is called once more, without `ended` before it: what was told of
        later steps does not count any more.
        """

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """A line of `metrics.jsonl`: name → figure, each finite."""

    def pictures(self, step: int, columns: Mapping[str, Tensor]) -> None:
        """A sample sheet: title → (B, 3, H, W), float in [0, 1], on the CPU."""

    def said(self, step: int, kind: str, text: str) -> None:
        """A line of `events.jsonl`: what happened, in one sentence."""

    def ended(self) -> None:
        """The run took its last step, stopped or failed; it may be resumed later."""
