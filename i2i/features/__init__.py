"""Descriptions of pictures by networks whose weights stay as they are. Importing this package imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from i2i.contracts import FilePath, Options
from i2i.features.published import Published

if TYPE_CHECKING:
    from i2i.features.extractor import FeatureExtractor

Network = Literal["vgg19", "squeezenet1_1", "learned"]
Fixed = Literal["vgg19", "squeezenet1_1", "random"]
"""The networks that need no picture to learn from."""
Backbone = Literal["squeeze", "vgg", "alex"]
Pooling = Literal["max", "average"]
TRAINED = ("vgg19", "squeezenet1_1")
"""The networks whose weights come from a file."""

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
VGG16 = Published(
    url="https://download.pytorch.org/models/vgg16-397923af.pth",
    sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    megabytes=553,
)
ALEXNET = Published(
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    megabytes=244,
)


class _NetworkOptions(Options):
    """What the options of features have in common."""

    use: str
    weights: FilePath | None = Field(None, description="file of the network's weights; null: the published one")
    pooling: Pooling = Field(
        "max", description="of the trained networks: as they were trained, or smoother (Gatys et al. 2016, section 2)"
    )

    @model_validator(mode="after")
    def _only_trained_ones_have_a_file(self) -> Self:
        if self.weights is not None and self.use not in TRAINED:
            raise ValueError(
                f"{self.use} features read no file; set `use` too, to the network that it holds: {', '.join(TRAINED)}"
            )
        return self


def at_hand() -> Network:
    """The best features that need no download: VGG-19 where torchvision has fetched its weights, else learned ones."""
    return "vgg19" if VGG19.is_here else "learned"


class FeatureOptions(_NetworkOptions):
    """Which features describe pictures."""

    use: Network = Field(
        default_factory=at_hand,
        description="vgg19 and squeezenet1_1 were trained on ImageNet, their weights are fetched once; learned needs "
        "none, its filters are learned from the style; default: vgg19 where its weights are here already",
    )


def fixed_at_hand() -> Fixed:
    """The best features that need neither a download nor pictures to learn from."""
    if VGG19.is_here:
        return "vgg19"
    return "squeezenet1_1" if SQUEEZENET.is_here else "random"


class FixedFeatureOptions(_NetworkOptions):
    """Which features pictures are compared by, where there is none to learn features from."""

    use: Fixed = Field(
        default_factory=fixed_at_hand,
        description="vgg19 and squeezenet1_1 were trained on ImageNet, their weights are fetched once; random needs "
        "none; default: the first of them whose weights are here already",
    )


class LPIPSOptions(Options):
    """Which LPIPS measures how different two pictures look (Zhang et al. 2018)."""

    backbone: Backbone = Field(
        "squeeze", description="the network whose maps are compared: squeeze (5 MB), alex (244 MB) or vgg (553 MB)"
    )
    weights: FilePath | None = Field(None, description="file of the network's weights; null: the published one")
    heads: FilePath | None = Field(None, description="file of what LPIPS 0.1 learned; null: the published one")


def build_features(options: FeatureOptions | FixedFeatureOptions) -> FeatureExtractor:
    """The extractor that the options name; reads no file before its `prepare`."""
    if options.use == "learned":
        from i2i.features.learned import LearnedFeatures

        return LearnedFeatures()
    from i2i.features.squeezenet import SqueezeNet
    from i2i.features.vgg import RandomFeatures, VGG19Features

    if options.use == "random":
        return RandomFeatures(options.pooling)
    network = VGG19Features if options.use == "vgg19" else SqueezeNet
    without = "learned" if isinstance(options, FeatureOptions) else "random"
    instead = f"name another file with features.weights, or do without any with features.use={without}"
    return network(options.weights, options.pooling, instead)
