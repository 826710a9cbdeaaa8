from i2i_sound.healthy.softener import *  # noqa: F403
