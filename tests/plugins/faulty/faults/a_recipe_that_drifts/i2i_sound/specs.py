from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SCHEME, TrainerOptions
from pydantic import Field, field_validator


class Halving(TrainerOptions):
    share: float = Field(1.0, description="halved each time that it is read")

    @field_validator("share")
    @classmethod
    def _halved(cls, share):
        return share / 2


SCHEME = replace(SCHEME, options=Halving)
