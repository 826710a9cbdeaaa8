"""Locks between processes, which end with whoever holds them."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from weakref import ref

import psutil

from i2i.errors import I2IError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
OCCUPIED = ".occupied"
POLL_SECONDS = 0.02


def try_lock(descriptor: int) -> bool | None:
    """Lock an open file against other processes: True. False: another one holds it. None: there are no locks here."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def alone(folder: Path, seconds: float) -> Iterator[bool | None]:
    """Hold the lock of a folder while the block runs: True. False: others held it so long. None: there are no locks.

    The folder is made and, when nothing is left in it, removed. Raises `OSError` where it cannot be made.
    """
    end = time.monotonic() + seconds
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # whoever had it has just removed the folder
            continue
        locked = try_lock(descriptor)
        if locked is None or (locked and _is_named(descriptor, folder / LOCK)):
            break
        if time.monotonic() >= end:
            locked = False
            break
        os.close(descriptor)
        time.sleep(POLL_SECONDS)
    try:
        yield locked
    finally:
        if locked:
            (folder / LOCK).unlink(missing_ok=True)  # while it is held: whoever waits sees that it has gone
        os.close(descriptor)
        with suppress(OSError):  # others are in it
            if locked is None:
                (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


class Occupied(I2IError):
    """Somebody else works here."""


class Occupation:
    """Held while this process works in a folder: a locked file that tells others who it is.

    It ends with the process, however that ends; what such a file says then is nobody's any more.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `Occupied`, with its process and machine, where another one works in this folder.

        Where files cannot be locked, as on some network disks, a process of this machine that lives is believed.
        Raises `I2IError` where the folder cannot be written to.
        """
        self._path = folder / OCCUPIED
        while True:
            try:
                self._stream = self._path.open("a+", encoding="utf-8")
            except OSError as error:
                raise I2IError(f"{folder}: cannot be written to: {error.strerror}") from error
            locked = try_lock(self._stream.fileno())
            if not locked or _is_named(self._stream.fileno(), self._path):
                break
            self._stream.close()  # whoever had it has just removed it
        self._stream.seek(0)
        process, _, machine = self._stream.read().strip().partition(" on ")
        if locked is False or (locked is None and _lives(process, machine)):
            self._stream.close()
            who = f"process {process} on {machine}" if machine else "another process"
            raise Occupied(f"{folder}: {who} works on it; wait until that has ended, or stop it")
        _close_in_children(self._stream)
        self._stream.truncate(0)
        self._stream.write(f"{os.getpid()} on {platform.node()}\n")
        self._stream.flush()

    def end(self) -> None:
        """Let others in."""
        with suppress(OSError):  # the folder may have gone
            self._path.unlink()
        self._stream.close()


def _close_in_children(stream: IO[str]) -> None:
    """A lock is held as long as anybody has the file open, which a forked process would, such as one that loads."""
    mine = ref(stream)

    def close() -> None:
        if (inherited := mine()) is not None:
            inherited.close()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=close)


def _lives(process: str, machine: str) -> bool:
    own = process == str(os.getpid())
    return process.isdecimal() and machine == platform.node() and not own and psutil.pid_exists(int(process))


def _is_named(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
