"""VGG-16 and VGG-19 (Simonyan and Zisserman 2015) without their classifiers, and a random one of that structure.

Layers are named as in Gatys et al. 2016: `conv3_2` is the second convolution of the third block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.features import VGG16, VGG19
from i2i.features.convolutional import Convolutional
from i2i.features.extractor import LINEAR, Layer
from i2i.features.trained import Trained, normalised, renamed

Blocks = Sequence[tuple[int, int]]
"""Channels and 3×3 convolutions of each; pooling lies between them."""


class VGG(Convolutional):
    """Blocks of 3×3 convolutions."""

    blocks: Blocks

    def all_layers(self) -> Mapping[str, Layer]:
        """`conv1_1:linear`, `conv1_1`, … up to the last convolution of the last block."""
        layers, stride, reach = dict[str, Layer](), 1, 0
        for block, (channels, depth) in enumerate(self.blocks, 1):
            for place in range(1, depth + 1):
                reach += stride
                name = f"conv{block}_{place}"
                layers |= dict.fromkeys((f"{name}{LINEAR}", name), Layer(channels, stride, reach))
            stride *= 2
        return layers

    def stages(self, pictures: Tensor, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """(B, 3, H, W) in [0, 1] → maps of each convolution, before and after its ReLU."""
        maps = self.entered(pictures)
        for block, (_, depth) in enumerate(self.blocks, 1):
            if block > 1:
                maps = self.pooled(maps)
            for place in range(1, depth + 1):
                name = f"conv{block}_{place}"
                linear = self.convolved_same(maps, name)
                yield f"{name}{LINEAR}", linear
                maps = F.relu(linear)
                yield name, self.seen(maps, name) if name in wanted else maps

    def entered(self, pictures: Tensor) -> Tensor:
        """As the network takes them."""
        return normalised(pictures)

    def convolved_same(self, maps: Tensor, name: str) -> Tensor:
        """Maps as large as those before."""
        return self.convolved(maps, name, padding=1)

    def seen(self, maps: Tensor, name: str) -> Tensor:
        """What somebody who looks at this layer gets."""
        return maps


class TrainedVGG(VGG, Trained):
    """As torchvision publishes it."""

    title: str
    """Of the files that it reads."""
    needed: str
    """The layer that a file must reach; of those after it, it gives as many as the file has."""

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision counts all modules of `features`."""
        names = dict(zip(_names(self.blocks), _places(self.blocks), strict=True))
        lacking = [name for name, place in names.items() if f"{place}.weight" not in tensors]
        reached = list(names)[: list(names).index(lacking[0])] if lacking else list(names)
        self.end_at(max([self.needed, *reached]))  # names sort by depth
        return renamed(tensors, {name: place for name, place in names.items() if name in self.layers}, path, self.title)

    def end_at(self, deepest: str) -> None:
        """Forget the layers after this one."""
        names = list(self.layers)
        self.layers = {name: self.layers[name] for name in names[: names.index(deepest) + 1]}


class VGG16Features(TrainedVGG):
    """As torchvision publishes it; LPIPS is learned on its maps."""

    name = "vgg16"
    title = "VGG-16 of torchvision"
    published = VGG16
    blocks = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
    needed = "conv5_3"
    smallest = 16


class VGG19Features(TrainedVGG):
    """As torchvision publishes it, or compressed by Wang et al. 2020.

    The compressed one ends at `conv5_1` and gives nothing before a ReLU: only what comes after was it taught.
    """

    name = "vgg19"
    title = "VGG-19 of torchvision, nor the one of Wang et al. 2020"
    published = VGG19
    blocks = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
    needed = "conv5_1"
    smallest = 32
    # Gatys et al. 2016, section 2: style of five layers, each with weight 1/5; content of conv4_2
    style_layers = dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), 0.2)
    content_layers = dict.fromkeys(("conv4_2",), 0.03)
    # Ledig et al. 2017, section 3.2: φ5,4, divided by 12.75; before its ReLU as in Wang et al. 2018, section 3.4
    compared_layers = dict.fromkeys((f"conv5_4{LINEAR}",), 1.0)
    compared_scale = 1 / 12.75
    is_distilled = False

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision's numbers; the compressed one names its convolutions."""
        self.is_distilled = "conv11_aux.weight" in tensors
        if self.is_distilled:
            return self._read_distilled(tensors, path)
        read = super().read(tensors, path)
        self.compared_layers = {f"{list(self.layers)[-1]}{LINEAR}": 1.0}
        return read

    def _read_distilled(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        self.end_at(self.needed)
        self.layers = {name: layer for name, layer in self.layers.items() if not name.endswith(LINEAR)}
        self.compared_layers = {self.needed: 1.0}
        names = {name: f"conv{name[4]}{name[6]}" for name in self.layers}
        names |= {f"{name}_aux": f"{theirs}_aux" for name, theirs in names.items() if name.endswith("_1")}
        names["conv0"] = "conv0"
        return renamed(tensors, names, path, self.title)

    def entered(self, pictures: Tensor) -> Tensor:
        """As the network takes them."""
        return self.convolved(pictures, "conv0") if self.is_distilled else super().entered(pictures)

    def convolved_same(self, maps: Tensor, name: str) -> Tensor:
        """Maps as large as those before."""
        if self.is_distilled:
            return self.convolved(F.pad(maps, (1, 1, 1, 1), mode="reflect"), name)
        return super().convolved_same(maps, name)

    def seen(self, maps: Tensor, name: str) -> Tensor:
        """The compressed network's first maps of a block are widened to the channels of the original."""
        if self.is_distilled and name.endswith("_1"):
            return F.relu(self.convolved(maps, f"{name}_aux"))
        return maps


class RandomFeatures(VGG):
    """A narrow VGG with random weights, the same everywhere: no weights to fetch and nothing to learn from.

    Its maps, too, tell apart the structures that mean squared error blurs (Liu et al. 2021, Generic Perceptual Loss for
    Modeling Structured Output Dependencies).
    """

    blocks = ((32, 2), (64, 2), (128, 2))
    smallest = 16
    compared_layers = dict.fromkeys((f"conv1_2{LINEAR}", f"conv2_2{LINEAR}", f"conv3_2{LINEAR}"), 1 / 3)
    remark = "features: random convolutions, without ImageNet weights"

    def prepare(self) -> None:
        """Draw the weights: N(0, 2 / inputs) (He et al. 2015), biases 0."""
        chance, inputs = torch.Generator().manual_seed(0), 3
        for name, layer in self.layers.items():
            if not name.endswith(LINEAR):
                weight = torch.randn(layer.channels, inputs, 3, 3, generator=chance) * (2 / (inputs * 9)) ** 0.5
                self.keep({f"{name}.weight": weight, f"{name}.bias": torch.zeros(layer.channels)})
                inputs = layer.channels


def _names(blocks: Blocks) -> list[str]:
    return [f"conv{block}_{place}" for block, (_, depth) in enumerate(blocks, 1) for place in range(1, depth + 1)]


def _places(blocks: Blocks) -> list[str]:
    """Where torchvision's `features` has these convolutions, among ReLUs and pooling."""
    places, place = list[str](), 0
    for _, depth in blocks:
        places += [f"features.{place + 2 * number}" for number in range(depth)]
        place += 2 * depth + 1
    return places
