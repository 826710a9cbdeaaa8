"""Draws each picture anew in the mean colour of others: of a picture named, or of those that `fit` walked."""

from importlib.resources import files
from typing import Literal

from pydantic import Field

from i2i import ModelSpec, Options, TrainerSpec, hookimpl


class ModelOptions(Options):
    plate: str | None = Field(None, description="picture whose mean colour to take; null: that of the pictures fitted")
    acid: str | None = Field(None, description="text file whose first number is the strength; null: 0.5")
    speckles: int = Field(0, ge=0, description="random numbers that the model holds and saves nowhere")


class TranslateOptions(Options):
    strokes: int = Field(6, ge=1, description="iterations")
    tool: Literal["adam", "lbfgs"] = Field("adam", description="what optimises")
    silent: bool = Field(False, description="tell and show nothing")


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="etcher",
            summary="draws each picture anew, stroke by stroke",
            options=ModelOptions,
            translate_options=TranslateOptions,
            inference=("colour_sum", "seen"),
            standalone=("plate",),
            build="i2i_etcher.etching:Etcher",
        )
    ]


@hookimpl
def i2i_trainers():
    return [
        TrainerSpec(
            name="etcher",
            summary="sums colours up, without any optimizer",
            keys=("picture",),
            build="i2i_etcher.etching:ColourTrainer",
        )
    ]


@hookimpl
def i2i_recipes():
    return [files(__name__) / "recipes" / "etcher.yaml"]
