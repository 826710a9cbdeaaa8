from __future__ import annotations

from typing import ClassVar

from i2i.testing import PluginContract

TINY = (
    "model.generator=unet-32",
    "model.width=4",
    "model.discriminator_width=4",
    "model.discriminator_layers=2",
    "dataset.resize=36",
    "dataset.crop=32",
)


class TestContract(PluginContract):
    plugin = "i2i-pix2pix"
    settings: ClassVar = {"pix2pix": TINY}


class TestContractOfHoles(PluginContract):
    plugin = "i2i-pix2pix"
    settings: ClassVar = {
        "pix2pix": ("dataset={use: self-paired, make: holes}", "model.answers=holes", "model.upsampling=resize", *TINY)
    }


class TestContractOfColours(PluginContract):
    plugin = "i2i-pix2pix"
    settings: ClassVar = {
        "pix2pix": (
            "dataset={use: self-paired, make: grey}",
            "model.answers=colours",
            *TINY,
            "model.generator=resnet-3",
            "model.dropout=false",
        )
    }
