"""What would keep translations from being written, or harm something: found before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from i2i.errors import UsageError
from i2i.images.sources.walking import Folder, Identity, identity
from i2i.inference.places.naming import folded

if TYPE_CHECKING:
    from i2i.inference.places import Plan

LONGEST_NAME = 255
"""In bytes, where the disk does not say."""


def checked(jobs: Plan, may_be_empty: bool = False) -> int:
    """Look through a plan; how many jobs there are. Raises as `plan` does."""
    destination = identity(jobs.destination)
    for source in jobs.sources.local:
        if destination is not None and identity(source) == destination:
            what = "the next run would translate the translations too"
            if not jobs.names.naming.suffix and not jobs.names.chosen:
                what = "the originals would be overwritten"
            raise UsageError(f"{jobs.destination}: --dst is the same folder as --src; {what}")
    survey = _Survey(jobs, _longest_name(jobs.destination), ignores_case(jobs.destination))
    for folder in jobs.sources.folders(jobs.destination, may_be_empty):
        survey.add(folder)
    survey.settle(may_be_empty)
    return survey.total + survey.closed


def ignores_case(folder: Path) -> bool:
    """Whether upper and lower case are the same on the disk that a folder lies or will lie on."""
    there = _nearest(folder)
    try:
        names = [name for name in os.listdir(there) if name.isascii() and name.lower() != name.upper()]  # noqa: PTH208
    except OSError:
        names = []
    if not names:
        return sys.platform in ("darwin", "win32")
    other = names[0].swapcase()
    return other not in names and os.path.lexists(there / other)


@dataclass
class _Survey:
    """What a look through the folders has found."""

    jobs: Plan
    longest_name: int
    ignores_case: bool
    found: int = 0
    total: int = 0
    closed: int = 0
    """Folders that cannot be read."""
    first: Path | None = None
    unwritable: dict[str, tuple[int, Path]] = field(default_factory=dict)
    """Suffix → how many pictures, and the first of them."""
    read: set[Identity] = field(default_factory=set)
    """Folders whose pictures are all sources."""
    written: dict[Identity, tuple[Path, Path]] = field(default_factory=dict)
    """Folders that are there already and will be written to → a source and its target."""
    places: dict[str, PurePosixPath] = field(default_factory=dict)

    def __post_init__(self) -> None:
        files = [path for path in self.jobs.sources.local if not os.path.isdir(path)]  # noqa: PTH112
        self.originals = {identity(path): path for path in files}
        self.with_originals = {identity(path.parent) for path in files}

    def add(self, folder: Folder) -> None:
        """Raises `UsageError` for what is wrong with it already."""
        if folder.closed is not None:
            self.closed += 1
            return
        place = self.jobs.place(folder)
        self.found += len(folder.names)
        if self.first is None:
            self.first = folder.picture(folder.names[0])
        if folder.whole and folder.identity is not None:
            self.read.add(folder.identity)
        self._require_free_way(place, folder)
        there = identity(self.jobs.destination / place)
        inner = set(folder.folders)
        for name, new in self.jobs.named(folder):
            if not self.jobs.names.can_write(name):
                self._add_unwritable(folder.picture(name))
                continue
            self.total += 1
            if there is not None and there not in self.written:
                self.written[there] = folder.picture(name), self.jobs.destination / place / new
            if new in inner:
                what = f"its translation would have the name of the folder {place / new}"
                raise UsageError(f"{folder.picture(name)}: {what}; rename one of them")
            if len(new) * 4 > self.longest_name:
                self._require_short(new, folder.picture(name))
            if there in self.with_originals:
                self._require_no_original(folder.picture(name), self.jobs.destination / place / new)
        if self.ignores_case:
            self._require_no_twins(folder, place)

    def settle(self, may_be_empty: bool) -> None:
        """Raises `UsageError` for what is wrong with all of it."""
        for suffix, (count, example) in self.unwritable.items():
            which = f"{example}" if count == 1 else f"{count} pictures, such as {example}"
            raise UsageError(f"{which}: cannot be written as {suffix}; say in which format, such as --format png")
        if self.found and not self.total and not may_be_empty:
            patterns = " ".join(f"--glob '{glob}'" for glob in self.jobs.globs)
            raise UsageError(f"{patterns}: fits no picture (found {self.found}, such as {self.first})")
        for folder, (source, target) in self.written.items():
            if folder in self.read:
                what = f"the translation of {source} would be written among the originals"
                raise UsageError(f"{target}: {what}; choose another --dst")

    def _add_unwritable(self, picture: Path) -> None:
        suffix = picture.suffix.lower()
        count, example = self.unwritable.get(suffix, (0, picture))
        self.unwritable[suffix] = count + 1, example

    def _require_no_original(self, source: Path, target: Path) -> None:
        if (real := identity(target)) is not None and (original := self.originals.get(real)) is not None:
            what = f"the translation of {source} would overwrite it"
            raise UsageError(f"{original}: {what}; choose another --dst, or a --suffix")

    def _require_free_way(self, place: PurePosixPath, folder: Folder) -> None:
        """No file may lie where a folder is to be made, and no folder's name be too long."""
        here = self.jobs.destination
        for part in place.parts:
            self._require_short(part, folder.picture(folder.names[0]))
            here /= part
            if os.path.lexists(here) and not os.path.isdir(here):  # noqa: PTH112
                what = f"translations of {folder.picture(folder.names[0]).parent} are to go into a folder of this name"
                raise UsageError(f"{here}: is no folder, and {what}; choose another --dst")

    def _require_short(self, name: str, source: Path) -> None:
        if (length := len(os.fsencode(name))) > self.longest_name:
            what = f"its translation would have a name of {length} bytes, the disk takes {self.longest_name}"
            raise UsageError(f"{source}: {what} ({name}); rename it")

    def _require_no_twins(self, folder: Folder, place: PurePosixPath) -> None:
        """No two names, of translations or folders, that the disk takes for one."""
        one = self.places.setdefault(folded(place.as_posix()), place)
        if one != place:
            self._refuse_twins([str(one), str(place)])
        names: dict[str, str] = {folded(name): name for name in folder.folders}
        for _, new in self.jobs.named(folder):
            one_name = names.setdefault(folded(new), new)
            if one_name != new:
                self._refuse_twins([str(place / one_name), str(place / new)])

    def _refuse_twins(self, names: Iterable[str]) -> None:
        where = f"upper and lower case are the same on the disk of {self.jobs.destination}"
        raise UsageError(f"{' and '.join(names)}: would be one, as {where}; rename one, or choose another --dst")


def _nearest(folder: Path) -> Path:
    """The folder itself or the nearest above it that is there."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 -- not what links lead to
    return next((place for place in (whole, *whole.parents) if os.path.isdir(place)), whole)  # noqa: PTH112


def _longest_name(folder: Path) -> int:
    """In bytes."""
    try:
        return os.pathconf(_nearest(folder), "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):
        return LONGEST_NAME
