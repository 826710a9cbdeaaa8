from dataclasses import replace
from typing import Literal

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SOFTENER, TranslateOptions
from pydantic import Field


class BothWays(TranslateOptions):
    way: Literal["there", "back"] | None = Field("there", description="which network repaints")


SOFTENER = replace(SOFTENER, translate_options=BothWays)
