from i2i_sound.healthy.game import *  # noqa: F403
