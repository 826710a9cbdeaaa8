"""Folders of files: what is still to be done of a plan, translated and written complete or not at all."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import without_frames
from i2i.images.encode import write_copy, write_whole
from i2i.images.formats import INEXACT, Encoding, require_fitting
from i2i.images.frames import open_frames, write_frames
from i2i.images.limits import Header
from i2i.images.strips import write_rows
from i2i.inference.manifest import Manifest
from i2i.inference.onlooker import Nobody, Onlooker
from i2i.inference.pending import Todo
from i2i.inference.places import Job

if TYPE_CHECKING:
    from i2i.images.whole import Whole
    from i2i.inference.computation import Computation
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
class OfFrames(Onlooker):
    """Tells an onlooker how far all frames of a file are; how one comes along is not shown."""

    onlooker: Onlooker
    todo: Todo
    frames: int
    sees = False

    def reported(self, items: Sequence[int], fraction: float, scalars: Mapping[str, float]) -> None:
        """The frame of this number is that far."""
        self.onlooker.reported([self.todo], (items[0] + min(1.0, max(0.0, fraction))) / self.frames, scalars)

    def told(self, text: str) -> None:
        """Hand it on."""
        self.onlooker.told(text)


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
        `onlooker` learns how a batch comes along, and the frames of an animation. Raises `I2IError` where the
        destination cannot be written to.
        """
        from i2i.inference.pipeline import overlapped

        def finish(translated: Translated[Todo] | Done) -> Done:
            done = translated if isinstance(translated, Done) else self._written(translated)
            if done.broken is None:
                written(done.job)
            return done

        computation, ahead, onlooker = self._computation, 2 * (self.batch or 1) + 2, onlooker or Nobody()
        computation.tell = onlooker.told
        subjects = (self._subject(todo) for todo in todos)
        translations = self.translator.stream(subjects, self.batch, self.seed, onlooker, computation)
        with closing(translations):
            results = self._with_bands_written(translations, onlooker)
            yield from overlapped(finish, results, ahead, _weight, most=computation.waiting_bytes)

    def _with_bands_written(
        self, translations: Iterable[Translated[Todo]], onlooker: Onlooker
    ) -> Iterator[Translated[Todo] | Done]:
        """Those that the model has yet to work on, which it does in one thread, are written at once."""
        for each in translations:
            yield self._written(each, onlooker) if _is_made_while_written(each) else each
            del each  # before the next is waited for

    @cached_property
    def _computation(self) -> Computation:
        """One for all files and their frames, as it learns what fits into memory."""
        return self.translator.computation()

    def _subject(self, todo: Todo) -> Subject[Todo]:
        from i2i.inference.opening import Subject

        def examine(header: Header) -> None:
            if todo.refusal:
                raise BrokenPicture(todo.job.target, todo.refusal)
            scale = self.translator.geometry.scale
            require_fitting(todo.job.target, header.width * scale, header.height * scale)

        job = todo.job
        return Subject(todo, job.source, job.mask, job.name, examine, every_frame=self.frames == "all")

    def _written(self, translated: Translated[Todo], onlooker: Onlooker | None = None) -> Done:
        """Write it, or say why not; `onlooker` learns how its frames come along."""
        todo = translated.item

        def before_rename(draft: Path) -> None:
            self.manifest.about_to_appear(todo.job, draft, todo.seen, time.monotonic() - todo.began, todo.force)

        try:
            if translated.broken is not None:
                raise translated.broken
            return Done(todo.job, None, self._write(translated, before_rename, onlooker or Nobody()))
        except I2IError as failure:
            broken = _of_this_picture(failure, todo.job)
            if not todo.refusal:
                self.manifest.failed(todo.job, broken.reason, todo.seen)
            return Done(todo.job, without_frames(broken))

    def _write(
        self, translated: Translated[Todo], before_rename: Callable[[Path], None], onlooker: Onlooker
    ) -> list[str]:
        """What was lost, a phrase each."""
        from i2i.inference.tiled import Bands

        job = translated.item.job
        if translated.frames > 1:
            return self._write_frames(job, before_rename, OfFrames(onlooker, translated.item, translated.frames))
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

    def _write_frames(self, job: Job, before_rename: Callable[[Path], None], onlooker: OfFrames) -> list[str]:
        from i2i.inference.opening import Subject

        translator = self.translator
        colours = "as-stored" if translator.geometry.fills else translator.colours
        with open_frames(job.source, colours, translator.limits) as (frames, wholes):
            subjects = (Subject(number, whole, job.mask, job.name) for number, whole in enumerate(wholes))
            answers = translator.one_by_one(subjects, self.seed, self._computation, onlooker)
            with closing(answers):
                pictures = (_frame(job, answer, onlooker) for answer in answers)
                return write_frames(pictures, frames, job.target, self.encoding, before_rename)


def _of_this_picture(failure: I2IError, job: Job) -> BrokenPicture:
    """The same, where other pictures may well be written; else it is raised."""
    if isinstance(failure, BrokenPicture):
        unwritten = failure.path == job.target and failure.reason.startswith("cannot be written")
        return BrokenPicture(job.source, failure.reason) if unwritten else failure
    cause = failure.__cause__
    if isinstance(cause, OSError) and cause.errno in OF_ONE_PLACE:
        return BrokenPicture(job.source, str(failure))
    if isinstance(cause, OSError) or isinstance(failure, UsageError):
        raise failure
    return BrokenPicture(job.source, str(failure))  # a tile further down failed; all before it is thrown away


def _frame(job: Job, answer: Translated[int], onlooker: OfFrames) -> Whole:
    if answer.broken is not None:
        raise BrokenPicture(job.source, f"frame {answer.index + 1}: {answer.broken.reason}")
    whole = answer.whole
    onlooker.reported([answer.index], 1.0, {})  # be it that the model says nothing
    return whole


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
