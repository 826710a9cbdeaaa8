from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract

SMALL = ("model.blocks=2", "model.width=8", "dataset.crop=48")


class TestContract(PluginContract):
    plugin = "i2i-srgan"
    settings: ClassVar = {
        "srresnet": SMALL,
        "srgan": (*SMALL, "model.discriminator_width=4", "losses.content.features.use=random"),
    }
