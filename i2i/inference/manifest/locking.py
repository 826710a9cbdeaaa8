"""Locks between processes, which end with whoever holds them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
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


def _is_named(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), path.stat())
    return False
