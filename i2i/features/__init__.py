"""Descriptions of pictures by networks whose weights stay as they are. Importing this package imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from i2i.contracts import FilePath, Options
from i2i.features.published import Published

if TYPE_CHECKING:
    from i2i.features.extractor import FeatureExtractor

Network = Literal["vgg19", "squeezenet1_1", "learned"]

VGG19 = Published(
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
    megabytes=575,
)
SQUEEZENET = Published(
    url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    sha256="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    megabytes=5,
)


def at_hand() -> Network:
    """The best features that need no download: VGG-19 where torchvision has fetched its weights, else learned ones."""
    return "vgg19" if VGG19.is_here else "learned"


class FeatureOptions(Options):
    """Which features describe pictures."""

    use: Network = Field(
        default_factory=at_hand,
        description="vgg19 and squeezenet1_1 were trained on ImageNet, their weights are fetched once; learned needs "
        "none, its filters are learned from the style; default: vgg19 where its weights are here already",
    )
    weights: FilePath | None = Field(None, description="file of the network's weights; null: the published one")
    pooling: Literal["max", "average"] = Field(
        "max", description="of the trained networks: as they were trained, or smoother (Gatys et al. 2016, section 2)"
    )

    @model_validator(mode="after")
    def _learned_ones_have_no_file(self) -> FeatureOptions:
        if self.use == "learned" and self.weights is not None:
            raise ValueError(
                "learned features read no file; set `use` too, to the network that it holds: vgg19, squeezenet1_1"
            )
        return self


def build_features(options: FeatureOptions) -> FeatureExtractor:
    """The extractor that the options name; reads no file before its `prepare`."""
    if options.use == "learned":
        from i2i.features.learned import LearnedFeatures

        return LearnedFeatures()
    from i2i.features.trained import SqueezeNet, VGG19Features

    return VGG19Features(options) if options.use == "vgg19" else SqueezeNet(options)
