"""A file from the web, by pooch: what was interrupted goes on where it ended, and only what is whole gets its name."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from i2i.disk.digests import sha256_of
from i2i.disk.drafts import settle
from i2i.disk.locking import alone
from i2i.errors import I2IError

if TYPE_CHECKING:
    from requests import Response

LIMIT_BYTES = 20_000_000_000
CHUNK_BYTES = 1 << 16
"""What is lost at most of a transfer that breaks off."""
SECONDS = 30.0
"""Without a byte, after which nothing more is expected."""
TRIES = 20
"""Times a transfer that breaks off goes on, as long as each brings something."""


class NotFetched(I2IError):
    """Why a file is not to be had from the web, in words."""


class OtherContents(NotFetched):
    """It was had, and is not what it should be."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"its SHA-256 is {found}, not {wanted}")
        self.found = found


def download(url: str, path: Path, sha256: str | None = None, progress: bool = True) -> None:
    """Have the file behind `url` at `path`, in place of what lies there.

    What arrives gathers in the folder `NAME.part` beside it, where the next call finds it; another process that fetches
    the same is waited for. `progress`: show it on a terminal. Raises `NotFetched` where it cannot be had whole,
    `OtherContents` where its SHA-256 is another than `sha256`.
    """
    before, folder = _state(path), path.with_name(f"{path.name}.part")
    try:
        with alone(folder, math.inf):
            if _state(path) != before:
                return  # the other process has fetched it
            part = _Part(folder)
            try:
                _gather(url, part, progress and os.isatty(2))
            finally:
                part.remove_empty()
            if sha256 is not None and (found := sha256_of(part.path)) != sha256:
                part.remove()
                raise OtherContents(found, sha256)
            part.path.replace(path)
            part.remove()
            settle(path.parent)
    except OSError as error:
        raise NotFetched(f"{error.filename or path}: {error.strerror or error}") from error


class _Part:
    """What has arrived, and by what its server tells whether it still has the same file."""

    def __init__(self, folder: Path) -> None:
        self.path, self.tag = folder / "part", folder / "tag"

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def remove_empty(self) -> None:
        """Where nothing has arrived, leave nothing."""
        if not self.size:
            self.remove()

    def begin_anew(self) -> None:
        self.path.unlink(missing_ok=True)
        self.tag.unlink(missing_ok=True)

    remove = begin_anew


class _Stream:
    """Appends to a part as a file does; never beyond the limit."""

    def __init__(self, part: _Part) -> None:
        self.part, self.file = part, part.path.open("ab")

    def write(self, data: bytes) -> None:
        if self.file.tell() + len(data) > LIMIT_BYTES:
            raise too_large()
        self.file.write(data)

    def flush(self) -> None:
        self.file.flush()

    def close(self) -> None:
        with self.file:
            self.file.flush()
            os.fsync(self.file.fileno())


def _gather(url: str, part: _Part, progress: bool) -> None:
    """Have the whole file in the part."""
    import requests

    broke_off = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    for _ in range(TRIES):
        size = part.size
        try:
            return _transfer(url, part, progress)
        except broke_off as error:
            reason = _reason(error)
            if part.size <= size:
                break
        except requests.HTTPError as error:
            if (answer := error.response) is None:
                raise
            reason = f"HTTP Error {answer.status_code}: {answer.reason}"
            if answer.status_code != requests.codes.requested_range_not_satisfiable or not size:
                break
            part.begin_anew()  # it has become shorter than what is here
        except (requests.RequestException, ValueError) as error:  # headers that are no numbers, too
            reason = " ".join(str(error).split())
            break
    raise NotFetched(reason)


def _transfer(url: str, part: _Part, progress: bool) -> None:
    """One request: for all of it, or for what is missing where the server can tell that it still has the same file."""
    from pooch import HTTPDownloader  # type: ignore[import-untyped]

    headers = {"Accept-Encoding": "identity"}
    tag = part.tag.read_text(encoding="latin-1") if part.tag.exists() else ""
    if part.size and tag:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": tag}
    else:
        part.begin_anew()
    stream = _Stream(part)
    try:
        HTTPDownloader(
            progressbar=progress,
            chunk_size=CHUNK_BYTES,
            timeout=SECONDS,
            headers=headers,
            hooks={"response": partial(_look_at, stream)},
        )(url, stream, None)
    finally:
        stream.close()


def _look_at(onto: _Stream, response: Response, **_: Any) -> None:
    """At what a server answers, before anything of it is read. Raises `NotFetched` where that is not what is wanted."""
    if response.is_redirect:
        target = urljoin(response.url, response.headers["location"])
        if response.url.startswith("https:") and not target.startswith("https:"):
            to = urlsplit(target)  # without what else stands in it, which may be secret
            raise NotFetched(f"it leads to {to.scheme}://{to.hostname}{to.path}, which is not protected by https")
    if response.status_code not in (200, 206):
        return
    if response.headers.get("content-type", "").startswith("text/html"):
        raise NotFetched("the server answers with a web page, not with a file")
    part, length = onto.part, response.headers.get("content-length", "")
    if response.status_code == 200:
        onto.file.truncate(0)
    elif not response.headers.get("content-range", "").startswith(f"bytes {part.size}-"):
        raise NotFetched("the server answers with another part of the file than was asked for")
    lacking = int(length) if length.isdecimal() else 0
    if part.size + lacking > LIMIT_BYTES:
        raise too_large()
    free = shutil.disk_usage(part.path.parent).free
    if lacking > free:
        raise NotFetched(f"{part.path.parent}: {free / 1e6:.0f} MB are free, it takes {lacking / 1e6:.0f} MB")
    tag = response.headers.get("etag", "W/")
    if tag.startswith("W/"):  # says nothing of single bytes
        tag = response.headers.get("last-modified", "")
    is_plain = response.headers.get("content-encoding", "identity") == "identity"
    part.tag.write_text(tag if is_plain else "", encoding="latin-1")


def too_large() -> NotFetched:
    """What a file is called that is beyond the limit."""
    return NotFetched(f"larger than {LIMIT_BYTES / 1e9:.0f} GB, which no weights file should be")


def _reason(error: BaseException) -> str:
    """What the system says, or what protects the connection; else what the error began with."""
    chain = list(_chain(error))
    said = [cause.strerror for cause in chain if isinstance(cause, OSError) and cause.strerror]
    return said[-1] if said else " ".join(str(chain[-1]).split())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _state(path: Path) -> tuple[int, int] | None:
    """By which a file is told from the one that takes its place."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_ino, found.st_mtime_ns
