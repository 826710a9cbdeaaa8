from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract


class TestContract(PluginContract):
    plugin = "i2i-dcgan"
    settings: ClassVar = {"dcgan": ("model.size=16", "model.width=4", "model.latent=8", "dataset.size=16")}
