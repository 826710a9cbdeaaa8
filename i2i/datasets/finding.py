"""Where a dataset's pictures are: in folders, lists, archives and behind URLs, all read in one fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, cast

from i2i.datasets.lists import Line, is_list, lines_of
from i2i.datasets.reaching import Reached
from i2i.datasets.shards import Shard, state_of
from i2i.errors import UsageError
from i2i.images.folders import find_pictures
from i2i.images.sources import Sources
from i2i.images.sources.listing import has_picture_suffix
from i2i.images.sources.remote import opened_url, read_urls, url_of

if TYPE_CHECKING:
    from upath import UPath

    from i2i.images.sources.entries import Entry


@dataclass(frozen=True)
class Found:
    """Pictures, in an order that never varies."""

    pictures: Mapping[Path, str]
    """Each, be it an `Entry`, with its name: its path below what was named."""
    states: Mapping[str, str]
    """Archives and lists, with what differs when they have changed."""


def find(sources: Sequence[str]) -> Found:
    """What is in folders, files, lists, archives and behind URLs; `{000..127}` is a range of any of these.

    Only names are held: a picture is opened when it is read, by whichever process reads it. Raises `UsageError` where a
    source is missing or holds no picture, `I2IError` where it cannot be read.
    """
    finding = _Finding({}, {})
    for source in sources:
        finding.add(source)
    return Found(finding.pictures, finding.states)


@dataclass(frozen=True)
class _Finding:
    pictures: dict[Path, str]
    states: dict[str, str]

    def add(self, given: str) -> None:
        sources = Sources.of([given])
        for path in sources.local:
            if is_list(path.name) and not path.is_dir():
                self._add_list(path)
            else:
                self.pictures.update((picture, _below(path, picture)) for picture in find_pictures(path))
        for archive, address in sources.archives:
            shard = Shard.of(archive if isinstance(archive, Path) else Reached.of(archive), address)
            self.states[str(shard.archive)] = shard.state
            self._add(shard.members())
        for place in sources.remote:
            if is_list(place.name):
                self._add_list(Reached.of(place))
            else:
                self._add(_behind(place))

    def _add(self, entries: Iterator[tuple[Entry, str]]) -> None:
        self.pictures.update((cast("Path", entry), name) for entry, name in entries)  # which is read as one

    def _add_list(self, place: Path | Reached) -> None:
        lines = list(lines_of(place))
        self.states[str(place)] = state_of(place)
        for line in lines:
            try:
                self._add_line(line, place)
            except UsageError as problem:
                raise UsageError(f"{place}, line {line.number}: {problem}") from problem

    def _add_line(self, line: Line, place: Path | Reached) -> None:
        if is_list(line.source):
            raise UsageError(f"{line.text}: is a list itself; a list names pictures, folders and archives")
        if "{" not in line.source and has_picture_suffix(line.source):
            self.pictures[_picture(line, place)] = _name(line, place)
        else:
            self.add(line.source)


def _picture(line: Line, place: Path | Reached) -> Path:
    """Whether it is there will be seen when it is read: a line that names nothing is a broken picture."""
    if (url := url_of(line.source)) is None:
        return Path(line.source)
    if isinstance(place, Reached) and line.is_relative:
        return cast("Path", place.beside(line.text).entry())
    return cast("Path", Reached.of(opened_url(url)).entry())


def _name(line: Line, place: Path | Reached) -> str:
    """As it is written, or below the list's folder, so that more lines rename no picture."""
    name = line.text
    if not line.is_relative:
        folder = place.url.rpartition("/")[0] if isinstance(place, Reached) else place.parent.absolute().as_posix()
        name = name.removeprefix(f"{folder}/")
    return PurePosixPath(name.lstrip("/")).as_posix()


def _below(source: Path, picture: Path) -> str:
    return picture.name if picture == source else picture.relative_to(source).as_posix()


def _behind(place: UPath) -> Iterator[tuple[Entry, str]]:
    """The pictures of a folder, or one picture, each with its path below what was named."""
    root = Reached.of(place)
    for folder in read_urls([place]):
        if folder.closed is not None:
            folder.closed.open()  # which says why it cannot be
        for name in folder.names:
            listed = cast("Entry", folder.picture(name))
            below = (folder.below / name).as_posix()
            reached = root.below(below) if folder.whole else root
            yield reached.entry(listed.size, listed.mtime_ns), below
