from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SOFTENER, ModelOptions
from pydantic import Field


class Waiting(ModelOptions):
    style: str | None = Field(None, description="a file that only the user knows")


SOFTENER = replace(SOFTENER, options=Waiting)
