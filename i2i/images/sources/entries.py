"""Pictures that are no files of this machine, and are read as if they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import PurePosixPath
from typing import IO, NoReturn

from i2i.errors import BrokenPicture


@dataclass(frozen=True)
class Stat:
    """What is known of an entry, under the names that `os.stat` gives it."""

    st_size: int
    """In bytes."""
    st_mtime_ns: int
    """When it was last changed, in nanoseconds since 1970; 0 where that is not known."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture in an archive or behind a URL. It is read as a `Path` is, without being a file of this machine."""

    place: str
    """Where it is, for messages: `photos.tar/deep/x.jpg`, `s3://bucket/x.jpg`."""
    size: int
    mtime_ns: int
    opened: Callable[[], IO[bytes]] = field(repr=False, compare=False)
    """Opens it for reading from any place in it."""

    def __str__(self) -> str:
        return self.place

    def __fspath__(self) -> str:  # so that `Path(entry)` is what to call it
        return self.place

    @property
    def name(self) -> str:
        """The last part of its place."""
        return self.place.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """With the dot, as it is written."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> PurePosixPath:
        """The place without its last part; there is no folder of this name on this machine."""
        return PurePosixPath(self.place).parent

    def exists(self) -> bool:
        """As far as the list goes that it stands in."""
        return True

    def is_file(self) -> bool:
        """It is read as one."""
        return True

    def is_dir(self) -> bool:
        """It is none."""
        return False

    def stat(self) -> Stat:
        """Size and time as the archive's or the folder's list has them."""
        return Stat(self.size, self.mtime_ns)

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A stream of its own; several may be open at once. Raises `ValueError` for any mode but `rb`."""
        if mode != "rb":
            raise ValueError(f"{self.place}: can be read only, not opened as {mode!r}")
        return self.opened()

    def read_bytes(self) -> bytes:
        """All of it."""
        with self.open() as stream:
            return stream.read()


def lost(place: str, reason: str) -> Entry:
    """What stands where there ought to be something to read: whoever opens it meets `BrokenPicture` for this reason."""
    return Entry(place, 0, 0, partial(_refuse, place, reason))


def _refuse(place: str, reason: str) -> NoReturn:
    raise BrokenPicture(place, reason)
