from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SCHEME, TrainerOptions
from pydantic import ConfigDict


class Generous(TrainerOptions):
    model_config = ConfigDict(extra="ignore")


SCHEME = replace(SCHEME, options=Generous)
