"""Answers pictures by their negatives, slowly, and says how far it is."""

from importlib.resources import files
from typing import Literal

from pydantic import Field

from i2i import FilePath, ModelSpec, Options, TrainerSpec, hookimpl


class TranslateOptions(Options):
    seconds: float = Field(0, ge=0, le=60, description="that a picture takes")
    tint: Literal["none", "red"] = Field("none", description="what is added")
    again: bool = Field(False, description="negative of the negative")
    word: str | None = Field(None, description="anything")
    secret: FilePath | None = Field(None, description="a file")
    several: tuple[int, ...] = Field((), description="has parts")


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="snail",
            summary="negatives, slowly",
            translate_options=TranslateOptions,
            inference=(),
            standalone=(),
            build="i2i_snail.model:Snail",
        )
    ]


@hookimpl
def i2i_trainers():
    return [TrainerSpec(name="snail", summary="never built", keys=("picture",), build="i2i_snail.model:None")]


@hookimpl
def i2i_recipes():
    return sorted((files(__name__) / "recipes").iterdir(), key=lambda file: file.name)
