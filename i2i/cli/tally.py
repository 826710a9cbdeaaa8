"""What became of the files of a batch, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i2i.errors import BrokenPicture
from i2i.inference.files import Done
from i2i.inference.pending import Pending
from i2i.inference.places import Job


class Tally:
    """What became of files; grows with what is to be told of them, not with their number."""

    def __init__(self) -> None:
        self.number = 0
        self.broken: list[BrokenPicture] = []
        self.lost: dict[str, tuple[int, Path]] = {}

    def __len__(self) -> int:
        """How many are written."""
        return self.number

    def wrote(self, job: Job) -> None:
        """One more."""
        self.number += 1

    def add(self, done: Done) -> None:
        """What is to be told of it."""
        if done.broken is not None:
            self.broken.append(done.broken)
        for phrase in done.lost:
            count, example = self.lost.get(phrase, (0, done.job.target))
            self.lost[phrase] = count + 1, example

    @property
    def copied(self) -> int:
        """How many of them are the source itself, which had no hole to fill."""
        return sum(count for phrase, (count, _) in self.lost.items() if phrase.startswith("copied"))

    def remarks(self) -> Iterator[str]:
        """A line for each thing that was lost, and for each picture that failed."""
        for picture in self.broken:
            yield f"not translated: {picture}"
        for phrase, (count, example) in self.lost.items():
            yield f"{phrase}: {example if count == 1 else f'{count} pictures, such as {example}'}"

    def summary(self, destination: Path, pending: Pending, total: int) -> dict[str, Any]:
        """The same for programs."""
        return {
            "destination": str(destination),
            "pictures": total,
            "translated": len(self),
            "done_before": pending.done_before,
            "damaged": pending.damaged,
            "failed": [{"file": str(broken.path), "reason": broken.reason} for broken in self.broken],
            "lost": {phrase: count for phrase, (count, _) in self.lost.items()},
        }


def foretold(pending: Pending, destination: Path, total: int) -> dict[str, Any]:
    """What would be done, for programs; goes through `pending`."""
    todo = [
        {"source": str(todo.job.source), "target": str(todo.job.target), "refused": todo.refusal or None}
        for todo in pending
    ]
    return {"destination": str(destination), "pictures": total, "done_before": pending.done_before, "todo": todo}


def spelled(text: str) -> str:
    """One line; what a file's name could do to a terminal or to the lines is spelled out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
