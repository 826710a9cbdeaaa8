"""Colours pictures, with weights of its own or of somebody else's."""

from importlib.resources import files

from pydantic import Field

from i2i import ModelSpec, Options, TrainerSpec, hookimpl


class ModelOptions(Options):
    layers: int = Field(1, ge=1, le=4, description="glazes, one over the other")
    mood: str = Field("plain", description="what no file tells")


def spec(name, reader):
    return ModelSpec(
        name=name,
        summary="colours pictures",
        options=ModelOptions,
        inference=("glazes", "varnish"),
        read_foreign=reader,
        build="i2i_tint.glazing:Tint",
    )


@hookimpl
def i2i_models():
    return [
        spec("tint", "i2i_tint.glazing:read_glazes"),
        spec("tint-of-old", "i2i_tint.glazing:read_old"),
        spec("tint-unnamed", "i2i_tint.glazing:read_unnamed"),
        spec("tint-own", None),
    ]


@hookimpl
def i2i_trainers():
    return [TrainerSpec(name="tint", summary="never built", keys=("picture",), build="i2i_tint.glazing:NoTrainer")]


@hookimpl
def i2i_recipes():
    return sorted((files(__name__) / "recipes").iterdir(), key=lambda file: file.name)
