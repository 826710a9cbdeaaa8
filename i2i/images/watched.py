"""A file that is read against the clock."""

from __future__ import annotations

import os
import time
from typing import IO

from i2i.images.limits import BeyondLimits


class Watched:
    """A file opened for reading whose reads look at the clock: past `seconds` they raise `BeyondLimits`."""

    def __init__(self, file: IO[bytes], seconds: float) -> None:
        self._file, self._seconds = file, seconds
        self.restart()

    def restart(self) -> None:
        """Count the seconds from now on: another frame begins, or the wait was not the file's doing."""
        self._end = time.monotonic() + self._seconds

    def read(self, count: int = -1, /) -> bytes:
        """As that of the file."""
        if time.monotonic() > self._end:
            raise BeyondLimits(f"took longer than {self._seconds:g} seconds to read")
        return self._file.read(count)

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        """As that of the file."""
        return self._file.seek(place, whence)

    def tell(self) -> int:
        """As that of the file."""
        return self._file.tell()

    def fileno(self) -> int:
        """As that of the file, which raises `OSError` where it lies in no file system."""
        return self._file.fileno()

    def close(self) -> None:
        """As that of the file."""
        self._file.close()
