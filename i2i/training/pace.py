"""How fast a run goes, and how much of its time it waits for pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from i2i.training.batches import Batches

MUCH = 0.3
"""Share of the time, spent waiting for pictures, above which a loop starves."""
LOGS = 3
SECONDS = 10.0
"""For so many logs in a row, and so long, it must starve before that is worth telling."""


class Pace:
    """Figures from one log to the next."""

    def __init__(self, batches: Batches, clock: Callable[[], float] = time.perf_counter) -> None:
        self.batches, self.clock = batches, clock
        self.warned = False
        self.restart(0)

    def restart(self, step: int) -> None:
        """Begin to count at this step. The first log after it does not warn: loaders are slow to begin."""
        self._begin(step)
        self.is_first, self.logs, self.starved = True, 0, 0.0

    def take(self, step: int) -> dict[str, float]:
        """What was from the last log to this one."""
        seconds = max(self.clock() - self.since, 1e-9)
        pictures = self.batches.batch * (step - self.since_step)
        share = min(1.0, (self.batches.waited - self.waited) / seconds)
        self._count(share, seconds)
        self._begin(step)
        return {"images_per_second": round(pictures / seconds, 3), "loader_share": round(share, 3)}

    @property
    def warning(self) -> str | None:
        """That the loop starves, in words; once."""
        if self.warned or self.logs < LOGS or self.starved < SECONDS:
            return None
        self.warned = True
        return (
            f"more than {MUCH:.0%} of the time goes into waiting for pictures: more loader processes may help "
            f"(run.workers, now {self.batches.workers}), or smaller pictures in the folder"
        )

    def _count(self, share: float, seconds: float) -> None:
        starves = share > MUCH and not self.is_first
        self.logs, self.starved = (self.logs + 1, self.starved + seconds) if starves else (0, 0.0)
        self.is_first = False

    def _begin(self, step: int) -> None:
        self.since, self.since_step, self.waited = self.clock(), step, self.batches.waited
