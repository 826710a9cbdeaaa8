"""Folders of files: which goes where, and the pictures written complete or not at all."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import to_image, without_frames
from i2i.images.encode import INEXACT, write_copy, write_picture, write_whole
from i2i.images.folders import find_pictures
from i2i.images.names import fits, key_of
from i2i.images.whole import Whole
from i2i.inference.onlooker import Onlooker

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.inference.translator import Translated, Translator


@dataclass(frozen=True)
class Job:
    """One file to translate."""

    source: Path
    target: Path
    mask: Path | None = None
    """The picture that shows what of the source is to be made anew."""


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    job: Job
    broken: BrokenPicture | None
    """Why there is no translation: the source cannot be read, or its translation cannot be encoded."""
    lost: Sequence[str] = ()
    """What the source has and the translation's format does not hold, and what else is worth telling: a phrase each."""


def plan(sources: Sequence[Path], destination: Path, globs: Sequence[str] = ()) -> list[Job]:
    """Every picture under `sources` with its place under `destination`: folders and names are kept.

    With `globs` only those are taken that fit one of these shell patterns by their name or, where the pattern has a
    slash, by their path below the source (`**`: any folders).
    Raises `UsageError` for a missing or empty source, patterns that nothing fits, a destination that is a file, two
    sources for one target, or a target that is itself a source.
    """
    if os.path.isfile(destination):  # noqa: PTH113 -- Path.is_file raises where a folder above is closed to the user
        raise UsageError(f"{destination}: is a file; --dst is a folder to write to")
    jobs: dict[Path, Job] = {}
    found: list[Path] = []
    for source in sources:
        if _real(source) == _real(destination):
            raise UsageError(f"{destination}: --dst is the same folder as --src; the originals would be overwritten")
        root = source if source.is_dir() else source.parent
        pictures = find_pictures(source, exclude=destination)
        found += pictures
        for path in pictures:
            if globs and not any(fits(path.relative_to(root), glob) for glob in globs):
                continue
            target = destination / path.relative_to(root)
            if target in jobs and _real(jobs[target].source) != _real(path):
                raise UsageError(f"{target}: {jobs[target].source} and {path} would both be written there")
            jobs[target] = Job(path, target)
    if found and not jobs:
        patterns = " ".join(f"--glob '{glob}'" for glob in globs)
        raise UsageError(f"{patterns}: fits no picture (found {len(found)}, such as {found[0]})")
    originals = {_real(path): path for path in found}
    for job in jobs.values():
        if (original := originals.get(_real(job.target))) is not None:
            raise UsageError(f"{original}: the translation of {job.source} would overwrite it; choose another --dst")
    return list(jobs.values())


def with_masks(jobs: Sequence[Job], masks: Path, destination: Path) -> list[Job]:
    """The jobs with the mask that is for all of them, or with those of their names in the folder `masks`.

    Suffixes may differ. Raises `UsageError` where there is no such file or folder, where a picture has no mask or
    several, where a mask is among the pictures, and where a translation would overwrite one.
    """
    pictures = find_pictures(masks)
    _keep_apart(jobs, {_real(path): path for path in pictures})
    if masks.is_file():
        return [replace(job, mask=masks) for job in jobs]
    found: dict[str, list[Path]] = {}
    for path in pictures:
        found.setdefault(key_of(path.relative_to(masks)), []).append(path)
    paired = []
    for job in jobs:
        key = key_of(job.target.relative_to(destination))
        if len(fitting := found.get(key, [])) != 1:
            what = " and ".join(map(str, fitting)) if fitting else f"no {key}.* in {masks}"
            raise UsageError(f"{job.source}: needs one mask of its name, found {what}")
        paired.append(replace(job, mask=fitting[0]))
    return paired


def _keep_apart(jobs: Sequence[Job], masks: Mapping[str, Path]) -> None:
    """Raise `UsageError` where a mask, by its real path, is to be translated or written over."""
    for job in jobs:
        if (mask := masks.get(_real(job.source))) is not None:
            raise UsageError(f"{mask}: is a mask, and in --src; keep masks in a folder of their own")
        if (mask := masks.get(_real(job.target))) is not None:
            raise UsageError(f"{mask}: the translation of {job.source} would overwrite this mask; choose another --dst")


