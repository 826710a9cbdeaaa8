"""All lines about one destination, and this process's own among them: opened at the beginning, merged at the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock

from i2i.errors import I2IError
from i2i.inference.manifest.journal import MANIFEST, Journal
from i2i.inference.manifest.ledger import Ledger, Lines
from i2i.inference.manifest.merging import ASIDE, hand_over, held, tidy
from i2i.inference.manifest.records import Record, now, record_of

NAMED = 3
"""So many damaged lines are named by their numbers."""


class Book:
    """Reads what anybody has written about a destination, and adds to it. Threads may share it."""

    def __init__(self, ledger: Ledger, others: Sequence[Path] = ()) -> None:
        self.others = others
        """Journals that other processes were writing when it was opened."""
        self._ledger = ledger
        self._journal = Journal(ledger.destination)
        self._own: Lines | None = None
        self._adding = Lock()

    @classmethod
    def open(cls, destination: Path, write: bool = True) -> tuple[Book, list[str]]:
        """The book, and what is to be told about it: a line each. With `write`, what killed processes left is merged.

        Raises `I2IError` where lines are there and cannot be read.
        """
        ledger = Ledger(destination)
        ledger.catch_up()
        numbers = [] if ledger.manifest is None else list(ledger.manifest.damaged)
        aside = False
        if write:
            with suppress(OSError):  # what is not merged is read all the same
                aside = tidy(ledger)
        others = list(held([lines.path for lines in ledger.journals.values()]))
        return cls(ledger, others), [_about_damaged(destination, numbers, aside)] if numbers else []

    def record(self, target: str) -> Record | None:
        """The newest line about a target, as far as this process has read."""
        return self._ledger.record(target)

    def catch_up(self) -> None:
        """Read what others have added. Raises `I2IError` where something cannot be read."""
        self._ledger.catch_up()

    def add(self, record: Record) -> None:
        """Write a line; it is on the disk after `sync`, and survives the end of this process, however it ends, before.

        Raises `I2IError` where the disk does not take it.
        """
        with self._adding:
            known = self._ledger.record(record.target)
            record = replace(record, time=now(), order=1 if known is None else known.order + 1)
            if self._own is None or not self._journal.is_there():
                self._own = self._begun(self._own)
            self._append(self._own, record)

    def sync(self) -> None:
        """Return when every line added until now is on the disk. Raises `I2IError` where that fails."""
        self._journal.sync()

    def close(self) -> None:
        """Merge this process's lines into the manifest; where that fails, the next run does it."""
        own, self._own = self._own, None
        try:
            if own is not None:
                with suppress(OSError, I2IError):
                    hand_over(self._ledger, self._journal, own)
        finally:
            self._ledger.close()
            self._journal.close()

    def _begun(self, lost: Lines | None) -> Lines:
        """A new journal; where somebody deleted ours, with the lines of that."""
        own = self._ledger.add_own(self._journal.begin())
        for line in [] if lost is None else list(self._ledger.current(lost)):
            if (record := record_of(line)) is not None:
                self._append(own, record)
        return own

    def _append(self, own: Lines, record: Record) -> None:
        line = record.line()
        self._ledger.add(own, self._journal.append(line), record, len(line))


def _about_damaged(destination: Path, numbers: list[int], aside: bool) -> str:
    named = ", ".join(map(str, numbers[:NAMED])) + (f" and {len(numbers) - NAMED} more" if numbers[NAMED:] else "")
    lines = f"line {named} is damaged" if len(numbers) == 1 else f"lines {named} are damaged"
    what = f"put aside in {ASIDE}" if aside else "passed over"
    return f"{destination / MANIFEST}: {lines} and {what}; pictures that nothing else tells of take --force to replace"
