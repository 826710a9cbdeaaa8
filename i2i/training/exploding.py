"""Numbers that explode: what is said of them, and the way back to a checkpoint of before, once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from i2i.errors import I2IError, counted
from i2i.recipe import RunOptions
from i2i.training.checkpoints import newest_checkpoint
from i2i.training.logbook import Logbook
from i2i.training.loop import Loop

NOT_FINITE = "gradients were not finite"
TO_TRY = "try a lower trainer.learning_rate, run.clip=1 or run.precision=fp32"


class Explosions:
    """Watches a loop for steps that teach nothing any more."""

    def __init__(self, loop: Loop, run: RunOptions, logbook: Logbook) -> None:
        self.loop, self.run, self.logbook = loop, run, logbook
        self.masked = 0
        """Steps that are told of as masked."""

    @property
    def is_calm(self) -> bool:
        """Whether the last step was not masked."""
        return self.loop.turns.guard.in_a_row == 0

    def is_sound(self, is_last: bool, weights_count: bool) -> bool:
        """Whether steps still teach something, and weights that count now are finite; says how many were masked."""
        guard = self.loop.turns.guard
        if guard.skipped > self.masked:
            self.masked = guard.skipped
            self.logbook.warn("non-finite", f"{counted(self.masked, 'step')} changed nothing, as {NOT_FINITE}")
        most = 2 if is_last else self.run.max_masked
        return guard.in_a_row < most and (not weights_count or self.loop.is_finite())

    def complaint(self, scalars: Mapping[str, Tensor]) -> str:
        """What has exploded at this step, in words."""
        return f"step {self.loop.step}: {', '.join(exploded(scalars)) or NOT_FINITE}"

    def way_back(self, checkpoints: Path, complaint: str) -> Path:
        """The last checkpoint of before. Raises `I2IError` where it went back already, or none is intact."""
        began = self.loop.step - self.loop.turns.guard.in_a_row  # the weights of that step may be those that exploded
        checkpoint = newest_checkpoint(checkpoints, self.logbook.listener.warned, before=began)
        if checkpoint is None:
            raise I2IError(f"{complaint}, and {checkpoints} holds no intact checkpoint to go back to; {TO_TRY}")
        if self.loop.returns:
            raise I2IError(f"{complaint}, though it went back once already; the last checkpoint is intact; {TO_TRY}")
        return checkpoint

    def returned(self, complaint: str) -> None:
        """The loop is back at an earlier step."""
        self.masked = self.loop.turns.guard.skipped
        text = f"{complaint}: back to step {self.loop.step}, on with other batches and half the learning rates"
        self.logbook.listener.warned(text)
        self.logbook.note("returned", text)


def exploded(scalars: Mapping[str, Tensor]) -> list[str]:
    """`loss is nan` for each that is no finite number."""
    values = {name: float(value) for name, value in scalars.items()}
    return [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
