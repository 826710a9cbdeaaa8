"""Which mask belongs to which picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from i2i.errors import UsageError
from i2i.images.sources.listing import Listing, list_folder
from i2i.images.sources.walking import Folder, identity, walk

if TYPE_CHECKING:
    from i2i.inference.places import Job, Plan


@dataclass(frozen=True)
class Masks:
    """A mask for all pictures, or a folder of them, named and laid out as the pictures are; suffixes may differ."""

    path: Path

    def paired(self, jobs: Plan, folder: Folder) -> Iterator[Job]:
        """The jobs of a folder with their masks; a picture that has none, or several, is left out."""
        if folder.closed is not None:
            yield from jobs.jobs(folder)
            return
        masks_of = self._beside(jobs.place(folder))
        for job in jobs.jobs(folder):
            if len(found := masks_of(job)) == 1:
                yield replace(job, mask=found[0])

    def require(self, jobs: Plan) -> None:
        """Raise `UsageError` where there are no masks, not one for every picture, or where jobs would harm one."""
        folders = {folder.identity for folder in self._folders()}
        for folder in jobs.folders():
            if folder.closed is not None:
                continue
            place = jobs.place(folder)
            masks_of = self._beside(place)
            read_here = folder.identity is not None and folder.identity in folders
            written_here = identity(jobs.destination / place) in folders
            for job in jobs.jobs(folder):
                if read_here and self._has(job.source):
                    raise UsageError(f"{job.source}: is a mask, and in --src; keep masks in a folder of their own")
                if written_here and os.path.lexists(job.target) and self._has(job.target):
                    what = f"the translation of {job.source} would overwrite this mask"
                    raise UsageError(f"{job.target}: {what}; choose another --dst")
                if len(found := masks_of(job)) != 1:
                    key = (place / _stem(job)).as_posix()
                    what = " and ".join(map(str, found)) if found else f"no {key}.* in {self.path}"
                    raise UsageError(f"{job.source}: needs one mask of its name, found {what}")

    def _folders(self) -> Iterator[Folder]:
        """Those with masks. Raises `I2IError` for one that cannot be read."""
        for folder in walk([self.path]):
            if folder.closed is not None:
                folder.closed.open()
            yield folder

    def _beside(self, place: PurePosixPath) -> Callable[[Job], list[Path]]:
        """Finds the masks of jobs whose folder is `place` below what all sources have in common."""
        if os.path.isfile(self.path):  # noqa: PTH113 -- Path.is_file raises where a folder above is closed to the user
            return lambda job: [self.path]
        found: dict[str, list[Path]] = {}
        for name in _without_lost(list_folder(self.path / place)):
            found.setdefault(PurePosixPath(name).stem, []).append(self.path / place / name)
        return lambda job: found.get(_stem(job), [])

    def _has(self, path: Path) -> bool:
        """Whether a picture in one of the masks' folders is a mask."""
        return os.path.isdir(self.path) or identity(path) == identity(self.path)  # noqa: PTH112


def _without_lost(listing: Listing) -> list[str]:
    return [name for name in listing.pictures if name not in listing.lost]


def _stem(job: Job) -> str:
    return PurePosixPath(job.source.name).stem
