"""Pictures behind URLs, through `fsspec`: buckets, web folders, other machines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from i2i.errors import I2IError, UsageError
from i2i.images.sources.entries import Entry, lost
from i2i.images.sources.listing import has_picture_suffix
from i2i.images.sources.walking import Address, Folder, no_pictures

if TYPE_CHECKING:
    from upath import UPath

_URL = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL)  # two letters at least: C:/ is a disk
_CHANGED = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")
"""What the file systems call the time of the last change."""


def url_of(given: str | Path) -> str | None:
    """The URL that was given, be it as a path that lost one of its slashes; None of a path on this machine."""
    found = _URL.fullmatch(str(given))
    if found is None or os.path.exists(f"{found[1]}:"):  # noqa: PTH110
        return None
    return str(given) if "://" in str(given) else f"{found[1]}://{found[2]}"


def opened_url(url: str) -> UPath:
    """The place behind a URL. Raises `UsageError` where what it takes to read it is missing or unknown."""
    shown = re.sub("//[^/@]*@", "//", url)  # without a password
    try:
        from upath import UPath
    except ImportError as problem:
        raise UsageError(f"{shown}: reading URLs needs more packages: pip install 'i2i[remote]'") from problem
    try:
        place = UPath(url)
        place.fs  # noqa: B018 -- made now, to fail now
    except ImportError as problem:
        raise UsageError(f"{shown}: needs another package to be read ({problem})") from problem
    except ValueError as problem:
        raise UsageError(f"{shown}: no such kind of URL ({problem})") from problem
    return place


def url_address(place: UPath) -> Address:
    """The parts of a URL, the protocol first."""
    protocol, _, path = str(place).partition("://")
    return (f"{protocol}:", *(part for part in path.split("/") if part))


def read_urls(places: Sequence[UPath], may_be_empty: bool = False) -> Iterator[Folder]:
    """Every folder that holds pictures behind these URLs, each once; one listing is held at a time.

    A URL that ends in a picture's suffix is one, any other a folder. Hidden files and folders and other files are
    passed over. A folder below one that cannot be read comes as one that is `closed`. Raises `UsageError` where there
    is nothing or, unless it `may_be_empty`, no picture; `I2IError` where it cannot be read.
    """
    seen: set[Address] = set()
    single: dict[Address, list[UPath]] = {}
    for place in places:
        if has_picture_suffix(place.name):
            single.setdefault(url_address(place)[:-1], []).append(place)
        else:
            yield from _below(place, seen, may_be_empty)
    for address, pictures in single.items():
        names = {place.name: place for place in pictures if address not in seen or place.name.startswith(".")}
        entries = {name: _entry(names[name], _about(names[name])) for name in sorted(names)}
        if entries:
            picture = partial(_looked_up, entries)
            yield Folder(address, PurePosixPath(), list(entries), [], picture, whole=False)


def _below(root: UPath, seen: set[Address], may_be_empty: bool) -> Iterator[Folder]:
    """The folders below `root` that are not among those `seen`, which they join."""
    waiting, fruitful = [root], False
    while waiting:
        here = waiting.pop()
        address = url_address(here)
        if address in seen:
            fruitful = True
            continue
        seen.add(address)
        below = PurePosixPath(*address[len(url_address(root)) :])
        try:
            pictures, folders = _listed(here)
        except I2IError as problem:
            if here is root:
                raise
            fruitful, closed = True, lost(str(here), str(problem).removeprefix(f"{here}: "))
            yield Folder(address, below, [], [], partial(_looked_up, {}), closed=closed)
            continue
        if pictures:
            fruitful = True
            yield Folder(address, below, list(pictures), folders, partial(_looked_up, pictures))
        waiting += [here / name for name in reversed(folders)]
    if not fruitful and not may_be_empty:
        raise no_pictures(root)


def _listed(here: UPath) -> tuple[dict[str, Entry], list[str]]:
    """What a folder holds: its pictures and the names of its folders, both sorted."""
    with _explaining(here):
        found = here.fs.ls(here.path, detail=True)
    pictures, folders = dict[str, Entry](), list[str]()
    for about in sorted(found, key=lambda about: about["name"]):
        above, _, name = about["name"].rstrip("/").rpartition("/")
        if above.strip("/") != here.path.strip("/") or not name or name.startswith("."):
            continue  # the folder itself; of a web page, what it leads to elsewhere
        if about["type"] == "directory":
            folders.append(name)
        elif has_picture_suffix(name):
            pictures[name] = _entry(here / name, about)
    return pictures, folders


def _about(place: UPath) -> Mapping[str, Any]:
    with _explaining(place):
        return place.fs.info(place.path)


def _entry(place: UPath, about: Mapping[str, Any]) -> Entry:
    changed = next((about[key] for key in _CHANGED if about.get(key)), 0)
    return Entry(str(place), about.get("size") or 0, round(_seconds(changed) * 1e9), lambda: place.open("rb"))


def _seconds(changed: object) -> float:
    """Since 1970; each file system has its own way to say it. 0 where it is none of them."""
    try:
        if isinstance(changed, str):
            changed = datetime.fromisoformat(changed)
        return changed.timestamp() if isinstance(changed, datetime) else float(cast("float", changed))
    except (TypeError, ValueError):
        return 0.0


def _looked_up(entries: dict[str, Entry], name: str) -> Path:
    return cast("Path", entries[name])  # for whoever reads it, it is one


@contextmanager
def _explaining(place: UPath) -> Iterator[None]:
    """Each file system raises errors of its own."""
    try:
        yield
    except FileNotFoundError as problem:
        raise UsageError(f"{place}: no such file or folder") from problem
    except Exception as problem:
        cause = str(problem).strip() or type(problem).__name__
        raise I2IError(f"{place}: cannot be read ({cause})") from problem
