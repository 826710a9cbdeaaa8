"""Parts of a file that open as if each were a file of its own."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Part:
    """What `decoding` and `open_whole` ask of a path, for something that lies in no file of its own."""

    def __init__(self, path: Path, opened: Callable[[], IO[bytes]]) -> None:
        self._path, self._opened = path, opened

    def __str__(self) -> str:
        return str(self._path)

    def is_file(self) -> bool:
        """It can be opened."""
        return True

    def open(self, mode: str = "rb") -> IO[bytes]:
        """For reading, whatever the mode."""
        return self._opened()


class Altered(io.RawIOBase):
    """A file opened for reading in which some bytes are others."""

    def __init__(self, file: IO[bytes], changes: Mapping[int, bytes]) -> None:
        super().__init__()
        self._file, self._changes = file, changes

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """As that of the file, with the other bytes."""
        view = memoryview(buffer).cast("B")
        start = self._file.tell()
        found = self._file.read(len(view))
        view[: len(found)] = found
        for place, change in self._changes.items():
            first, last = max(place, start), min(place + len(change), start + len(found))
            if first < last:
                view[first - start : last - start] = change[first - place : last - place]
        return len(found)

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        """As that of the file."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """As that of the file."""
        return self._file.tell()

    def fileno(self) -> int:
        """As that of the file; who reads from there sees it unaltered."""
        return self._file.fileno()

    def close(self) -> None:
        """Closes the file too."""
        if not self.closed:
            self._file.close()
        super().close()
