from dataclasses import replace

from i2i_sound.healthy.specs import *  # noqa: F403
from i2i_sound.healthy.specs import IMAGE

IMAGE = replace(IMAGE, build="i2i.losses.image:MSE", options=IMAGE.options)
