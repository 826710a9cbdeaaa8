import torch  # noqa: F401

from i2i_sound.hooks import i2i_datasets, i2i_losses, i2i_models, i2i_recipes, i2i_trainers  # noqa: F401
