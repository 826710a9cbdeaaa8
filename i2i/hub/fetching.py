"""Weights on the web become a file here whose contents are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from i2i.disk.digests import sha256_of
from i2i.errors import I2IError
from i2i.hub import huggingface, web
from i2i.hub.addresses import Remote
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

    What lies at `remote.place` and fits is taken without asking the web. An address that was never used is pinned: to
    what the web has, or, where that cannot be reached, to what lies at that place. Raises `I2IError` in one line where
    neither has it, or it holds something else.
    """
    known = Pin(remote.sha256, 0, "") if remote.sha256 is not None else pinned(remote.address)
    if known is not None and remote.place.is_file() and sha256_of(remote.place) == known.sha256:
        return Fetched(remote.place, known.sha256, f"from {remote.address}")
    try:
        path, commit = _download(remote, known)
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


def _download(remote: Remote, known: Pin | None) -> tuple[Path, str]:
    """(the file, the commit that it is of, if in a repository)."""
    if remote.inside is None:
        try:
            remote.place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotFetched(f"{remote.place.parent}: {error.strerror}") from error
        digest = known.sha256 if known is not None else None
        web.download(remote.address, remote.place, digest, remote.progress)
        return remote.place, ""
    commit = known.revision if known is not None else ""
    return huggingface.download(replace(remote.inside, revision=commit or remote.inside.revision), remote.progress)


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
