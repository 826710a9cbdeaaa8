"""Archives as datasets read them: listed once, their members read in any order and from any process.

Order is that of all other data, a permutation of each epoch: each member once an epoch, and a run goes on anywhere,
as sample p of it is known without those before. To read shards from front to back through a shuffle buffer would save
disks from seeking, but mixes neighbours only, depends on the number of processes, and loses the buffer at every stop.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from i2i.datasets.reaching import Reached, expecting, explaining
from i2i.errors import I2IError
from i2i.images.limits import LIMITS
from i2i.images.sources.archives import read_archive
from i2i.images.sources.entries import Entry

if TYPE_CHECKING:
    from i2i.images.sources.walking import Address

OPEN_ZIPS = 32
"""Whose lists a process keeps; a .tar is opened anew for every member, as its place in it is known."""
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)
"""What the bytes of a member are to blame for."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A .tar or .zip as it was when it was listed."""

    archive: Path | Reached
    address: Address
    state: str

    @staticmethod
    def of(archive: Path | Reached, address: Address) -> Shard:
        """Raises as `state_of`."""
        return Shard(archive, address, state_of(archive))

    def members(self) -> Iterator[tuple[Entry, str]]:
        """Its pictures, each with its path in it, by which they are sorted. Raises as `read_archive`.

        To open one raises `I2IError` where the archive has gone, has changed or cannot be reached, and a picture whose
        own bytes are damaged is a `BrokenPicture` when it is decoded.
        """
        read, zipped = self._read, str(self.archive).lower().endswith(".zip")
        for below, entry in sorted(_listed(self.archive, self.address).items()):
            opened = partial(_unpacked, self.archive, self.address, below) if zipped else entry.opened
            place, size = entry.place, entry.size
            yield Entry(place, size, entry.mtime_ns, partial(read, place, size, opened)), below

    def _read(self, place: str, size: int, opened: Callable[[], IO[bytes]]) -> IO[bytes]:
        LIMITS.check_bytes(size)
        with explaining(place, _DAMAGE):
            if isinstance(self.archive, Path) and _state(self.archive) != self.state:
                raise self._changed(place)
            stream = opened()
            if stream.seek(0, os.SEEK_END) != size:
                stream.close()
                raise self._changed(place)
            stream.seek(0)
            return stream

    def _changed(self, place: str) -> I2IError:
        return I2IError(f"{place}: cannot be read ({self.archive} has changed since its members were listed)")


def state_of(place: Path | Reached) -> str:
    """What differs when a file has changed: size and time.

    Raises `UsageError` where there is no such file, `I2IError` where it cannot be read.
    """
    with expecting(str(place)):
        return place.state() if isinstance(place, Reached) else _state(place)


def _state(path: Path) -> str:
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def _listed(archive: Path | Reached, address: Address) -> dict[str, Entry]:
    """Path in the archive → its picture, which is open to this process alone where the archive is a .zip."""
    folders = read_archive(cast("Path", archive), address)
    return {(at.below / name).as_posix(): cast("Entry", at.picture(name)) for at in folders for name in at.names}


@lru_cache(OPEN_ZIPS)
def _listed_here(archive: Path | Reached, address: Address, process: int) -> dict[str, Entry]:
    """As `_listed`, in the process of this number: one that was forked would share the place that is read at."""
    return _listed(archive, address)


def _unpacked(archive: Path | Reached, address: Address, below: str) -> IO[bytes]:
    return _listed_here(archive, address, os.getpid())[below].open()
