"""Files that appear under their name when they are complete and on the disk, and never before."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from i2i.errors import I2IError

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be deleted: that does for a lock
    fcntl = None  # type: ignore[assignment]

BeforeRename = Callable[[Path], None]
"""Is given the complete draft, already on the disk, before it gets its name; raising keeps it from getting it."""
RESTED_SECONDS = 3600.0
"""What exact norms put aside has no name but while it is being written: one that has rested so long is nobody's."""


@contextmanager
def complete_or_not_at_all(path: Path, before_rename: BeforeRename | None = None) -> Iterator[BinaryIO]:
    """A stream whose contents are on the disk under `path` once the block is done; before and without that, not.

    They are gathered in a draft, `.i2i-….part`, beside `path`, whose missing parent folders are made. It is locked as
    long as it is written, so that `sweep` can tell it from what a killed process left behind.
    Raises `I2IError` when the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _beside(path, before_rename) as stream:
            yield stream
    except OSError as problem:
        raise I2IError(f"{path}: cannot be written ({_cause(path, problem)})") from problem


def sweep(folder: Path) -> int:
    """Delete what killed processes left in `folder`, not below it; says how much that was.

    That is drafts that nobody writes any more, and what exact norms put aside, once it has rested for an hour. A draft
    whose lock cannot be asked for, and a folder that cannot be read, are left as they are.
    """
    swept = 0
    for pattern, deleted in ((".i2i-*.part", _deleted_if_left), (".i2i-norms-*", _deleted_if_rested)):
        with suppress(OSError):
            for left in folder.glob(pattern):
                with suppress(OSError):
                    swept += deleted(left)
    return swept


@contextmanager
def _beside(path: Path, before_rename: BeforeRename | None) -> Iterator[BinaryIO]:
    stream, draft = _new_draft(path.parent)
    lock = os.dup(stream.fileno()) if fcntl is not None else None  # it outlives the stream
    try:
        with stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if before_rename is not None:
            before_rename(draft)
        draft.replace(path)
        settle(path.parent)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _new_draft(folder: Path) -> tuple[BinaryIO, Path]:
    """A new file, locked where this system knows how to."""
    while True:
        draft = folder / f".i2i-{secrets.token_hex(8)}.part"
        stream = draft.open("x+b")
        if fcntl is None:
            return stream, draft
        with suppress(OSError):  # a file system without locks, where drafts are not swept either
            fcntl.flock(stream, fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return stream, draft
        stream.close()  # swept between being made and being locked


def _deleted_if_left(draft: Path) -> bool:
    if fcntl is None:
        draft.unlink()  # refused while it is open
        return True
    with draft.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
    return True


def _deleted_if_rested(left: Path) -> bool:
    """A file of what exact norms put aside, or an empty folder of them."""
    found = left.lstat()
    if time.time() - found.st_mtime < RESTED_SECONDS:
        return False
    if stat.S_ISDIR(found.st_mode):
        left.rmdir()
    else:
        left.unlink()
    return True


def settle(folder: Path) -> None:
    """Have the folder's list of names on the disk too, where it can be asked for."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cause(path: Path, problem: OSError) -> str:
    if isinstance(problem, FileExistsError | NotADirectoryError):
        return f"{path.parent} is not a folder"
    return (problem.strerror or str(problem)).lower()
