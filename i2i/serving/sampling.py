"""A job of pictures that are made out of nothing, or of a walk through them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain

from PIL import Image

from i2i.errors import UsageError
from i2i.images.encode import write_animation
from i2i.inference.numbered import write_numbered
from i2i.inference.translator import Translated, Translator
from i2i.serving.jobs import Job, Piece
from i2i.serving.settings import SampleSettings
from i2i.serving.translating import Abandoned

BATCH = 8


def pieces_to_make(job: Job, settings: SampleSettings) -> list[Piece]:
    """The pictures of a job, named as `write_numbered` names them."""
    digits = max(5, len(str(settings.total - 1)))
    names = [f"{number:0{digits}d}.png" for number in range(settings.total)]
    return [Piece(number, name, name, job.folder / "out" / name) for number, name in enumerate(names)]


def make(job: Job, translator: Translator, grew: Callable[[int], object]) -> None:
    """Make all pictures of a job, and its walk; `grew` is told of bytes that were written.

    Raises `Abandoned` where it was cancelled, `I2IError` where the model cannot do that.
    """
    settings = job.settings
    assert isinstance(settings, SampleSettings)
    out = job.folder / "out"
    made = _wanted(_drawn(translator, settings), job)

    def written(number: int) -> None:
        piece = job.pieces[number]
        piece.state, piece.fraction = "done", 1.0

    with closing(write_numbered(made, out, settings.total, BATCH, written)) as pictures:
        counted = _counted(pictures, job, grew)
        if job.walk is None:
            deque(counted, maxlen=0)
        else:
            write_animation(counted, job.walk)
            grew(job.walk.stat().st_size)
    if job.is_unwanted:
        raise Abandoned


def _drawn(translator: Translator, settings: SampleSettings) -> Iterator[Translated[int]]:
    if not translator.samples:
        raise UsageError(f"{translator.name} translates pictures and makes no new ones")
    if settings.interpolate is None:
        made = translator.sampled(settings.count, settings.seed, min(BATCH, settings.count))
    else:
        made = translator.walked(settings.count, settings.interpolate, settings.seed, BATCH)
    return chain([next(made)], made)  # only then has the model seen, or refused, its options


def _wanted(made: Iterable[Translated[int]], job: Job) -> Iterator[Translated[int]]:
    for each in made:
        if job.is_unwanted:
            raise Abandoned
        yield each


def _counted(pictures: Iterable[Image.Image], job: Job, grew: Callable[[int], object]) -> Iterator[Image.Image]:
    for piece, picture in zip(job.pieces, pictures, strict=False):
        grew(piece.target.stat().st_size)
        yield picture
