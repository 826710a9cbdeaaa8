"""Weights on the web become a file here whose contents are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from i2i.disk.digests import sha256_of
from i2i.errors import I2IError
from i2i.hub import huggingface, web
from i2i.hub.addresses import InRepository, Remote
from i2i.hub.pins import Pin, lock_file, pin, pinned
from i2i.hub.web import NotFetched, OtherContents


@dataclass(frozen=True)
class Fetched:
    """A file that is here."""

    path: Path
    sha256: str
    origin: str
    """Where it is from, and what was pinned, in words."""


def fetched(remote: Remote) -> Fetched:
    """The file behind an address, held to the SHA-256 that it was given with, else to the one that was pinned.

    What is here and fits is taken without asking the web. An address that was never used is pinned: to what the web
    has, or, where that cannot be reached, to what lies at `remote.place`. Raises `I2IError` in one line where neither
    has it, or it holds something else.
    """
    known = Pin(remote.sha256, 0, "") if remote.sha256 is not None else pinned(remote.address)
    here = list(_here(remote, known)) if known is not None else []
    for path in here:
        if known is not None and sha256_of(path) == known.sha256:
            return Fetched(path, known.sha256, f"from {remote.address}")
    try:
        path, commit = _download(remote, known, anew=bool(here))
    except OtherContents as error:
        assert known is not None  # else it may hold anything
        raise I2IError(_others(remote, known, error.found)) from error
    except NotFetched as error:
        if known is not None or not remote.place.is_file():
            raise I2IError(_offline(remote, known, error)) from error
        path, commit = remote.place, ""
    found, origin = sha256_of(path), f"from {remote.address}"
    if known is None:
        pin(remote.address, Pin(found, path.stat().st_size, datetime.now(UTC).date().isoformat(), commit))
        origin = f"{origin}; pinned in {lock_file()}: SHA-256 {found}"
    elif found != known.sha256:
        raise I2IError(_others(remote, known, found))
    return Fetched(path, found, origin)


def _here(remote: Remote, known: Pin) -> Iterator[Path]:
    """Files that may be the one."""
    for place in (remote.place, replace(remote, sha256=None).place):
        if place.is_file():
            yield place
    if remote.inside is not None and (path := huggingface.cached(_of_pin(remote.inside, known))) is not None:
        yield path


def _download(remote: Remote, known: Pin | None, anew: bool) -> tuple[Path, str]:
    """(the file, the commit that it is of, if in a repository)."""
    if remote.inside is None:
        digest = known.sha256 if known is not None else None
        web.download(remote.address, remote.place, digest, remote.progress)
        return remote.place, ""
    return huggingface.download(_of_pin(remote.inside, known), remote.progress, anew)


def _of_pin(inside: InRepository, known: Pin | None) -> InRepository:
    """At the commit that was pinned, where one was."""
    return replace(inside, revision=known.revision) if known is not None and known.revision else inside


def _offline(remote: Remote, known: Pin | None, error: NotFetched) -> str:
    digest = f" (SHA-256 {known.sha256})" if known is not None else ""
    there = "; what lies there now holds something else" if remote.place.is_file() else ""
    return (
        f"{remote.address}: cannot be fetched ({error}); put {remote.name}{digest} at {remote.place}{there}, or name a "
        "file that is here"
    )


def _others(remote: Remote, known: Pin, found: str) -> str:
    if remote.sha256 is not None:
        return f"{remote.address}: its SHA-256 is {found}, not {known.sha256} as given"
    return (
        f"{remote.address}: its SHA-256 is {found}, not {known.sha256} as pinned on {known.date} in {lock_file()}; if "
        f"the new contents are meant, remove that entry, or give the address with #sha256={found}"
    )
