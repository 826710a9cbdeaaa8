"""One job after another, in the thread that owns the models."""

from __future__ import annotations

import shutil

from i2i.errors import I2IError
from i2i.recipe import Recipe
from i2i.serving.jobs import Job
from i2i.serving.queue import Queue
from i2i.serving.refusals import Refused
from i2i.serving.sampling import make
from i2i.serving.settings import SampleSettings
from i2i.serving.shelf import Shelf
from i2i.serving.translating import Abandoned, translate
from i2i.tiling.memory import trim

IDLE_SECONDS = 10.0
"""Between two looks for results that have been kept long enough."""


def work(queue: Queue, shelf: Shelf) -> None:
    """Compute jobs until the queue is closed."""
    while not queue.is_closed:
        job = queue.next(IDLE_SECONDS)
        if job is None:
            queue.expire()
            continue
        compute(job, queue, shelf)
        trim()


def compute(job: Job, queue: Queue, shelf: Shelf) -> None:
    """One job, to its end, whatever that is."""
    try:
        with queue.reading(job):
            _compute(job, queue, shelf)
        job.end("failed" if job.pieces and not job.written else "done", _sole_reason(job))
    except Abandoned:
        job.end("cancelled")
    except Refused as refused:
        _empty(job)
        job.end("failed", refused.text)
    except I2IError as error:
        job.end("failed", _words(str(error), job))
    except Exception as error:  # a model of somebody's: it may fail in any way, and takes no other job with it
        reason = " ".join(str(error).split()) or "no explanation"
        job.end("failed", _words(f"the model failed: {type(error).__name__}: {reason}", job))
    except BaseException:
        job.end("cancelled")
        raise


def _compute(job: Job, queue: Queue, shelf: Shelf) -> None:
    assert job.choice is not None
    assert job.settings is not None
    if not job.folder.is_dir():
        raise I2IError("the server's folder has gone; start it anew")
    translator = shelf.translator(job.choice).with_options(**job.settings.options)
    for remark in translator.remarks:
        job.told(_words(remark, job))
    if isinstance(job.settings, SampleSettings):
        make(job, translator, lambda size: queue.grew(job, size))
    else:
        translate(job, translator, shelf.bounds, lambda size: queue.grew(job, size), lambda text: _words(text, job))


def _empty(job: Job) -> None:
    """Nothing of it is kept: there was no room for all."""
    shutil.rmtree(job.folder, ignore_errors=True)
    job.size = 0
    for piece in job.pieces:
        piece.state, piece.source = "waiting", None


def _sole_reason(job: Job) -> str:
    reasons = {piece.error for piece in job.pieces if piece.state == "failed"}
    return reasons.pop() if len(reasons) == 1 and not job.written else ""


def _words(text: str, job: Job) -> str:
    """One line, without places on this machine: files are called as the client called them."""
    for piece in job.pieces:
        for path, label in ((piece.source, piece.label), (piece.mask, piece.mask_label), (piece.target, piece.label)):
            if path is not None:
                text = text.replace(str(path), label)
    assert job.choice is not None
    if not isinstance(job.choice.source, Recipe):
        text = text.replace(str(job.choice.source), job.choice.title)
    return " ".join(text.replace(str(job.folder), "here").split())[:1000]
