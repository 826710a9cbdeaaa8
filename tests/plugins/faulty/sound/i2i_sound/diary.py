from i2i_sound.healthy.diary import *  # noqa: F403
