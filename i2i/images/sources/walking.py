"""Folders of pictures one by one: a walk holds the names of one folder at a time, however many there are."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import cast

from i2i.errors import I2IError, UsageError
from i2i.images.folders import PICTURE_SUFFIXES
from i2i.images.sources.entries import Entry, lost
from i2i.images.sources.listing import Listing, has_picture_suffix, kind_of, list_folder, unreadable

Identity = tuple[int, int]
"""Device and number of a file or folder: the same through links, and in whatever case its name is written."""

Address = tuple[str, ...]
"""The parts of a whole path, from the root or from a URL's protocol on."""


@dataclass(frozen=True)
class Folder:
    """One folder and the pictures in it that are asked for."""

    address: Address
    below: PurePosixPath
    """Its path below the source that it was reached from."""
    names: Sequence[str]
    """Of its pictures, in an order that never varies."""
    folders: Sequence[str]
    """Names of the folders in it."""
    picture: Callable[[str], Path]
    """The picture of a name: a path, or an `Entry`, which is read as one."""
    identity: Identity | None = None
    """Of a folder on this machine."""
    whole: bool = True
    """Whether all its pictures are asked for, not some by their names."""
    closed: Entry | None = None
    """Of a folder that cannot be read, and so has no names: what tells why when it is opened."""


def walk(sources: Sequence[Path], exclude: Path | None = None, may_be_empty: bool = False) -> Iterator[Folder]:
    """Every folder in `sources` and below that holds pictures, each once.

    `sources` are folders, and single files, which are taken whatever their names begin with. Hidden files and folders
    (a leading dot) and other files are passed over. Links to folders are followed after all real folders, so that a
    folder reached both ways keeps its real name. The folder `exclude` and all in it is left out, except of sources
    that lie in it themselves. A folder below a source that cannot be read comes as one that is `closed`, a link with a
    picture's suffix that cannot be followed as a picture; either tells why when it is opened.
    Raises `UsageError` where a source is missing, of another kind or, unless it `may_be_empty`, holds no picture;
    `I2IError` where a source itself cannot be read.
    """
    for source in sources:
        _require_pictures(source)
    walking = _Walk(sources, exclude)
    yield from walking.folders()
    for source in sources:
        if not may_be_empty and source not in walking.fruitful:
            raise no_pictures(source)


def no_pictures(source: object) -> UsageError:
    """What to say of a source that holds none."""
    return UsageError(f"{source}: holds no pictures (looked for {_looked_for()})")


def identity(path: Path) -> Identity | None:
    """What `path` really is; None where there is nothing to be found."""
    try:
        found = os.stat(path)  # noqa: PTH116 -- asked of every folder
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def is_inside(path: Path, folder: Identity) -> bool:
    """Whether `path` is that folder or lies in it, be it through links."""
    real = _real(path)
    return any(identity(place) == folder for place in (real, *real.parents))


def address_of(path: Path) -> Address:
    """The whole path as it was written. Where it has `..` in it, which may lead anywhere behind a link, as it is."""
    return Path(os.path.realpath(path) if ".." in path.parts else os.path.abspath(path)).parts  # noqa: PTH100


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises at a link that leads to itself


def _looked_for() -> str:
    return ", ".join(sorted(PICTURE_SUFFIXES))


def _require_pictures(source: Path) -> None:
    if os.path.isfile(source):  # noqa: PTH113 -- Path.is_file raises where a folder above is closed to the user
        if not has_picture_suffix(source.name):
            raise UsageError(f"{source}: not a picture's suffix (one of {_looked_for()})")
    elif not os.path.isdir(source):  # noqa: PTH112
        raise UsageError(f"{source}: {kind_of(source)}")


