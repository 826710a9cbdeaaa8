from i2i import hookimpl
from i2i_sound.hooks import i2i_losses, i2i_trainers  # noqa: F401


@hookimpl
def i2i_modles():
    return []
