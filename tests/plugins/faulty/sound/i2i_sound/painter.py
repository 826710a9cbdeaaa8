from i2i_sound.healthy.painter import *  # noqa: F403
