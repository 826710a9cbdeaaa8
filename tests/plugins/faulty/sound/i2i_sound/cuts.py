from i2i_sound.healthy.cuts import *  # noqa: F403
