from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SOFTENER

SOFTENER = replace(SOFTENER, inference=("network",))
