"""What the hooks return; a fault says `from i2i_sound.healthy.specs import *` and changes one."""

from i2i_sound.healthy.specs import *  # noqa: F403
