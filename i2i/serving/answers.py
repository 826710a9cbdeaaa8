"""What the API answers, as OpenAPI describes it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Failure(BaseModel):
    """Every answer with a status of 400 or more."""

    error: str = Field(description="what is wrong and what would work, in one sentence")


class OptionAnswer(BaseModel):
    """A translate option of a model."""

    name: str
    kind: Literal["boolean", "integer", "number", "choice", "text"]
    description: str
    default: Any
    choices: list[Any]
    minimum: float | None
    maximum: float | None
    nullable: bool = Field(description="whether it may be null")


class ModelAnswer(BaseModel):
    """A model with its weights, or one that needs none."""

    id: str = Field(description="what a job's settings call it")
    origin: Literal["shipped", "recipe", "run", "weights"]
    title: str
    summary: str
    translates: bool = Field(description="whether it takes pictures")
    samples: bool = Field(description="whether it makes pictures out of nothing")
    scale: int = Field(description="how many times larger its answers are")
    fills: bool = Field(description="whether it paints what is transparent or masked, and nothing else")
    step: int | None = Field(description="of the training, of its weights")
    written: float | None = Field(description="when its weights were, in seconds since 1970")
    note: str = Field(description="on what data it was trained, under which licence")
    options: list[OptionAnswer]


class LimitsAnswer(BaseModel):
    """What may be asked for."""

    body_bytes: int = Field(description="of one request")
    picture_bytes: int = Field(description="of one file")
    pixels: int = Field(description="of one picture")
    pictures: int = Field(description="of one job")
    jobs: int = Field(description="on their way at once")
    samples: int = Field(description="of one job")
    kept_seconds: float = Field(description="after its end a job is forgotten")


class ModelsAnswer(BaseModel):
    """What can be chosen."""

    models: list[ModelAnswer]
    limits: LimitsAnswer


class PictureAnswer(BaseModel):
    """One picture of a job."""

    number: int
    name: str = Field(description="what the answer is called")
    label: str = Field(description="what the picture that was sent is called")
    state: Literal["waiting", "working", "done", "failed", "cancelled"]
    fraction: float = Field(description="how far the model is with it, from 0 to 1, where it says so")
    error: str | None
    lost: list[str] = Field(description="what the answer's file format does not hold, a phrase each")
    result: str | None = Field(description="address of the answer, once it is there")
    preview: str | None = Field(description="address of the answer as a browser shows it; null where it is too large")
    original: str | None = Field(
        description="address of what was sent, as a browser shows it; null where it is too large"
    )


class JobAnswer(BaseModel):
    """A job and what has become of it."""

    id: str
    kind: Literal["translate", "sample"]
    model: str
    state: Literal["waiting", "working", "done", "failed", "cancelled"]
    ahead: int = Field(description="jobs that come before it")
    done: int = Field(description="pictures whose answers are there")
    failed: int
    total: int
    fraction: float = Field(description="how far all of it is, from 0 to 1")
    error: str | None
    remarks: list[str]
    pictures: list[PictureAnswer]
    all: str | None = Field(description="address of a zip of all answers, once the job is over")
    walk: str | None = Field(description="address of the animation of a walk")


class RemovalAnswer(BaseModel):
    """What became of a job that is not wanted."""

    id: str
    state: Literal["cancelled", "forgotten"]


class HealthAnswer(BaseModel):
    """That the server is well."""

    status: Literal["ok"]
    version: str
    busy: int = Field(description="jobs that arrive, wait or are at work")
