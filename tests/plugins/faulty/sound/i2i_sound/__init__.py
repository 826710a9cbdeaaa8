"""One of everything, healthy. A fault replaces one of these files by one that spoils a single thing."""

from i2i_sound.hooks import (  # noqa: F401
    i2i_datasets,
    i2i_losses,
    i2i_models,
    i2i_recipes,
    i2i_trackers,
    i2i_trainers,
)
