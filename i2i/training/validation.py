"""Validation: how good a run's model is now and then, which step was the best, and when there is no more to gain."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Geometry, Request
from i2i.errors import UsageError
from i2i.ranks.group import from_first
from i2i.recipe import Recipe
from i2i.training.basis import Basis
from i2i.training.exhibition import Examples
from i2i.training.loop import Loop


@dataclass(frozen=True)
class Measured:
    """What one validation found."""

    value: float
    examples: Examples | None = None
    """Its pictures one by one, where there is something to see."""


@dataclass(frozen=True)
class Validation:
    """How to measure a model on pictures that stay the same through the run."""

    metric: str
    """The figure's name in `metrics.jsonl`."""
    lower_is_better: bool
    measure: Callable[[Loop], Measured]
    """What the weights file would be worth now. Trains nothing, and leaves the loop as it was."""
    in_words: str = ""
    """What is compared by what, for the console."""
    over: str = ""
    """What part of each picture is measured, where that needs telling."""


MakesValidation = Callable[[Recipe, Loop, Mapping[str, Tensor]], Validation]
"""From the resolved recipe, the loop and the pictures drawn once: key → float (N, C, H, W) in [0, 1], on the CPU."""


def refuse_without(validation: MakesValidation | None, recipe: Recipe) -> None:
    """Raise `UsageError` where the recipe wants validations and nobody said how they are done."""
    if recipe.run.validate_every is not None and validation is None:
        raise UsageError(
            f"run.validate_every={recipe.run.validate_every}: nobody said how to validate; `i2i fit` does, in Python "
            "hand over validation=i2i.evaluation.validating.validation, or set run.validate_every to null"
        )


@dataclass(frozen=True)
class Best:
    """The best that validations have found."""

    step: int
    value: float


class Validating:
    """A run's validations: their best so far, and how many there were since."""

    def __init__(self, validation: Validation, basis: Basis, patience: int | None = None) -> None:
        self.validation, self.basis, self.patience = validation, basis, patience
        self.best: Best | None = None
        self.stale = 0
        """Validations since the best one."""

    @property
    def metric(self) -> str:
        """What is measured."""
        return self.validation.metric

    def measure(self, loop: Loop) -> Measured:
        """The figure at this step; every rank has that of the first, as they must agree on when to end."""
        measured = self.validation.measure(loop)
        return replace(measured, value=from_first(measured.value)) if loop.runtime.ranks > 1 else measured

    def is_better(self, value: float, step: int) -> bool:
        """Take a figure in; whether it is the best so far. One that is not finite never is."""
        sign = 1 if self.validation.lower_is_better else -1
        better = math.isfinite(value) and (self.best is None or sign * value < sign * self.best.value)
        self.best, self.stale = (Best(step, value), 0) if better else (self.best, self.stale + 1)
        return better

    @property
    def reason_to_end(self) -> str | None:
        """Why there is no more to gain, in words."""
        if self.patience is None or self.stale < self.patience:
            return None
        since = "was never finite" if self.best is None else f"is no better than the {self.in_words}"
        return f"{self.metric} {since} in {self.stale} validations (run.patience={self.patience})"

    @property
    def in_words(self) -> str:
        """`0.0123 of step 400`."""
        return "nothing" if self.best is None else f"{self.best.value:.6g} of step {self.best.step}"

    @property
    def record(self) -> dict[str, Any] | None:
        """What `best.json` holds."""
        if self.best is None:
            return None
        figure = {"metric": self.metric, "value": self.best.value, "lower_is_better": self.validation.lower_is_better}
        return {"step": self.best.step, **figure}

    def restart(self) -> None:
        """As if there had been no validation yet."""
        self.load_state_dict({})

    def state_dict(self) -> dict[str, Any]:
        """What was found so far."""
        best = self.best and {"step": self.best.step, "value": self.best.value}
        return {"metric": self.metric, "best": best, "stale": self.stale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; a run that did not validate, or by another metric, gave nothing."""
        state = state if state.get("metric") == self.metric else {}
        best = state.get("best")
        self.best = Best(best["step"], best["value"]) if best else None
        self.stale = state.get("stale", 0)


def answers(loop: Loop, pictures: Tensor, masks: Tensor | None = None) -> Tensor:
    """(N, C, H, W) in [0, 1] → (N, 3, H·scale, W·scale) on the CPU: what the weights file would make of them now.

    `masks`, (N, 1, H, W), for models that fill. Picture i has seed i.
    """
    geometry: Geometry = loop.model.geometry
    made, device = [], loop.runtime.device
    with loop.as_saved("validation"):
        for first in range(0, len(pictures), loop.run.batch):
            part = slice(first, first + loop.run.batch)
            given = geometry.channelled(pictures[part].to(device))
            mask = masks[part].to(device) if masks is not None and geometry.fills else None
            seeds = tuple(range(first, first + len(given)))
            answer = loop.model.translate(given, Request(seeds=seeds, options=loop.translate, mask=mask))
            made.append(answer.float().cpu().expand(-1, 3, -1, -1))
    return torch.cat(made)
