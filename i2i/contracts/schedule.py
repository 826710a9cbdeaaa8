"""Schedules of the learning rate: absolute, functions of the step alone."""

from __future__ import annotations

from pydantic import Field, model_validator

from i2i.contracts.specs import Options


class ScheduleOptions(Options):
    """What every trainer whose learning rate may rise at first and fall at last can be told: base of its options."""

    warm_up: int = Field(0, ge=0, description="steps in which the learning rate rises from 0; 0: it begins at its full")
    decay_from: int | None = Field(None, ge=0, description="step from which the learning rate falls; null: constant")
    decay_to: int | None = Field(None, ge=1, description="step at which the learning rate is 0")

    @model_validator(mode="after")
    def _decay_has_two_ends(self) -> ScheduleOptions:
        if (self.decay_from is None) != (self.decay_to is None):
            raise ValueError("decay_from and decay_to go together")
        if self.decay_from is not None and self.decay_to is not None and self.decay_to < self.decay_from:
            raise ValueError(f"decay_to {self.decay_to} is before decay_from {self.decay_from}")
        return self

    def share(self, step: int) -> float:
        """What the learning rate is multiplied by at this step: 1 where it neither rises nor falls."""
        risen = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if self.decay_from is None or self.decay_to is None:
            return risen
        return risen * linear_decay(step, self.decay_from, self.decay_to)


def linear_decay(step: int, decay_from: int, decay_to: int) -> float:
    """1 until `decay_from`, falling linearly to 0 at `decay_to` (steps, absolute).

    >>> [linear_decay(step, 100, 200) for step in (0, 100, 150, 200, 300)]
    [1.0, 1.0, 0.5, 0.0, 0.0]
    """
    if step < decay_from:
        return 1.0
    return max(0.0, (decay_to - step) / max(1, decay_to - decay_from))
