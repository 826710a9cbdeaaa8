from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract


class TestContract(PluginContract):
    plugin = "i2i-gatys"
    settings: ClassVar = {
        "gatys": (
            "run.batch=1",
            "dataset.size=64",
            "model.features.use=learned",
            "translate.scales=[{size: 32, steps: 2, optimizer: adam}]",
        ),
        "fast-style": (
            "run.batch=1",
            "dataset.size=64",
            "model.width=4",
            "model.blocks=1",
            "trainer.features.use=learned",
            "trainer.style={pictures}/src/0.png",
        ),
    }
