"""AlexNet (Krizhevsky 2014, One weird trick), without its classifier: layers `conv1` … `conv5`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from i2i.features import ALEXNET
from i2i.features.extractor import LINEAR, Layer
from i2i.features.trained import Trained, normalised, renamed

CHANNELS = (64, 192, 384, 256, 256)
PLACES = (0, 3, 6, 8, 10)
"""Of the convolutions in torchvision's `features`."""
POOLED = ("conv2", "conv3")
"""The layers before which maps are pooled."""


class AlexNet(Trained):
    """As torchvision publishes it; LPIPS is learned on its maps."""

    name = "alexnet"
    published = ALEXNET
    smallest = 32

    def all_layers(self) -> Mapping[str, Layer]:
        """Pooling looks at the two positions after its own; the first convolution, of 11×11, 2 pixels before its 4."""
        layers, stride, reach = dict[str, Layer](), 4, 5
        for number, channels in enumerate(CHANNELS, 1):
            name = f"conv{number}"
            if name in POOLED:
                reach += stride
                stride *= 2
            if number > 1:
                reach += 2 * stride if name == "conv2" else stride
            layers |= dict.fromkeys((f"{name}{LINEAR}", name), Layer(channels, stride, reach))
        return layers

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision's names."""
        names = {f"conv{number}": f"features.{place}" for number, place in enumerate(PLACES, 1)}
        return renamed(tensors, names, path, "AlexNet of torchvision")

    def stages(self, pictures: Tensor, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """(B, 3, H, W) in [0, 1] → maps of each convolution, before and after its ReLU."""
        linear = self.convolved(normalised(pictures), "conv1", stride=4, padding=2)
        yield f"conv1{LINEAR}", linear
        maps = F.relu(linear)
        yield "conv1", maps
        for number in range(2, len(PLACES) + 1):
            name = f"conv{number}"
            if name in POOLED:
                maps = self.pooled(maps, side=3)
            linear = self.convolved(maps, name, padding=2 if name == "conv2" else 1)
            yield f"{name}{LINEAR}", linear
            maps = F.relu(linear)
            yield name, maps