@dataclass(frozen=True)
class _Waiting:
    """A folder yet to be read."""

    path: Path
    root: Path
    real: Path
    exclude: tuple[Identity, Path] | None
    """By both what it is and where: some file systems give out other numbers as time goes by."""

    def inner(self, name: str) -> _Waiting:
        return _Waiting(self.path / name, self.root, self.real / name, self.exclude)

    def folder(
        self,
        names: Sequence[str] = (),
        listing: Listing = Listing(),  # noqa: B008 -- frozen
        real: Identity | None = None,
        closed: Entry | None = None,
    ) -> Folder:
        """What has been read of it."""
        below = PurePosixPath(self.path.relative_to(self.root).as_posix())
        address = address_of(self.root) + below.parts
        return Folder(address, below, names, listing.folders, self._looking_up(listing.lost), real, closed=closed)

    def _looking_up(self, gone: Mapping[str, str]) -> Callable[[str], Path]:
        def picture(name: str) -> Path:
            path = self.path / name
            return cast("Path", lost(str(path), gone[name])) if name in gone else path

        return picture if gone else self.path.__truediv__


@dataclass
class _Walk:
    """One walk and what it has seen."""

    sources: Sequence[Path]
    exclude: Path | None
    seen: set[Identity] = field(default_factory=set)
    fruitful: set[Path] = field(default_factory=set)
    """Sources that are or hold pictures, or hold folders that others hold too."""
    links: deque[_Waiting] = field(default_factory=deque)
    single: dict[Identity, dict[str, Path]] = field(default_factory=dict)
    """Of files named one by one: their folder → their names → their folder as it was written."""

    def folders(self) -> Iterator[Folder]:
        left_out = None
        if self.exclude is not None and (what := identity(self.exclude)) is not None:
            left_out = what, _real(self.exclude)
        roots = []
        for source in self.sources:
            if os.path.isdir(source):  # noqa: PTH112
                inside = left_out is not None and is_inside(source, left_out[0])
                roots.append(_Waiting(source, source, _real(source), None if inside else left_out))
            elif (above := identity(source.parent)) is not None:
                self.single.setdefault(above, {}).setdefault(source.name, source.parent)
                self.fruitful.add(source)
        for root in roots:
            yield from self._below(root)
        while self.links:
            link = self.links.popleft()
            if link.exclude is None or not is_inside(link.path, link.exclude[0]):
                yield from self._below(replace(link, real=_real(link.path)))
        yield from self._of_single_files()

    def _below(self, start: _Waiting) -> Iterator[Folder]:
        waiting = [start]
        while waiting:
            here = waiting.pop()
            try:
                real = self._new(here)
                listing = Listing() if real is None else list_folder(here.path)
            except I2IError as problem:
                if here.path == here.root:
                    raise
                self.fruitful.add(here.root)
                yield here.folder(closed=lost(str(here.path), str(problem).removeprefix(f"{here.path}: ")))
                continue
            names = listing.pictures
            if real is not None and (asked_for := self.single.pop(real, None)):  # a hidden one may be among them
                names = sorted({*names, *asked_for})
            if names:
                self.fruitful.add(here.root)
                yield here.folder(names, listing, real)
            self.links += [here.inner(name) for name in listing.folders if name in listing.links]
            waiting += [here.inner(name) for name in reversed(listing.folders) if name not in listing.links]

    def _new(self, here: _Waiting) -> Identity | None:
        """A folder that was not seen before and is not left out."""
        try:
            found = os.stat(here.path)  # noqa: PTH116
        except FileNotFoundError:  # it has gone since its name was read
            return None
        except OSError as problem:
            raise unreadable(here.path, problem) from problem
        real = (found.st_dev, found.st_ino)
        if here.exclude is not None and (real == here.exclude[0] or here.real == here.exclude[1]):
            return None
        if real in self.seen:
            self.fruitful.add(here.root)
            return None
        self.seen.add(real)
        return real

    def _of_single_files(self) -> Iterator[Folder]:
        """Folders that were not asked for themselves; one that was written in two ways counts once."""
        for real, names in self.single.items():
            path = next(iter(names.values()))
            address = address_of(path)
            yield Folder(address, PurePosixPath(), sorted(names), [], path.__truediv__, real, whole=False)
