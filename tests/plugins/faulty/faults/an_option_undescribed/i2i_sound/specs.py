from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import CUTS, DatasetOptions
from pydantic import Field


class Silent(DatasetOptions):
    turned: bool = Field(False)


CUTS = replace(CUTS, options=Silent)
