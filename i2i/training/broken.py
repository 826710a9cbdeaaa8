"""Pictures that cannot be read: each is named once, and there may be no more than so many."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from i2i.errors import BrokenPicture, I2IError
from i2i.training.logbook import Logbook

LISTED = 5


class Broken:
    """The pictures that a run has left out."""

    def __init__(self, logbook: Logbook, most: int | None = None) -> None:
        self.logbook, self.most = logbook, most
        self.pictures: dict[Path, BrokenPicture] = {}

    def note(self, pictures: Iterable[BrokenPicture]) -> None:
        """Name those that are new. Raises `I2IError` when there are more than `most`."""
        for picture in pictures:
            if picture.path not in self.pictures:
                self.pictures[picture.path] = picture
                self.logbook.leave_out(f"skipped: {picture}")
        if self.most is not None and len(self.pictures) > self.most:
            raise I2IError(
                f"pictures that cannot be read: {len(self.pictures)}, more than run.max_bad={self.most}; mend them, or "
                "allow more, for a run that goes on in its recipe.yaml"
            )

    def sum_up(self) -> None:
        """Say how many there were, and the first of them."""
        if not self.pictures:
            return
        names = [str(path) for path in self.pictures]
        more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
        self.logbook.sum_up_left_out(f"pictures left out: {len(names)} ({', '.join(names[:LISTED])}{more})")
