"""Which files of a folder are pictures, in an order that never varies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from i2i.errors import I2IError, UsageError
from i2i.images.formats import FORMATS

PICTURE_SUFFIXES: frozenset[str] = frozenset(FORMATS)
"""Of all formats that are read: each of them is written too."""


def find_pictures(root: Path, exclude: Path | None = None) -> list[Path]:
    """Every picture file in `root` and the folders below it, sorted by its path; a single file is returned alone.

    Suffixes count in either case. Hidden files and folders (a leading dot) and other files are passed over.
    Links to folders are followed, each real folder once. `exclude` is a folder inside `root` to leave out.
    Raises `UsageError` when `root` is missing, is a file of another kind, or holds no picture.
    """
    if root.is_file():
        if root.suffix.lower() not in PICTURE_SUFFIXES:
            raise UsageError(f"{root}: not a picture's suffix (one of {_suffix_list()})")
        return [root]
    if not root.is_dir():
        raise UsageError(f"{root}: no such file or folder")
    try:
        found = sorted(_walk(root, exclude), key=Path.as_posix)
    except OSError as problem:
        raise I2IError(f"{problem.filename}: {str(problem.strerror).lower()}") from problem
    if not found:
        raise UsageError(f"{root}: holds no pictures (looked for {_suffix_list()})")
    return found


def _walk(root: Path, exclude: Path | None) -> Iterator[Path]:
    """Real folders first and links after them, so that a folder reached both ways keeps its real name."""
    left_out = Path(os.path.realpath(exclude)) if exclude is not None else None  # `resolve` raises at a loop of links
    if left_out is not None and root.resolve().is_relative_to(left_out):
        left_out = None  # it would leave out everything that was asked for
    seen: set[Path] = set()
    folders, links = [root], list[Path]()
    while folders or links:
        folder = folders.pop() if folders else links.pop(0)
        real = folder.resolve()
        if real in seen or (left_out is not None and real.is_relative_to(left_out)):
            continue
        seen.add(real)
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.name.startswith("."):
                continue
            if entry.is_symlink() and not (folder / entry.name).exists():  # it leads nowhere, or to itself
                continue
            if entry.is_dir():
                (links if entry.is_symlink() else folders).append(folder / entry.name)
            elif Path(entry.name).suffix.lower() in PICTURE_SUFFIXES and entry.is_file():
                yield folder / entry.name


def _suffix_list() -> str:
    return ", ".join(sorted(PICTURE_SUFFIXES))
