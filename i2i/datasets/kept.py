"""Decoded pictures kept on disk, so that no epoch but the first decodes them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray

from i2i.disk.drafts import complete_or_not_at_all, sweep
from i2i.errors import I2IError, UsageError

SUFFIX = ".pixels.npy"
_NAME = re.compile(r"[0-9a-f]{32}\.pixels\.npy")
MEANING = "1"
"""Of what is kept: to be raised when the same picture is decoded otherwise."""
HEADER_BYTES = 128


@dataclass(frozen=True)
class Wanted:
    """A picture as a dataset wants it: `form` says what is done to it, `shape` (H, W, 3) what that gives."""

    path: Path
    form: str
    shape: tuple[int, int, int]

    @property
    def bytes(self) -> int:
        """Of its file."""
        return self.shape[0] * self.shape[1] * self.shape[2] + HEADER_BYTES

    def name(self) -> str | None:
        """Of its file: another one where the picture has changed. None where that could not be told."""
        try:
            state = self.path.stat()
        except OSError:
            return None
        if not state.st_mtime_ns:
            return None
        place = str(self.path.absolute() if isinstance(self.path, Path) else self.path)
        told = (MEANING, place, state.st_size, state.st_mtime_ns, self.form, self.shape)
        return hashlib.blake2b(repr(told).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest() + SUFFIX


class Keeping:
    """A folder of arrays, each complete or not there, read through memory maps by any number of processes.

    Of the pictures that are `wanted`, in this order, as many are kept as `most` bytes hold; what else was kept in the
    folder makes room for them, the oldest first. Raises `UsageError` where there can be no such folder.
    """

    def __init__(self, folder: Path, most: int, wanted: Iterable[Wanted]) -> None:
        self.folder = folder
        self.is_writable = True
        chosen, self.bytes = list[Wanted](), 0
        for one in wanted:
            if self.bytes + one.bytes <= most:
                chosen.append(one)
                self.bytes += one.bytes
        self.chosen = frozenset((one.path, one.form) for one in chosen)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise UsageError(f"dataset.cache: {folder} can be no folder ({problem.strerror})") from problem
        sweep(folder)
        _make_room(folder, most, self.bytes, chosen)

    def get(self, wanted: Wanted, make: Callable[[], NDArray[numpy.uint8]]) -> NDArray[numpy.uint8]:
        """(H, W, 3), not to be written to: what lies there, or else what `make` gives, which then does."""
        name = wanted.name() if (wanted.path, wanted.form) in self.chosen else None
        if name is None:
            return make()
        if (kept := _mapped(self.folder / name, wanted.shape)) is not None:
            return kept
        made = make()
        if self.is_writable and made.shape == wanted.shape:
            self._keep(self.folder / name, made)
        return made

    def _keep(self, path: Path, pixels: NDArray[numpy.uint8]) -> None:
        try:
            with complete_or_not_at_all(path) as stream:
                numpy.save(stream, pixels, allow_pickle=False)
        except I2IError:  # the disk is full, say: the run can do without
            self.is_writable = False


def _mapped(path: Path, shape: tuple[int, int, int]) -> NDArray[numpy.uint8] | None:
    """What a file holds, if it is what it should be."""
    try:
        kept: NDArray[numpy.uint8] = numpy.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return kept if kept.shape == shape and kept.dtype == numpy.uint8 else None


def _make_room(folder: Path, most: int, needed: int, chosen: Iterable[Wanted]) -> None:
    """Delete others' arrays, the oldest first, until all that will be wanted has room."""
    there = {entry.name: entry.stat() for entry in _arrays(folder)}
    if sum(state.st_size for state in there.values()) + needed <= most:
        return
    ours = {one.name() for one in chosen}
    others = sorted((state.st_mtime_ns, name, state.st_size) for name, state in there.items() if name not in ours)
    excess = sum(size for _, _, size in others) + needed - most
    for _, name, size in others:
        if excess <= 0:
            return
        with suppress(OSError):
            (folder / name).unlink()
        excess -= size


def _arrays(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if _NAME.fullmatch(entry.name))
