"""Files behind URLs, reached anew from every process: a connection that a fork copies serves neither side."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.limits import LIMITS, BeyondLimits
from i2i.images.sources.entries import Entry

if TYPE_CHECKING:
    from upath import UPath

_MISSING = "no such file or folder"
_STATES = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""Under what names the file systems tell that a file has changed."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What lies behind a URL; an archive there is read through it as through a `Path`."""

    url: str
    """For messages, without a password."""
    protocol: str
    path: str
    options: Mapping[str, Any] = field(compare=False, repr=False)
    """What its file system is opened with."""

    @staticmethod
    def of(place: UPath) -> Reached:
        """What `opened_url` gives."""
        return Reached(str(place), place.protocol, place.path, dict(place.storage_options))

    def __str__(self) -> str:
        return self.url

    @property
    def fs(self) -> Any:
        """The file system: `fsspec` keeps one a process."""
        from upath import UPath

        return UPath(self.path, protocol=self.protocol, **self.options).fs

    def open(self, mode: str = "rb") -> IO[bytes]:
        """A stream of its own."""
        stream: IO[bytes] = self.fs.open(self.path, mode)
        return stream

    def below(self, name: str) -> Reached:
        """What lies below it under that name."""
        url, path = (f"{text.rstrip('/')}/{name}" for text in (self.url, self.path))
        return Reached(url, self.protocol, path, self.options)

    def beside(self, name: str) -> Reached:
        """What lies in its folder under that name."""
        url, path = (text.rpartition("/")[0] for text in (self.url, self.path))
        return Reached(url, self.protocol, path, self.options).below(name)

    def entry(self, size: int = 0, mtime_ns: int = 0) -> Entry:
        """Itself as a picture."""
        return Entry(self.url, size, mtime_ns, partial(self._read, size))

    def state(self) -> str:
        """What differs when it has changed: size and time, or what its server tells instead."""
        about = self.fs.info(self.path)
        changed = next((about[key] for key in _STATES if about.get(key)), 0)
        return f"{about.get('size')} {changed}"

    def read_bytes(self) -> bytes:
        """All of it."""
        contents: bytes = self.fs.cat_file(self.path)
        return contents

    def _read(self, size: int) -> IO[bytes]:
        LIMITS.check_bytes(size)
        with explaining(self.url):
            try:
                return io.BytesIO(self.read_bytes())
            except FileNotFoundError as problem:
                raise BrokenPicture(self.url, _MISSING) from problem


@contextmanager
def explaining(place: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """What keeps `place` from being read ends the run, for a broken picture would be passed over.

    What a run sees then is a function of the data, not of how well a network does.
    """
    try:
        yield
    except Exception as problem:  # each file system raises errors of its own
        if isinstance(problem, (I2IError, BeyondLimits, MemoryError, *passing)):
            raise
        cause = getattr(problem, "strerror", None) or str(problem).strip() or type(problem).__name__
        cause = _MISSING if isinstance(problem, FileNotFoundError) else " ".join(cause.lower().split())
        raise I2IError(f"{place}: cannot be read ({cause})") from problem


@contextmanager
def expecting(place: str) -> Iterator[None]:
    """As `explaining`, where somebody has just named `place`: if there is none, that is what is wrong."""
    with explaining(place):
        try:
            yield
        except FileNotFoundError as problem:
            raise UsageError(f"{place}: {_MISSING}") from problem
