"""The run's page rewritten as it goes; whatever goes wrong with it, the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.training.layout import REPORT

if TYPE_CHECKING:
    from i2i.training.report import Reporter


class Reporting:
    """Asks for `report.html`, now and then and at the end."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        self.reporter: Reporter | None = None
        self.failed = False

    def tick(self) -> None:
        """There is something new; the page may be rewritten, if that is cheap and has not failed before."""
        if not self.failed:
            self._do(lambda reporter: reporter.tick())

    def write(self) -> None:
        """The page as it is to stay."""
        self._do(lambda reporter: reporter.write())

    def _do(self, what: Callable[[Reporter], object]) -> None:
        try:
            if self.reporter is None:
                from i2i.training.report import Reporter

                self.reporter = Reporter(self.folder)
            what(self.reporter)
            self.failed = False
        except Exception as error:  # a page that cannot be drawn is no reason to lose a run
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            if not self.failed:
                self.say(f"{self.folder / REPORT}: cannot be written ({reason}); the run goes on")
            self.failed = True
