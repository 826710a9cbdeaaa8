"""A job of pictures that a client sent, through the same files, formats and tiles as `i2i translate`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i.errors import BrokenPicture, UsageError
from i2i.images.formats import WRITABLE, Encoding, known_suffix, suffix_for
from i2i.inference.files import Files
from i2i.inference.manifest import Manifest, settings_hash
from i2i.inference.onlooker import Onlooker
from i2i.inference.pending import Pending, Todo
from i2i.inference.places import Job as FileJob
from i2i.inference.places.naming import Names, Naming
from i2i.inference.translator import Translator
from i2i.serving.bounds import Bounds
from i2i.serving.jobs import Job, Piece
from i2i.serving.labels import split, told_apart
from i2i.serving.previews import ANSWER_PIXELS, SENT_PIXELS, can_be_shown
from i2i.serving.settings import TranslateSettings


class Abandoned(BaseException):
    """Nobody wants the job any more. No `Exception`: as with an interruption, no model's own handling is to stop it."""


def pieces_of(job: Job, labels: Sequence[str], settings: TranslateSettings) -> list[Piece]:
    """The pictures of a job, in the order they came; `labels` are what they are called.

    Raises `UsageError` where the format cannot be written here.
    """
    chosen = "" if settings.format == "same" else known_suffix(suffix_for(settings.format))
    names = Names(Naming(format=settings.format), _writable(), chosen)
    apart = told_apart(labels)
    asked = [label if names.can_write(label) else f"{label}.png" for label in apart]
    answers = told_apart(list(names.of(asked, ()).values()))
    out = job.folder / "out"
    return [
        Piece(number, name, label, out / f"{number:05d}{split(name)[1].lower()}")
        for number, (label, name) in enumerate(zip(labels, answers, strict=True))
    ]


@dataclass(frozen=True)
class Listening(Onlooker):
    """Tells a job how its pictures come along, and ends the work on them when nobody wants it any more."""

    job: Job
    pieces: Mapping[str, Piece]
    sees = False

    def reported(self, items: Sequence[Todo], fraction: float, scalars: Mapping[str, float]) -> None:
        """Those pictures are that far."""
        if self.job.is_unwanted:
            raise Abandoned
        for todo in items:
            piece = self.pieces[todo.job.name]
            piece.state, piece.fraction = "working", min(1.0, max(0.0, float(fraction)))

    def told(self, text: str) -> None:
        """Once each."""
        self.job.told(text)


def translate(
    job: Job, translator: Translator, bounds: Bounds, grew: Callable[[int], object], words: Callable[[str], str]
) -> None:
    """Translate all of a job's pictures; `grew` is told of bytes that were written, `words` makes texts presentable.

    Raises `Abandoned` where it was cancelled, `I2IError` where nothing can be written.
    """
    settings = job.settings
    assert isinstance(settings, TranslateSettings)
    pieces = {piece.name: piece for piece in job.pieces}
    if any(piece.mask is not None for piece in job.pieces):
        translator.require_filling("masks")
    out = job.folder / "out"
    decided = {**translator.settings, "seed": settings.seed, "format": settings.format, "quality": settings.quality}

    def written(done: FileJob) -> None:
        piece = pieces[done.name]
        piece.is_shown = can_be_shown(done.target, bounds.answers(), ANSWER_PIXELS)
        piece.is_source_shown = can_be_shown(done.source, bounds.limits(), SENT_PIXELS)
        piece.state, piece.fraction = "done", 1.0

    with Manifest.open(out, settings_hash(decided)) as manifest:
        files = Files(translator, manifest, Encoding(settings.quality), None, settings.seed, "all")
        todos = _wanted(Pending([_file_job(piece) for piece in job.pieces], manifest), job)
        with closing(files.translated(todos, written, Listening(job, pieces))) as results:
            for done in results:
                piece = pieces[done.job.name]
                piece.lost = [words(phrase) for phrase in done.lost]
                if done.broken is not None:
                    piece.state, piece.error = "failed", words(_reason(done.broken, piece))
                else:
                    grew(_size(piece.target))
                if job.is_unwanted:
                    raise Abandoned
    if job.is_unwanted:
        raise Abandoned


def _reason(broken: BrokenPicture, piece: Piece) -> str:
    """Why a picture could not be translated, be it for its mask."""
    return f"{piece.mask_label}: {broken.reason}" if broken.path == piece.mask else broken.reason


def _file_job(piece: Piece) -> FileJob:
    assert piece.source is not None
    return FileJob(piece.source, piece.target, piece.name, piece.mask)


def _wanted(todos: Iterable[Todo], job: Job) -> Iterator[Todo]:
    for todo in todos:
        if job.is_unwanted:
            return
        yield todo


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _writable() -> dict[str, Any]:
    """Suffix → format, without those that need a package which is not installed."""
    found = {}
    for suffix, name in WRITABLE.items():
        with suppress(UsageError):
            found[known_suffix(suffix)] = name
    return found
