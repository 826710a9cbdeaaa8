"""The folder that a server keeps everything in, and what killed servers left."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from i2i.disk.locking import OCCUPIED, Occupation
from i2i.errors import I2IError
from i2i.training.runs import occupant_of

PREFIX = "i2i-serve-"


@contextmanager
def own_folder(parent: Path | None) -> Iterator[Path]:
    """A new folder, in `parent` or where temporary files go, that nobody else may look into; removed at the end.

    Those that killed servers of this user left there are removed first.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    try:
        place.mkdir(parents=True, exist_ok=True)
        sweep(place)
        made = tempfile.TemporaryDirectory(prefix=PREFIX, dir=place, ignore_cleanup_errors=True)
    except OSError as error:
        raise I2IError(f"{place}: cannot be written to ({error.strerror})") from error
    with made as name:
        occupation = Occupation(Path(name))
        try:
            yield Path(name).resolve()
        finally:
            _empty(Path(name))
            occupation.end()


def sweep(place: Path) -> None:
    """Remove this user's folders of servers that live no more."""
    for left in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            is_ours = not left.is_symlink() and (not hasattr(os, "getuid") or left.lstat().st_uid == os.getuid())
            if is_ours and (left / OCCUPIED).is_file() and occupant_of(left) is None:
                _empty(left)
                shutil.rmtree(left, ignore_errors=True)


def _empty(folder: Path) -> None:
    """Remove all but what tells whose it is: cut off there, it can be done again."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != OCCUPIED:
            with suppress(OSError):
                path.unlink()
