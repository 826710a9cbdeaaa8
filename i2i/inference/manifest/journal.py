"""The lines that one running process adds to a manifest: on the disk before what they tell of appears."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time
from pathlib import Path
from threading import Lock

from i2i.disk.drafts import settle
from i2i.disk.locking import POLL_SECONDS, try_lock
from i2i.errors import I2IError

MANIFEST = ".i2i-manifest.jsonl"
JOURNALS = ".i2i-manifest.journals"
"""The folder of journals, beside the manifest; it is gone when all are merged."""


class Journal:
    """Lines of this process's own, in a file of its own, which is locked as long as the process lives.

    A line is whole or, after a crash in the middle of it, the last one and without its end. After a failure the journal
    takes no more lines. Made at the first line. Threads may share it.
    """

    def __init__(self, destination: Path) -> None:
        self.destination = destination
        self.path: Path | None = None
        self._descriptor = -1
        self._synced = 0
        self._writing, self._syncing = Lock(), Lock()
        self._problem: OSError | None = None

    def begin(self) -> Path:
        """Make the file, be it the first or another one, and its folders. Raises `I2IError` where that fails."""
        with self._syncing, self._writing:
            self.close()
            self._synced = 0
            try:
                self._descriptor, self.path = self._made()
            except OSError as problem:
                raise unwritable(self.destination / JOURNALS, problem) from problem
            return self.path

    def is_there(self) -> bool:
        """Whether the file has been made and nobody has deleted it since."""
        return self.path is not None and self.path.exists()

    def append(self, line: bytes) -> int:
        """Write a line; the place where it begins. Raises `I2IError` where the disk does not take it.

        The place is the file's own word: an interruption at any point leaves no other one to be wrong.
        """
        with self._writing:
            try:
                if self._problem is not None:
                    raise self._problem
                place = os.fstat(self._descriptor).st_size
                if place and not ends_in_line_break(self._descriptor, place):  # it was interrupted in the middle of one
                    write_all(self._descriptor, b"\n")
                    place += 1
                write_all(self._descriptor, line)
            except OSError as problem:
                self._problem = problem  # what is torn stays the last line
                raise unwritable(self.path or self.destination, problem) from problem
            return place

    def sync(self) -> None:
        """Return when every line appended until now is on the disk. Raises `I2IError` where that fails.

        Threads that wait for each other share one call to the disk: whoever comes second finds its line done.
        """
        with self._writing:
            wanted = self._size()
        with self._syncing:
            if self._synced >= wanted:
                return
            with self._writing:
                reached = self._size()
            try:
                self._settle(self._synced, reached)
            except OSError as problem:
                self._problem = problem
                raise unwritable(self.path or self.destination, problem) from problem
            self._synced = reached

    def close(self) -> None:
        """Let go of the file, which stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size if self._descriptor >= 0 else 0

    def _made(self) -> tuple[int, Path]:
        folder = self.destination / JOURNALS
        while True:
            path = folder / name_of_journal()
            folder.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o666)
            except FileNotFoundError:  # the last of the others has just removed the folder
                continue
            while try_lock(descriptor) is False:  # somebody looks whether it is left over
                time.sleep(POLL_SECONDS)
            if path.exists():
                settle(folder)
                settle(self.destination)
                return descriptor, path
            os.close(descriptor)  # and took it for that

    def _settle(self, start: int, end: int) -> None:
        """Have these bytes on the disk. Raises `OSError`."""
        os.fsync(self._descriptor)


def name_of_journal() -> str:
    """A name that no other journal has: machine, process, chance."""
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"


def _host() -> str:
    return re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:60] or "host"


def writer_of(journal: Path) -> str:
    """Which process wrote it, in words."""
    host, _, process = journal.stem.rpartition("-")[0].rpartition("-")
    return f"process {process} on {host}"


def is_of_this_machine(journal: Path) -> bool:
    """Whether a process of this machine wrote it."""
    return journal.name.rsplit("-", 2)[0] == _host()


def write_all(descriptor: int, contents: bytes) -> None:
    """Write to the last byte: the system may take less at a time. Raises `OSError`."""
    rest = memoryview(contents)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def ends_in_line_break(descriptor: int, size: int) -> bool:
    """Whether the last byte of a file of this size is one. Raises `OSError`."""
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def unwritable(path: Path, problem: OSError) -> I2IError:
    """What to tell of a line that the disk did not take."""
    cause = (problem.strerror or str(problem)).lower()
    return I2IError(f"{path}: cannot be written ({cause}); what is translated is kept, and the next run goes on there")
