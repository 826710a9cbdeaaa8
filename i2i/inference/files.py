"""Folders of files: what is still to be done of a plan, translated and written complete or not at all."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import open_picture, to_image, without_frames
from i2i.images.drafts import sweep
from i2i.images.encode import write_copy, write_picture, write_whole
from i2i.images.formats import INEXACT, Encoding, require_fitting
from i2i.images.frames import open_frames, write_frames
from i2i.images.limits import Header
from i2i.images.strips import write_rows
from i2i.inference.manifest import EDITED, Manifest, Seen
from i2i.inference.onlooker import Onlooker
from i2i.inference.places import Job

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.images.whole import Whole
    from i2i.inference.opening import Subject
    from i2i.inference.translator import Translated, Translator

FramesAsked = Literal["all", "first"]
OF_ONE_PLACE = frozenset({errno.EACCES, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EPERM})
"""Why a file cannot be written where others can."""


@dataclass(frozen=True)
class Done:
    """What became of a job."""

    job: Job
    broken: BrokenPicture | None
    """Why there is no translation: the source cannot be read, its translation cannot be encoded, or something else
    lies where it is to go."""
    lost: Sequence[str] = ()
    """What the source has and the translation's format does not hold, and what else is worth telling: a phrase each."""


@dataclass(frozen=True)
class Todo:
    """A job that is to be done."""

    job: Job
    seen: Seen
    began: float
    force: bool = False
    """Whether what lies in its place may be replaced, whosever it is."""
    refusal: str = ""
    """Why it is not to be done after all."""


