"""What a folder of pictures really holds, found by decoding every one of them."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from i2i.errors import BrokenPicture
from i2i.images.decode import decoding, upright_rgb, without_frames

_CHUNK = 1024  # files handed to the threads at a time


@dataclass(frozen=True)
class Survey:
    """Counts over the files that were looked at; broken ones are in `pictures` and in no other count."""

    pictures: int
    """How many files were looked at."""
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    """(width, height) as displayed, in pixels."""
    modes: Counter[str] = field(default_factory=Counter)
    """Pillow's mode of the stored pixels: RGB, L, P, …"""
    formats: Counter[str] = field(default_factory=Counter)
    """By content, not by suffix: JPEG, PNG, …"""
    broken: list[BrokenPicture] = field(default_factory=list)
    """Files that cannot be decoded, in the order given."""
    duplicates: list[tuple[Path, ...]] = field(default_factory=list)
    """Groups of two or more files whose bytes are the same."""


class _Traits(NamedTuple):
    size: tuple[int, int]
    mode: str
    format: str


def survey(paths: Sequence[Path], threads: int = 8) -> Survey:
    """Decode every file and compare their bytes; no more than `threads` decoded pictures are in memory at a time."""
    found = Survey(len(paths))
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), _CHUNK):
            for traits in pool.map(_look_at, paths[start : start + _CHUNK]):
                if isinstance(traits, BrokenPicture):
                    found.broken.append(traits)
                else:
                    found.sizes[traits.size] += 1
                    found.modes[traits.mode] += 1
                    found.formats[traits.format] += 1
        found.duplicates.extend(_duplicates(paths, pool))
    return found


def _look_at(path: Path) -> _Traits | BrokenPicture:
    try:
        with decoding(path) as image:
            mode, file_format = image.mode, image.format or "unknown"
            return _Traits(upright_rgb(image).size, mode, file_format)
    except BrokenPicture as broken:
        return without_frames(broken)


def _duplicates(paths: Sequence[Path], pool: ThreadPoolExecutor) -> list[tuple[Path, ...]]:
    """Only files of equal length are read."""
    by_length: defaultdict[int, list[Path]] = defaultdict(list)
    for path in paths:
        if path.is_file():
            by_length[path.stat().st_size].append(path)
    candidates = [path for alike in by_length.values() if len(alike) > 1 for path in alike]
    by_digest: defaultdict[str | None, list[Path]] = defaultdict(list)
    for start in range(0, len(candidates), _CHUNK):
        chunk = candidates[start : start + _CHUNK]
        for path, digest in zip(chunk, pool.map(_digest, chunk), strict=True):
            by_digest[digest].append(path)
    by_digest.pop(None, None)
    return sorted(tuple(alike) for alike in by_digest.values() if len(alike) > 1)


def _digest(path: Path) -> str | None:
    """SHA-256 of the bytes; None for a file that cannot be read, which the survey lists as broken."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return None
