"""Folders of files: which goes where, and the pictures written complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import to_image
from i2i.images.encode import write_picture
from i2i.images.folders import find_pictures

if TYPE_CHECKING:
    from i2i.inference.translator import Translated, Translator


@dataclass(frozen=True)
class Job:
    """One file to translate."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    job: Job
    broken: BrokenPicture | None


def plan(sources: Sequence[Path], destination: Path) -> list[Job]:
    """Every picture under `sources` with its place under `destination`: folders and names are kept.

    Raises `UsageError` for a missing or empty source, two sources that would write one file, or a file onto itself.
    """
    jobs: dict[Path, Job] = {}
    for source in sources:
        if source.resolve() == destination.resolve():
            raise UsageError(f"{destination}: --dst is the same folder as --src; the originals would be overwritten")
        root = source if source.is_dir() else source.parent
        for path in find_pictures(source, exclude=destination):
            target = destination / path.relative_to(root)
            if target.resolve() == path.resolve():
                raise UsageError(f"{path}: would be overwritten by its own translation; choose another --dst")
            if target in jobs and jobs[target].source.resolve() != path.resolve():
                raise UsageError(f"{target}: {jobs[target].source} and {path} would both be written there")
            jobs[target] = Job(path, target)
    return list(jobs.values())


def make_destination(destination: Path) -> None:
    """Make the folder and try to write into it. Raises `I2IError` where that fails."""
    try:
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=destination, prefix=".i2i-"):
            pass
    except OSError as error:
        raise I2IError(f"{destination}: cannot be written to: {os.strerror(error.errno or 0)}") from error


def translate_files(translator: Translator, jobs: Sequence[Job], batch: int, seed: int = 0) -> Iterator[Done]:
    """Translate and write every job; reading and writing overlap with the model."""
    from i2i.inference.pipeline import overlapped

    def write(translated: Translated[Job]) -> Done:
        if translated.picture is not None:
            write_picture(to_image(translated.picture), translated.item.target)
        return Done(translated.item, translated.broken)

    return overlapped(write, translator.stream(jobs, batch, seed, lambda job: job.source), ahead=2 * batch + 2)