class Pending:
    """What of the jobs is still to be done, found out while it is asked for; counts the others.

    With `verify` what was done is compared with its hashes, with `force` everything is done anew. `is_mine` says which
    jobs are this process's, `wait_for` which are not to be touched yet.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        manifest: Manifest,
        *,
        verify: bool = False,
        force: bool = False,
        is_mine: Callable[[str], bool] = lambda name: True,
        wait_for: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        self.jobs, self.manifest = jobs, manifest
        self.verify, self.force = verify, force
        self.is_mine, self.wait_for = is_mine, wait_for
        self.done_before = self.damaged = 0

    def __iter__(self) -> Iterator[Todo]:
        folder: Path | None = None
        for job in self.jobs:
            if not self.is_mine(job.name) or self.wait_for(job):
                continue
            if self.manifest.write and job.target.parent != folder:
                sweep(folder := job.target.parent)  # what was being written when a run was killed
            began = time.monotonic()
            finding = self.manifest.examine(job)
            if finding.state == "done" and not self.force:
                if not self.verify or self.manifest.damaged(job) is None:
                    self.done_before += 1
                    continue
                self.damaged += 1
            force = self.force
            if self.verify and finding.remark == EDITED and not _is_picture(job.target):
                force = True  # ours, and nobody made it what it is now
                self.damaged += 1
            refused = finding.state == "foreign" and not force
            yield Todo(job, finding.seen, began, force, finding.remark if refused else "")


@dataclass(frozen=True)
class Files:
    """How files are translated: by what, in batches of how many, and how the answers are written."""

    translator: Translator
    manifest: Manifest
    encoding: Encoding = Encoding()  # noqa: RUF009 -- frozen
    batch: int | None = 1
    seed: int = 0
    frames: FramesAsked = "all"

    def translated(
        self,
        todos: Iterable[Todo],
        written: Callable[[Job], object] = lambda job: None,
        onlooker: Onlooker | None = None,
    ) -> Generator[Done]:
        """Translate and write every one; reading and writing overlap with the model.

        `written` is told of every finished file, by the thread that wrote it; closing the iterator waits for those.
        `onlooker` learns how a batch comes along. Raises `I2IError` where the destination cannot be written to.
        """
        from i2i.inference.pipeline import overlapped

        def finish(translated: Translated[Todo] | Done) -> Done:
            done = translated if isinstance(translated, Done) else self._written(translated)
            if done.broken is None:
                written(done.job)
            return done

        translations = self.translator.stream((self._subject(todo) for todo in todos), self.batch, self.seed, onlooker)
        here = (self._written(each) if _is_made_while_written(each) else each for each in translations)
        with closing(translations):
            yield from overlapped(finish, here, ahead=2 * (self.batch or 1) + 2, weigh=_weight)

    def _subject(self, todo: Todo) -> Subject[Todo]:
        from i2i.inference.opening import Subject

        def examine(header: Header) -> None:
            if todo.refusal:
                raise BrokenPicture(todo.job.target, todo.refusal)
            scale = self.translator.geometry.scale
            require_fitting(todo.job.target, header.width * scale, header.height * scale)

        job = todo.job
        return Subject(todo, job.source, job.mask, job.name, examine, every_frame=self.frames == "all")

    def _written(self, translated: Translated[Todo]) -> Done:
        """Write it, or say why not."""
        todo = translated.item

        def before_rename(draft: Path) -> None:
            self.manifest.about_to_appear(todo.job, draft, todo.seen, time.monotonic() - todo.began, todo.force)

        try:
            if translated.broken is not None:
                raise translated.broken
            return Done(todo.job, None, self._write(translated, before_rename))
        except I2IError as failure:
            broken = _of_this_picture(failure, todo.job)
            if not todo.refusal:
                self.manifest.failed(todo.job, broken.reason, todo.seen)
            return Done(todo.job, without_frames(broken))

    def _write(self, translated: Translated[Todo], before_rename: Callable[[Path], None]) -> list[str]:
        """What was lost, a phrase each."""
        from i2i.inference.tiled import Bands

        job = translated.item.job
        if translated.frames > 1:
            return self._write_frames(job, before_rename)
        if translated.untouched and self.frames == "all" and job.target.suffix.lower() == job.source.suffix.lower():
            write_copy(job.source, job.target, before_rename)
            return ["copied, as nothing of it is transparent or masked"]
        if isinstance(translated.picture, Bands):
            kind, rows = translated.kind, translated.picture.rows
            lost = write_rows(rows, translated.picture.size, kind, job.target, self.encoding, before_rename)
        else:
            lost = write_whole(translated.whole, job.target, self.encoding, before_rename)
        if self.translator.geometry.fills and job.target.suffix.lower() in INEXACT:
            lost.append("known pixels changed too, as this file format is not exact (PNG is)")
        return lost

    def _write_frames(self, job: Job, before_rename: Callable[[Path], None]) -> list[str]:
        from i2i.inference.opening import Subject

        translator = self.translator
        colours = "as-stored" if translator.geometry.fills else translator.colours
        with open_frames(job.source, colours, translator.limits) as (frames, wholes):
            subjects = (Subject(number, whole, job.mask, job.name) for number, whole in enumerate(wholes))
            answers = translator.stream(subjects, batch=1, seed=self.seed)  # one at a time they come in their order
            with closing(answers):
                pictures = (_frame(job, answer) for answer in answers)
                return write_frames(pictures, frames, job.target, self.encoding, before_rename)


def _of_this_picture(failure: I2IError, job: Job) -> BrokenPicture:
    """The same, where other pictures may well be written; else it is raised."""
    if isinstance(failure, BrokenPicture):
        return failure
    cause = failure.__cause__
    if isinstance(cause, OSError) and cause.errno in OF_ONE_PLACE:
        return BrokenPicture(job.target, str(failure).removeprefix(f"{job.target}: "))
    if isinstance(cause, OSError) or isinstance(failure, UsageError):
        raise failure
    return BrokenPicture(job.source, str(failure))  # a tile further down failed; all before it is thrown away


def _is_picture(path: Path) -> bool:
    try:
        open_picture(path)
    except BrokenPicture:
        return False
    return True


def _frame(job: Job, answer: Translated[int]) -> Whole:
    if answer.broken is not None:
        raise BrokenPicture(job.source, f"frame {answer.index + 1}: {answer.broken.reason}")
    return answer.whole


def _is_made_while_written(translated: Translated[Todo]) -> bool:
    """Whether the model has yet to work on it, which it does in one thread."""
    from i2i.inference.tiled import Bands

    return translated.frames > 1 or isinstance(translated.picture, Bands)


def _weight(translated: Translated[Todo] | Done) -> int:
    """Bytes that wait to be encoded."""
    from torch import Tensor

    if isinstance(translated, Done) or not isinstance(translated.picture, Tensor):
        return 0
    return translated.picture.numel() * translated.picture.element_size()


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


def write_numbered(
    pictures: Iterable[Translated[int]],
    destination: Path,
    total: int,
    batch: int,
    written: Callable[[int], object] = lambda number: None,
) -> Generator[Image.Image]:
    """Write pictures as `00000.png` and so on; each comes back once it is written, in order.

    Writing overlaps with the model, of which `batch` come at once.
    `written` and closing as for `Files.translated`. Raises `I2IError` where the destination cannot be written to.
    """
    from i2i.inference.pipeline import overlapped

    def write(made: Translated[int]) -> Image.Image:
        image = made.whole.image()
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