def _real(path: Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises at a link that leads to itself


def make_destination(destination: Path) -> None:
    """Make the folder and try to write into it. Raises `I2IError` where that fails."""
    try:
        destination.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=destination, prefix=".i2i-"):
            pass
    except OSError as error:
        raise I2IError(f"{destination}: cannot be written to: {error.strerror or error}") from error


def translate_files(
    translator: Translator,
    jobs: Sequence[Job],
    batch: int,
    seed: int = 0,
    written: Callable[[Job], object] = lambda job: None,
    onlooker: Onlooker | None = None,
    background: str = "white",
) -> Generator[Done]:
    """Translate and write every job; reading and writing overlap with the model.

    Transparency that a target's format cannot hold is laid over `background`.
    `written` is told of every finished file, by the thread that wrote it; closing the iterator waits for those.
    `onlooker` learns how a batch of jobs comes along. Raises `I2IError` where the destination cannot be written to.
    """
    from i2i.inference.pipeline import overlapped

    def write(translated: Translated[Job]) -> Done:
        if translated.picture is None:
            return Done(translated.item, translated.broken)
        if translated.untouched:
            write_copy(translated.item.source, translated.item.target)
            written(translated.item)
            return Done(translated.item, None, ["copied, as nothing of it is transparent or masked"])
        try:
            lost = write_whole(Whole(translated.picture, translated.levels), translated.item.target, background)
        except BrokenPicture as broken:
            return Done(translated.item, without_frames(broken))
        if translator.geometry.fills and translated.item.target.suffix.lower() in INEXACT:
            lost.append("known pixels changed too, as this file format is not exact (PNG is)")
        written(translated.item)
        return Done(translated.item, None, lost)

    translations = translator.stream(jobs, batch, seed, lambda job: job.source, onlooker, mask_of=lambda job: job.mask)
    return overlapped(write, translations, ahead=2 * batch + 2)


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
    taken = {_real(path.parent): path for job in jobs for path in (job.source, job.target)}
    for folder, job in folders.items():
        if (other := taken.get(_real(folder))) is not None:
            raise UsageError(f"{other}: lies where the steps of {job.source} would be written; choose another --dst")
    return {job.target: folder for folder, job in folders.items()}


class StepsWriter(Onlooker):
    """Writes the pictures of every so-manieth iteration as `00020.png`; what it hears it hands on."""

    def __init__(self, folders: Mapping[Path, Path], every: int, listening: Onlooker) -> None:
        self.folders, self.every, self.listening = folders, every, listening
        self.seen = self.written = 0

    def reported(self, items: Sequence[Job], fraction: float, scalars: Mapping[str, float]) -> None:
        """Hand it on."""
        self.listening.reported(items, fraction, scalars)

    def shown(self, items: Sequence[Job], iteration: int, pictures: Sequence[Tensor]) -> None:
        """Write them, if it is their turn."""
        self.seen += 1
        if iteration % self.every:
            return
        for job, picture in zip(items, pictures, strict=True):
            write_picture(to_image(picture), self.folders[job.target] / f"{iteration:05d}.png")
            self.written += 1


def write_numbered(
    pictures: Iterable[Translated[int]],
    destination: Path,
    total: int,
    batch: int,
    written: Callable[[int], object] = lambda number: None,
) -> Generator[Image.Image]:
    """Write pictures as `00000.png` and so on; each comes back once it is written, in order.

    Writing overlaps with the model, of which `batch` come at once.
    `written` and closing as for `translate_files`. Raises `I2IError` where the destination cannot be written to.
    """
    from i2i.inference.pipeline import overlapped

    def write(made: Translated[int]) -> Image.Image:
        assert made.picture is not None  # only what is read from a file can be broken
        image = to_image(made.picture)
        write_picture(image, destination / _numbered_name(made.item, total))
        written(made.item)
        return image

    return overlapped(write, pictures, ahead=2 * batch + 2)


def numbered_before(destination: Path, total: int) -> int:
    """How many numbered pictures are in the folder besides the `total` that `write_numbered` writes."""
    stems = [path.stem for path in destination.glob("*.png") if re.fullmatch("[0-9]{5,}", path.stem)]
    return sum(int(stem) >= total or _numbered_name(int(stem), total) != f"{stem}.png" for stem in stems)


def _numbered_name(number: int, total: int) -> str:
    """Names are as long as the last of `total` needs, and sort by their number."""
    digits = max(5, len(str(total - 1)))
    return f"{number:0{digits}d}.png"
