"""What files hold, and whether that is still what it was: by size and time, and by a hash where the time is another."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from i2i.images.sources.entries import Entry

REMEMBERED = 64
"""Hashes: one mask may be for a million pictures."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file held at some time."""

    bytes: int
    modified: int | None = None
    """When it was changed last, in ns, where that is known."""
    sha256: str | None = None


NOBODYS = Contents(-1)
"""A link that leads nowhere."""


def contents_of(path: Path | Entry) -> Contents | None:
    """What a look at the file tells without opening it.

    None where there is nothing, or nothing that can be told: whoever opens the file will say why.
    """
    if isinstance(path, Entry):
        entry = path.stat()
        return Contents(entry.st_size, entry.st_mtime_ns or None)
    try:
        found = path.stat()
    except OSError:
        return NOBODYS if path.is_symlink() else None
    return Contents(found.st_size, found.st_mtime_ns)


def sha256_of(path: Path) -> str:
    """The hash of a file, read piece by piece. Raises `OSError`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Recognition:
    """Tells whether files are what they were. Threads may share it."""

    def __init__(self) -> None:
        self._hash = lru_cache(REMEMBERED)(_hash_of)

    def recognised(self, path: Path, now: Contents | None, *then: Contents | None) -> Contents | None:
        """Which of these the file is, with the time that it has now; None where it is none of them."""
        if now is None:
            return None
        likely = [contents for contents in then if contents is not None and contents.bytes == now.bytes]
        exact = [contents for contents in likely if contents.modified == now.modified]
        if len(exact) == 1:
            return exact[0]
        if len(likely) == 1 and likely[0].modified is None:  # there is no more to compare by
            return replace(likely[0], modified=now.modified)
        hashed = [contents for contents in likely if contents.sha256 is not None]
        sha256 = self._hash(path, now) if hashed else None
        return next((replace(known, modified=now.modified) for known in hashed if known.sha256 == sha256), None)

    def as_read(self, path: Path, seen: Contents | None) -> Contents | None:
        """With its hash, unless it has changed since it was seen: then nobody can tell which version was read.

        An `Entry` is not read a second time: what its list says has to do.
        """
        if seen is None or isinstance(path, Entry):
            return seen
        sha256 = self._hash(path, seen)
        return replace(seen, sha256=sha256) if contents_of(path) == seen else seen


def differs(path: Path, then: Contents) -> bool:
    """Whether the file is another one than then, by its size and, where it is known, its hash. Reads it all."""
    now = contents_of(path)
    if now is None or now.bytes != then.bytes:
        return True
    return then.sha256 is not None and _hash_of(path, now) != then.sha256


def _hash_of(path: Path, seen: Contents) -> str | None:
    """None where it cannot be read. `seen` is for whoever remembers answers."""
    with suppress(OSError):
        return sha256_of(path)
    return None
