from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract


class TestContract(PluginContract):
    plugin = "i2i-cyclegan"
    settings: ClassVar = {
        "cyclegan": (
            "model.generator=resnet-3",
            "model.width=4",
            "model.discriminator_width=4",
            "model.discriminator_layers=2",
            "dataset.resize=36",
            "dataset.crop=32",
        )
    }
