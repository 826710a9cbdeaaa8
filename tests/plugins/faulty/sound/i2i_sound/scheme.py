from i2i_sound.healthy.scheme import *  # noqa: F403
