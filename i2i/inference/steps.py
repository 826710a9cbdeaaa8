"""What translations look like on their way, written beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.errors import UsageError
from i2i.images.decode import to_image
from i2i.images.encode import write_picture
from i2i.inference.onlooker import Onlooker
from i2i.inference.pending import Todo
from i2i.inference.places import Job

if TYPE_CHECKING:
    from torch import Tensor


def steps_folders(jobs: Sequence[Job]) -> dict[Path, Path]:
    """The folder that each target's intermediate pictures go to: `photo-steps/` beside `photo.jpg`.

    Raises `UsageError` where two would share one, or where one is a folder of sources or of translations.
    """
    folders: dict[Path, Job] = {}
    for job in jobs:
        folder = job.target.with_name(f"{job.target.stem}-steps")
        if folder in folders:
            both = f"{folders[folder].source} and {job.source}"
            raise UsageError(f"{folder}: the steps of {both} would both be written there; translate them one by one")
        folders[folder] = job
    taken = {os.path.realpath(path.parent): path for job in jobs for path in (job.source, job.target)}
    for folder, job in folders.items():
        if (other := taken.get(os.path.realpath(folder))) is not None:
            raise UsageError(f"{other}: lies where the steps of {job.source} would be written; choose another --dst")
    return {job.target: folder for folder, job in folders.items()}


class StepsWriter(Onlooker):
    """Writes the pictures of every so-manieth iteration as `00020.png`; what it hears it hands on."""

    def __init__(self, folders: Mapping[Path, Path], every: int, listening: Onlooker) -> None:
        self.folders, self.every, self.listening = folders, every, listening
        self.seen = self.written = 0

    def reported(self, items: Sequence[Todo], fraction: float, scalars: Mapping[str, float]) -> None:
        """Hand it on."""
        self.listening.reported(items, fraction, scalars)

    def told(self, text: str) -> None:
        """Hand it on."""
        self.listening.told(text)

    def shown(self, items: Sequence[Todo], iteration: int, pictures: Sequence[Tensor]) -> None:
        """Write them, if it is their turn."""
        self.seen += 1
        if iteration % self.every:
            return
        for todo, picture in zip(items, pictures, strict=True):
            write_picture(to_image(picture), self.folders[todo.job.target] / f"{iteration:05d}.png")
            self.written += 1
