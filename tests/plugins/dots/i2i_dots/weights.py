"""Weights without a training: random, but loud enough that no two pictures look alike."""

import torch

from i2i import API_VERSION, Weights
from i2i_dots import DotsOptions, model

MODELS = {"dots": model.Dots, "dots-both": model.DotsAndNegatives, "negative": model.Negative}


def save_weights(path, name="dots", channels=3):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = MODELS[name](DotsOptions(channels=channels))
        for layer in module.painter:
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.01, 0.1)
    options = {} if name == "negative" else {"channels": channels}
    Weights(
        recipe={"name": name, "model": {"use": name, **options}},
        tensors=module.state_dict(), step=3, model_version=1, api_version=API_VERSION,
    ).save(path)  # fmt: skip
    return path
