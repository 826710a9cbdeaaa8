"""Pictures of jobs, handed out."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as InPath
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from i2i.serving.bounds import Bounds
from i2i.serving.jobs import Job, Piece
from i2i.serving.labels import attachment
from i2i.serving.previews import ANSWER_PIXELS, SENT_PIXELS, preview
from i2i.serving.queue import Queue
from i2i.serving.refusals import Refused
from i2i.serving.zipping import zipped

PIECE = 2**18
KINDS = {
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
"""Media types by suffix; anything else is bytes."""
Responses = dict[int | str, dict[str, Any]]
Number = Annotated[int, InPath(ge=0, lt=10**6)]
BYTES: Responses = {200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}}
ZIP: Responses = {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}


def result_routes(queue: Queue, bounds: Bounds) -> APIRouter:
    """Of the addresses below `/jobs/ID` that are pictures."""
    router = APIRouter()
    one_at_a_time = asyncio.Semaphore(1)

    async def shown(job: Job, path: Path, is_answer: bool) -> Response:
        limits, most = (bounds.answers(), ANSWER_PIXELS) if is_answer else (bounds.limits(), SENT_PIXELS)

        def made() -> Response:
            with _read(queue, job):
                file = preview(path, job.folder, limits, most, lambda size: queue.grew(job, size))
                return _file(file, file.name)

        async with one_at_a_time:  # in a thread of its own: the others stay for those who do not wait for pictures
            return await asyncio.to_thread(made)

    @router.get("/jobs/{name}/pictures/{number}", responses=BYTES, response_class=Response, summary="An answer")
    def picture(name: str, number: Number) -> Response:
        piece = _done(queue.find(name), number)
        return _file(piece.target, piece.name)

    @router.get(
        "/jobs/{name}/pictures/{number}/preview",
        responses=BYTES,
        response_class=Response,
        summary="An answer as a browser shows it",
    )
    async def answer(name: str, number: Number) -> Response:
        job = await asyncio.to_thread(queue.find, name)
        return await shown(job, _done(job, number).target, True)

    @router.get(
        "/jobs/{name}/original/{number}",
        responses=BYTES,
        response_class=Response,
        summary="A picture that was sent, as a browser shows it",
    )
    async def original(name: str, number: Number) -> Response:
        job = await asyncio.to_thread(queue.find, name)
        source = _piece(job, number).source
        if source is None:
            raise Refused(404, "this picture was made out of nothing")
        return await shown(job, source, False)

    @router.get("/jobs/{name}/walk.gif", responses=BYTES, response_class=Response, summary="The animation of a walk")
    def walk(name: str) -> Response:
        job = queue.find(name)
        if job.walk is None or job.state != "done":
            raise Refused(404, "this job has no walk, or not yet")
        return _file(job.walk, "walk.gif")

    @router.get("/jobs/{name}/all.zip", responses=ZIP, response_class=Response, summary="All answers of a job")
    def everything(name: str) -> Response:
        job = queue.find(name)
        if not job.is_over or not job.written:
            raise Refused(404, "there is nothing to pack, or not yet: the job is not over")
        return _packed(queue, job)

    return router


def _piece(job: Job, number: int) -> Piece:
    if number >= len(job.pieces):
        raise Refused(404, f"this job has no picture {number}; it has {len(job.pieces)}, from 0 on")
    return job.pieces[number]


def _done(job: Job, number: int) -> Piece:
    piece = _piece(job, number)
    if piece.state != "done":
        raise Refused(404, f"picture {number} is {piece.state}{': ' if piece.error else ''}{piece.error}")
    return piece


class _Streamed(StreamingResponse):
    """Lets go of what it sends, be it that the client hangs up."""

    def __init__(self, contents: Generator[bytes], held: ExitStack, **given: Any) -> None:
        super().__init__(contents, **given)
        self.held = held
        held.callback(contents.close)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await asyncio.to_thread(self.held.close)


@contextmanager
def _read(queue: Queue, job: Job) -> Iterator[None]:
    """Its files stay as long as the block runs. Raises `Refused` where they have gone."""
    with queue.reading(job):
        if job.is_forgotten or not job.folder.is_dir():
            raise Refused(404, "there is no such job any more")
        yield


def _file(path: Path, label: str) -> Response:
    """A file, opened now: it may be forgotten while it is sent."""
    try:
        stream = path.open("rb")
    except OSError as error:
        raise Refused(404, "there is no such picture any more") from error
    held = ExitStack()
    held.enter_context(stream)
    size = stream.seek(0, 2)
    stream.seek(0)

    def contents() -> Generator[bytes]:
        while piece := stream.read(PIECE):
            yield piece

    headers = {"Content-Disposition": attachment(label), "Content-Length": str(size)}
    kind = KINDS.get(path.suffix, "application/octet-stream")
    return _Streamed(contents(), held, media_type=kind, headers=headers)


def _packed(queue: Queue, job: Job) -> Response:
    with ExitStack() as held:
        held.enter_context(_read(queue, job))
        files = [(piece.name, piece.target) for piece in job.written]
        if job.walk is not None and job.walk.is_file():
            files.append(("walk.gif", job.walk))
        if not all(path.is_file() for _, path in files):
            raise Refused(404, "there are no such pictures any more")
        headers = {"Content-Disposition": attachment("i2i.zip")}
        return _Streamed(zipped(files), held.pop_all(), media_type="application/zip", headers=headers)
