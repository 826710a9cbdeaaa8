from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract

TINY = ("model.size=32", "dataset.size=32", "model.width=4", "model.latent=8", "run.batch=4")


class TestVAEContract(PluginContract):
    plugin = "i2i-vae"
    settings: ClassVar = {
        "vae": TINY,
        "vae-digits": TINY,
        "vae-perceptual": (*TINY, "losses.perceptual={use: features, weight: 5, features: {use: random}}"),
    }
