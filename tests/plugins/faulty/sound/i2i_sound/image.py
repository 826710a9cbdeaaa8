from i2i_sound.healthy.image import *  # noqa: F403
