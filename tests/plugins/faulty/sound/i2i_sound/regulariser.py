from i2i_sound.healthy.regulariser import *  # noqa: F403
