from i2i_sound.healthy.specs import *  # noqa: F403

from i2i import LossSpec

REGULARISER = LossSpec(name="sound-large", kind="image", summary="colours", build="i2i_sound.large:Large")
