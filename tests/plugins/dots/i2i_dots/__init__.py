"""Unconditional models, in colour or in grey, with classes; one of them translates too."""

from typing import Literal

from pydantic import Field

from i2i import ModelSpec, Options, hookimpl


class DotsOptions(Options):
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour")


class SampleOptions(Options):
    class_name: str | None = Field(None, description="which of the two classes to make, dark or bright")


@hookimpl
def i2i_models():
    return [
        ModelSpec(
            name="dots",
            summary="dots out of nothing",
            options=DotsOptions,
            translate_options=SampleOptions,
            inference=("painter",),
            build="i2i_dots.model:Dots",
        ),
        ModelSpec(
            name="dots-both",
            summary="dots out of nothing, and negatives of pictures",
            options=DotsOptions,
            translate_options=SampleOptions,
            inference=("painter",),
            build="i2i_dots.model:DotsAndNegatives",
        ),
        ModelSpec(
            name="negative",
            summary="negatives of pictures",
            inference=("painter",),
            build="i2i_dots.model:Negative",
        ),
    ]
