"""Enlarges by repeating pixels; restores, or repaints."""

from importlib.resources import files

from pydantic import Field

from i2i import ModelSpec, Options, TrainerSpec, hookimpl


class ModelOptions(Options):
    scale: int = Field(2, ge=1, description="how many times larger")
    restores: bool = Field(True, description="whether the picture stays what it is")
    smallest: int = Field(1, ge=1, description="pixels that the model wants along each side")
    blue: float = Field(0, description="added to blue, and to the upper left pixel of what the model sees")


class TranslateOptions(Options):
    speckle: bool = Field(False, description="add chance to every picture")


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="enlarger",
            summary="repeats pixels",
            options=ModelOptions,
            translate_options=TranslateOptions,
            inference=(),
            standalone=(),
            build="i2i_enlarger.model:Enlarger",
        )
    ]


@hookimpl
def i2i_trainers():
    return [TrainerSpec(name="enlarger", summary="never built", keys=("picture",), build="i2i_enlarger.model:None")]


@hookimpl
def i2i_recipes():
    return sorted((files(__name__) / "recipes").iterdir(), key=lambda file: file.name)
