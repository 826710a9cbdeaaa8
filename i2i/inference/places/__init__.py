"""Which file goes where, settled before any work: nothing is overwritten, and no two translations meet."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import cast

from i2i.errors import I2IError, UsageError
from i2i.images.formats import WRITABLE, known_suffix, suffix_for
from i2i.images.names import fits
from i2i.images.sources import Sources
from i2i.images.sources.archives import is_archive
from i2i.images.sources.listing import kind_of
from i2i.images.sources.remote import url_of
from i2i.images.sources.walking import Address, Folder
from i2i.inference.places.conflicts import checked
from i2i.inference.places.masks import Masks
from i2i.inference.places.naming import Names, Naming

__all__ = ["Job", "Naming", "Plan", "make_destination", "plan", "tar_of", "with_masks"]


@dataclass(frozen=True)
class Job:
    """One file to translate."""

    source: Path
    """Or an `Entry`, of an archive or behind a URL, which is read as a path is."""
    target: Path
    name: str
    """The target's path below the destination, with slashes: what the job is known by, wherever the folders lie."""
    mask: Path | None = None
    """The picture that shows what of the source is to be made anew."""


@dataclass(frozen=True)
class Plan:
    """The jobs of one command, folder by folder, in an order that never varies.

    They can be gone through again and again; each time the folders are read anew, and one folder's names are held. What
    has arrived since the plan was made is among the jobs, unless it would have kept the plan from being made.
    """

    sources: Sources
    destination: Path
    names: Names
    base: Address
    """The folder below which the tree is kept: the deepest that holds all sources."""
    globs: Sequence[str] = ()
    masks: Masks | None = None
    total: int = 0

    def __iter__(self) -> Iterator[Job]:
        for folder in self.folders():
            yield from self.jobs(folder) if self.masks is None else self.masks.paired(self, folder)

    def count(self) -> int:
        """How many jobs there were when the plan was made."""
        return self.total

    def folders(self) -> Iterator[Folder]:
        """What is read."""
        return self.sources.folders(exclude=self.destination, may_be_empty=True)

    def jobs(self, folder: Folder) -> Iterator[Job]:
        """Those of one folder whose translations can be written, without masks; names do not depend on the patterns.

        A folder that cannot be read is one itself, whatever the patterns: it fails, and tells why.
        """
        place = self.place(folder)
        if folder.closed is not None:
            yield Job(cast("Path", folder.closed), self.destination / place, place.as_posix())
        for name, new in self.named(folder):
            if self.names.can_write(name):
                yield Job(folder.picture(name), self.destination / place / new, (place / new).as_posix())

    def named(self, folder: Folder) -> Iterator[tuple[str, str]]:
        """The names of those of a folder's pictures that are asked for, and of their translations."""
        for name, new in self.names.of(folder.names, folder.folders).items():
            if not self.globs or any(fits(Path(folder.below / name), glob) for glob in self.globs):
                yield name, new

    def place(self, folder: Folder) -> PurePosixPath:
        """Where the translations of a folder's pictures go, below the destination."""
        return PurePosixPath(*folder.address[len(self.base) :])


def plan(
    sources: Sequence[str | Path],
    destination: Path,
    globs: Sequence[str] = (),
    naming: Naming = Naming(),  # noqa: B008 -- frozen
    may_be_empty: bool = False,
    writable: Mapping[str, str] | None = None,
) -> Plan:
    """Every picture in `sources` with its place under `destination`.

    `sources` are folders, files, .tar and .zip archives and URLs of these; `{000..003}` in one is a range of numbers.
    The tree below what all of them have in common is kept: of a lone folder what is in it; of several folders also
    their own names, so that x.jpg of one never meets x.jpg of the other. An archive counts as a folder. `naming`
    changes names as `Names.of` says. With `globs` only those are taken that fit one of these shell patterns by their
    name or, where the pattern has a slash, by their path below the source (`**`: any folders).

    `writable` maps suffixes to the formats that can be written; without it, those of `i2i.images.formats`.
    Everything is looked through once before any work. Raises `UsageError` for a missing source, one without pictures
    unless it `may_be_empty`, patterns that nothing fits, pictures whose format cannot be written, a destination that is
    no folder or one of the sources, and translations that would overwrite a source or one another; `I2IError` for what
    cannot be read.
    """
    require_folder(destination)
    found = Sources.of(sources)
    made = Plan(found, destination, _names(naming, writable), found.common(), tuple(globs))
    return replace(made, total=checked(made, may_be_empty))


def with_masks(jobs: Plan, masks: Path) -> Plan:
    """The plan with the mask that is for all pictures, or with those of their names in the folder `masks`.

    Suffixes may differ. Raises `UsageError` where there is no such file or folder, where a picture has no mask or
    several, where a mask is among the pictures, and where a translation would overwrite one.
    """
    found = Masks(masks)
    found.require(jobs)
    return replace(jobs, masks=found)


def make_destination(destination: Path) -> None:
    """Make the folder and try to write into it. Raises `I2IError` where that fails."""
    try:
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=destination, prefix=".i2i-"):
            pass
    except OSError as error:
        raise I2IError(f"{destination}: cannot be written to: {error.strerror or error}") from error


def tar_of(destination: Path) -> Path | None:
    """The archive that is asked for by a destination such as `out.tar`, unless it is a folder; else None.

    Translations are gathered in the folder `out.tar.parts`, which stays. Raises `UsageError` where the archive is
    already there, and for archives of other kinds.
    """
    if os.path.isdir(destination) or not is_archive(destination.name):  # noqa: PTH112
        return None
    if destination.suffix.lower() != ".tar":
        raise UsageError(f"{destination}: --dst is a folder to write to, or a .tar")
    if os.path.lexists(destination):
        raise UsageError(f"{destination}: is there already; delete it or choose another --dst")
    return destination


def parts_of(archive: Path) -> Path:
    """The folder that an archive is packed from."""
    return archive.with_name(f"{archive.name}.parts")


def require_folder(destination: Path) -> None:
    """Raise `UsageError` for a destination that is a file, a URL or nothing that can become a folder."""
    if (url := url_of(destination)) is not None:
        raise UsageError(f"{url}: --dst is a folder of this machine; translate into one and copy it there")
    if os.path.isfile(destination):  # noqa: PTH113 -- Path.is_file raises where a folder above is closed to the user
        raise UsageError(f"{destination}: is a file; --dst is a folder to write to")
    if os.path.lexists(destination) and not os.path.isdir(destination):  # noqa: PTH112
        raise UsageError(f"{destination}: {kind_of(destination)}; --dst is a folder to write to")


def _names(naming: Naming, writable: Mapping[str, str] | None) -> Names:
    known = _writable() if writable is None else writable
    chosen = "" if naming.format in (None, "same") else suffix_for(str(naming.format))
    if chosen and chosen not in known:
        raise UsageError(f"--format {naming.format}: cannot be written here (one of {', '.join(sorted(known))} can)")
    return Names(naming, known, chosen)


def _writable() -> dict[str, str]:
    """Without the formats that need a package which is not installed."""
    found = {}
    for suffix, name in WRITABLE.items():
        with suppress(UsageError):
            found[known_suffix(suffix)] = name
    return found
