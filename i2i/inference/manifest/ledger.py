"""All lines about one destination: the manifest's own and those of every journal beside it; of a file the newest.

Lines stay on the disk. What is held is where the newest of each file begins, about 200 bytes a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from i2i.errors import I2IError
from i2i.inference.manifest.journal import JOURNALS, MANIFEST
from i2i.inference.manifest.records import Record, record_of, target_of

PLACE_BITS = 44


@dataclass
class Lines:
    """A file of lines and how far it has been read."""

    path: Path
    number: int
    stream: BinaryIO
    read_to: int = 0
    """Where the last whole line ends."""
    count: int = 0
    damaged: list[int] = field(default_factory=list)
    """Numbers of lines that end and say nothing, from 1."""

    def new(self) -> Iterator[tuple[int, bytes]]:
        """Lines added since, each with the place where it begins. The last one has no end where it is torn."""
        self.stream.seek(self.read_to)
        while line := self.stream.readline():
            yield self.read_to, line
            self.read_to += len(line)

    def at(self, place: int) -> bytes:
        """The line that begins there."""
        self.stream.seek(place)
        return self.stream.readline()


class Ledger:
    """Knows the newest line about every target. Threads may share it."""

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.journals: dict[str, Lines] = {}
        self.manifest: Lines | None = None
        self._files: list[Lines] = []
        self._newest: dict[str, int] = {}  # target → number of the file and place in it
        self._own: tuple[str, ...] = ()  # what the names of this process's journals begin with
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._newest)

    def record(self, target: str) -> Record | None:
        """The newest line about a target; None where there is none, or where it was damaged since."""
        with self._lock:
            place = self._newest.get(target)
            record = None if place is None else record_of(self._line(place))
            return record if record is not None and record.target == target else None

    def catch_up(self) -> None:
        """Read what was added since the last time, by whomever. Raises `I2IError` where something cannot be read.

        Journals come first: where one is merged meanwhile, its lines are found in one place or in both.
        """
        with self._lock:
            try:
                for path in journals_in(self.destination):
                    if path.name not in self.journals and not path.name.startswith(self._own):
                        self._open_journal(path)
                for lines in self.journals.values():
                    self._read(lines)
                self._read_manifest()
            except OSError as problem:
                cause = (problem.strerror or str(problem)).lower()
                raise I2IError(f"{problem.filename or self.destination}: cannot be read ({cause})") from problem

    def add_own(self, journal: Path) -> Lines:
        """A journal that this process writes; its lines come by `add`, and by `catch_up`."""
        with self._lock:
            self._own = (*self._own, journal.stem)
            self.journals[journal.name] = lines = self._open(journal)
            return lines

    def add(self, lines: Lines, place: int, record: Record, size: int) -> None:
        """A line that has just been written."""
        with self._lock:
            self._newest[record.target] = lines.number << PLACE_BITS | place
            if lines.read_to == place:
                lines.read_to, lines.count = place + size, lines.count + 1

    def current(self, lines: Lines) -> Iterator[bytes]:
        """Those lines of a file that are the newest about their target."""
        with self._lock:
            place = 0
            while place < lines.read_to and (line := lines.at(place)):
                target = target_of(line)
                if target is not None and self._newest.get(target) == lines.number << PLACE_BITS | place:
                    yield line if line.endswith(b"\n") else line + b"\n"
                place += len(line)

    def damaged_lines(self) -> Iterator[bytes]:
        """Those of the manifest."""
        if self.manifest is not None:
            with self.manifest.path.open("rb") as stream:
                wanted = set(self.manifest.damaged)
                yield from (line for number, line in enumerate(stream, 1) if number in wanted)

    def close(self) -> None:
        """Let go of the files."""
        with self._lock:
            for lines in self._files:
                lines.stream.close()

    def _open(self, path: Path) -> Lines:
        lines = Lines(path, len(self._files), path.open("rb"))
        self._files.append(lines)
        return lines

    def _open_journal(self, path: Path) -> None:
        with suppress(FileNotFoundError):  # merged a moment ago
            self.journals[path.name] = self._open(path)

    def _read_manifest(self) -> None:
        path = self.destination / MANIFEST
        with suppress(FileNotFoundError):
            if self.manifest is None or not _is(self.manifest, path):
                self.manifest = self._open(path)
            self._read(self.manifest, torn_only_if_damaged=True)

    def _read(self, lines: Lines, torn_only_if_damaged: bool = False) -> None:
        for place, line in lines.new():
            target = target_of(line)
            if not line.endswith(b"\n") and (target is None or not torn_only_if_damaged):
                return
            lines.count += 1
            if target is not None:
                self._take(target, lines.number << PLACE_BITS | place, line)
            elif line.strip():
                lines.damaged.append(lines.count)

    def _take(self, target: str, place: int, line: bytes) -> None:
        """Keep it, unless another file has a later one."""
        known = self._newest.get(target, place)
        in_another_file = known >> PLACE_BITS != place >> PLACE_BITS
        if not in_another_file or self._rank(known, self._line(known)) <= self._rank(place, line):
            self._newest[target] = place

    def _rank(self, place: int, line: bytes) -> tuple[int, str, bytes, bool, str]:
        """What is higher is later. All processes agree, so that of two lines never both are left to the other to merge.

        Two runs may write the same line at the same moment; a merged line counts before its journal's.
        """
        name = self._files[place >> PLACE_BITS].path.name
        record = record_of(line)
        order, time = (0, "") if record is None else (record.order, record.time)  # damaged since it was read
        return order, time, line, name == MANIFEST, name

    def _line(self, place: int) -> bytes:
        return self._files[place >> PLACE_BITS].at(place & (1 << PLACE_BITS) - 1)


def journals_in(destination: Path) -> list[Path]:
    """The journals that lie beside the manifest."""
    try:
        found = [path for path in (destination / JOURNALS).iterdir() if path.suffix == ".jsonl"]
        return sorted(found, key=lambda path: path.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is(lines: Lines, path: Path) -> bool:
    """Whether the file is still the one that has been read, and nobody has shortened it."""
    now = path.stat()
    return os.path.samestat(now, os.fstat(lines.stream.fileno())) and now.st_size >= lines.read_to
