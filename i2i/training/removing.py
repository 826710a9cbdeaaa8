"""Runs and checkpoints removed, while nobody works on them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from i2i.disk.locking import OCCUPIED, Occupation
from i2i.errors import I2IError, UsageError
from i2i.training.glancing import extent
from i2i.training.layout import CHECKPOINTS, RECIPE
from i2i.training.runs import refuse_others


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Within this block nobody trains this run; its folder goes at the end if it was removed.

    Raises `UsageError` where it is no run folder or a link to one, `Occupied` where another process works on it.
    """
    refuse_others(path)
    if path.is_symlink():
        raise UsageError(f"{path}: a link; name the folder itself, {path.resolve()}")
    occupation = Occupation(path)
    try:
        yield
    finally:
        occupation.end()
        if not (path / RECIPE).exists():
            path.rmdir()


def remove(path: Path) -> int:
    """Empty the folder of a run that is held; says how many bytes that was.

    What makes it a run folder goes last, so that a removal that was interrupted can be repeated.
    """
    last = (path / CHECKPOINTS, path / RECIPE)
    inner = [child for child in path.iterdir() if child not in last and child.name != OCCUPIED]
    return _freed(path, [*last[0].iterdir(), *inner, *last])


def remove_all_but(path: Path, kept: Sequence[Path]) -> int:
    """Remove the checkpoints of a run that is held but these, and drafts; says how many bytes that was."""
    return _freed(path, [child for child in (path / CHECKPOINTS).iterdir() if child not in kept])


def _freed(path: Path, removed: Sequence[Path]) -> int:
    before = extent(path)[1]
    try:
        for child in removed:
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
    except OSError as error:
        raise I2IError(f"{path}: not all of it could be removed: {error.filename}: {error.strerror}") from error
    return before - extent(path)[1]
