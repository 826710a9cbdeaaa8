"""Jobs: taken in, looked at, cancelled."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ValidationError

from i2i.errors import UsageError
from i2i.serving.answers import JobAnswer, RemovalAnswer
from i2i.serving.bodies import pieces_of_body, whole_body
from i2i.serving.bounds import Bounds
from i2i.serving.choices import Choices
from i2i.serving.describing import check_options
from i2i.serving.jobs import Job
from i2i.serving.labels import short, split
from i2i.serving.multipart import SETTINGS_BYTES, Arrived, Form, form_of
from i2i.serving.queue import Queue
from i2i.serving.refusals import Refused
from i2i.serving.sampling import pieces_to_make
from i2i.serving.settings import SampleSettings, TranslateSettings
from i2i.serving.translating import pieces_of

JSON, MULTIPART = "application/json", "multipart/form-data"
WAIT_SECONDS = 60
POLL_SECONDS = 0.1
TAKES = {
    "requestBody": {
        "required": True,
        "content": {
            MULTIPART: {
                "schema": {
                    "type": "object",
                    "required": ["settings", "pictures"],
                    "properties": {
                        "settings": {"$ref": "#/components/schemas/TranslateSettings"},
                        "pictures": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "masks": {
                            "type": "array",
                            "items": {"type": "string", "format": "binary"},
                            "description": "for models that fill: one for all pictures, or as many, named alike",
                        },
                    },
                }
            },
            JSON: {"schema": {"$ref": "#/components/schemas/SampleSettings"}},
        },
    }
}


def job_routes(choices: Choices, queue: Queue, bounds: Bounds, prefix: str) -> APIRouter:
    """Of the addresses below `/jobs` that tell of jobs."""
    router = APIRouter()

    def view(job: Job) -> dict[str, Any]:
        return job.view(queue.ahead(job), lambda place: f"{prefix}/jobs/{job.id}/{place}")

    @router.post(
        "/jobs",
        status_code=201,
        response_model=JobAnswer,
        openapi_extra=TAKES,
        summary="Translate pictures (a form), or make new ones (JSON)",
    )
    async def add(request: Request) -> dict[str, Any]:
        """A form has `settings` (JSON) and `pictures` (files). Without pictures, JSON asks for new ones."""
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind not in (JSON, MULTIPART):
            raise Refused(415, f"a job comes as {MULTIPART} or {JSON}; found '{kind[:60]}'")
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and len(length) < 20 and int(length) > bounds.body_bytes:
            raise Refused(413, "the request is too large")
        job = await asyncio.to_thread(queue.begin)
        try:
            if kind == JSON:
                body = await whole_body(request.receive, SETTINGS_BYTES, bounds)
                await asyncio.to_thread(_fill_to_make, job, _parsed(SampleSettings, body), choices, bounds)
            else:
                pieces = pieces_of_body(request.receive, bounds.body_bytes, bounds)
                form = await form_of(content_type, pieces, job.folder, bounds, lambda size: queue.grew(job, size))
                await asyncio.to_thread(_fill_to_translate, job, form, choices)
            queue.add(job)
        except BaseException:
            await asyncio.to_thread(queue.forget, job)
            raise
        return view(job)

    @router.get("/jobs/{name}", response_model=JobAnswer, summary="What has become of a job")
    async def look(name: str, wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS)] = 0) -> dict[str, Any]:
        """With `wait`, the answer comes when the job is over, or after so many seconds."""
        job, end = await asyncio.to_thread(queue.find, name), time.monotonic() + wait
        while not (job.is_over or queue.is_closed) and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
        return view(job)

    @router.delete("/jobs/{name}", response_model=RemovalAnswer, summary="Cancel a job, or forget one that is over")
    def remove(name: str) -> dict[str, Any]:
        """What is done of a cancelled job stays until it is forgotten."""
        job = queue.find(name)
        if job.is_over:
            queue.forget(job)
            return {"id": job.id, "state": "forgotten"}
        queue.cancel(job)
        return {"id": job.id, "state": "cancelled"}

    return router


def _fill_to_make(job: Job, settings: SampleSettings, choices: Choices, bounds: Bounds) -> None:
    job.choice = choices.find(settings.model)
    if not job.choice.samples:
        raise Refused(422, f"{job.choice.id}: translates pictures and makes no new ones; send some as {MULTIPART}")
    if settings.total > bounds.samples:
        raise Refused(422, f"count: {settings.total} pictures are too many; up to {bounds.samples} are made at once")
    if settings.interpolate is not None and settings.count < 2:
        raise Refused(422, "interpolate: a walk goes from picture to picture: count is at least 2")
    check_options(job.choice.defaults, job.choice.options, settings.options)
    job.settings, job.pieces = settings, pieces_to_make(job, settings)


def _fill_to_translate(job: Job, form: Form, choices: Choices) -> None:
    if form.settings is None:
        raise Refused(422, 'settings: missing; a form has a part settings, such as {"model": "…"}')
    settings = _parsed(TranslateSettings, form.settings)
    job.choice = choices.find(settings.model)
    if not job.choice.translates:
        raise Refused(422, f"{job.choice.id}: makes pictures out of nothing; ask for them as {JSON}, with a count")
    if not form.pictures:
        raise Refused(422, "pictures: none came; a form has a part pictures for each")
    if form.masks and not job.choice.fills:
        raise Refused(422, f"masks: {job.choice.id} fills no holes; leave them out")
    check_options(job.choice.defaults, job.choice.options, settings.options)
    try:
        job.pieces = pieces_of(job, [picture.label for picture in form.pictures], settings)
    except UsageError as error:
        raise Refused(422, str(error)) from error
    job.settings = settings
    for piece, picture in zip(job.pieces, form.pictures, strict=True):
        piece.source = picture.path
        if form.masks:
            mask = _mask_for(picture, form.masks)
            piece.mask, piece.mask_label = mask.path, mask.label


def _mask_for(picture: Arrived, masks: list[Arrived]) -> Arrived:
    if len(masks) == 1:
        return masks[0]
    found = [mask for mask in masks if split(mask.label)[0] == split(picture.label)[0]]
    if len(found) != 1:
        raise Refused(422, f"masks: {picture.label} has {len(found)}; send one for all, or one a picture, named alike")
    return found[0]


def _parsed(kind: type[Any], contents: bytes) -> Any:
    """Settings from JSON. Raises `Refused` that says what is wrong with them first."""
    assert issubclass(kind, BaseModel)
    try:
        return kind.model_validate_json(contents)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(short(str(part), 60) for part in first["loc"][:2])
        if where.startswith("options."):
            raise Refused(422, f"settings.{where}: true, false, a finite number, a word or null") from error
        raise Refused(422, f"settings{'.' if where else ''}{where}: {first['msg'][:300]}") from error
