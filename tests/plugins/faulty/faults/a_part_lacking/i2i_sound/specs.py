from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import SCHEME

SCHEME = replace(SCHEME, submodules=("network", "judge"))
