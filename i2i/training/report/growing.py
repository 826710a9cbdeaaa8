"""Files that others append lines to, read no byte twice."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

TAIL = 64
"""Bytes before the offset by which a file is known again."""


@dataclass(frozen=True)
class News:
    """What was found since the file was last asked."""

    lines: tuple[bytes, ...]
    """Whole ones; the end of a line that is being written comes next time."""
    begins_anew: bool
    """Whether what was read before is void: another file lies there now, or none."""


class GrowingFile:
    """A file of lines, remembered by what was read of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._identity: tuple[int, int] | None = None
        self._offset = 0
        self._tail = b""

    def news(self) -> News:
        """The lines that came since the last time; none of a file that cannot be read."""
        try:
            with self.path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                identity = (found.st_dev, found.st_ino)
                stream.seek(max(0, self._offset - len(self._tail)))
                is_known = identity == self._identity and stream.read(len(self._tail)) == self._tail
                begins_anew = self._identity is not None and not is_known
                if not is_known:
                    self._identity, self._offset, self._tail = identity, 0, b""
                    stream.seek(0)
                content = stream.read()
        except OSError:
            begins_anew = self._identity is not None
            self._identity, self._offset, self._tail = None, 0, b""
            return News((), begins_anew)
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        self._tail = (self._tail + whole)[-TAIL:]
        return News(tuple(whole.splitlines()), begins_anew)
