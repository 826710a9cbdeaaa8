"""Who writes the report of a run, again and again as it goes on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.disk.drafts import complete_or_not_at_all, sweep
from i2i.training.layout import REPORT

if TYPE_CHECKING:
    from i2i.training.report.story import Source

TIMES = 100
"""How much longer than writing a report takes nothing is written afterwards: it costs less than 1 % of the time."""
LEAST_SECONDS = 30.0
"""Between two reports in any case: they are megabytes for a disk."""
MOST_BYTES = 14_800_000


class Reporter:
    """Writes `report.html` of a run folder from its files, and remembers what it has read: only what is new costs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._source: Source | None = None
        self._seconds, self._ended = 0.0, float("-inf")

    def tick(self) -> bool:
        """Write if that is cheap: the first time, and when 100 times as long as it took has passed since.

        Says whether it wrote. Raises what `write` does; then, too, it rests as long.
        """
        if time.perf_counter() - self._ended < max(LEAST_SECONDS, TIMES * self._seconds):
            return False
        self._write(ends=False)
        return True

    def write(self) -> None:
        """Write it now, complete or not at all. Where this process trains the run, that is about to end.

        Raises `I2IError` where the file cannot be written.
        """
        self._write(ends=True)

    def _write(self, ends: bool) -> None:
        began = time.perf_counter()
        try:
            text = self._composed(ends)
            with complete_or_not_at_all(self.folder / REPORT) as stream:
                stream.write(text)
        finally:
            self._ended = time.perf_counter()
            self._seconds = self._ended - began

    def _composed(self, ends: bool) -> bytes:
        from i2i.training.report.shown import MOST_GRIDS
        from i2i.training.report.story import Source
        from i2i.training.report.writing import as_html

        if self._source is None:
            self._source = Source(self.folder)
            sweep(self.folder)  # half a page, of a run that was killed
        most = MOST_GRIDS
        while True:
            text = as_html(self._source.story(ends, most, with_answers=most > 2))
            if len(text) <= MOST_BYTES or most <= 2:
                return text
            most //= 2
