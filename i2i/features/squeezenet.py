"""SqueezeNet 1.1 (Iandola et al. 2016), without its classifier: layers `conv1`, `fire2` … `fire9`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.features import SQUEEZENET
from i2i.features.extractor import LINEAR, Layer
from i2i.features.trained import Trained, normalised, renamed

FIRES = ("pool", "fire2", "fire3", "pool", "fire4", "fire5", "pool", "fire6", "fire7", "fire8", "fire9")
"""What follows the first convolution and its ReLU; torchvision's `features` has these from place 2 on."""
FIRE_CHANNELS = (128, 128, 256, 256, 384, 384, 512, 512)


class SqueezeNet(Trained):
    """As torchvision publishes it."""

    name = "squeezenet1_1"
    published = SQUEEZENET
    smallest = 32
    style_layers = dict.fromkeys(("conv1", "fire2", "fire3", "fire5", "fire7"), 0.2)
    content_layers = dict.fromkeys(("fire5",), 0.01)
    compared_layers = dict.fromkeys((f"fire8{LINEAR}", f"fire9{LINEAR}"), 0.5)

    def all_layers(self) -> Mapping[str, Layer]:
        """`conv1:linear`, `conv1`, … `fire9`."""
        stride, reach = 2, 1
        layers = dict.fromkeys((f"conv1{LINEAR}", "conv1"), Layer(64, stride, reach))
        channels = iter(FIRE_CHANNELS)
        for name in FIRES:
            reach += stride  # 3×3 pooling, and the 3×3 half of a fire module
            if name == "pool":
                stride *= 2
            else:
                layers |= dict.fromkeys((f"{name}{LINEAR}", name), Layer(next(channels), stride, reach))
        return layers

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision's names."""
        names = {"conv1": "features.0"}
        for place, name in enumerate(FIRES, 2):
            if name != "pool":
                parts = ("squeeze", "expand1x1", "expand3x3")
                names |= {f"{name}_{part}": f"features.{place}.{part}" for part in parts}
        return renamed(tensors, names, path, "SqueezeNet 1.1 of torchvision")

    def stages(self, pictures: Tensor, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """(B, 3, H, W) in [0, 1] → maps of each module, before and after its last ReLU."""
        linear = self.convolved(normalised(pictures), "conv1", stride=2)
        yield f"conv1{LINEAR}", linear
        maps = F.relu(linear)
        yield "conv1", maps
        for name in FIRES:
            if name == "pool":
                maps = self.pooled(maps, side=3, ceil_mode=True)
            else:
                linear = self._fired(maps, name)
                yield f"{name}{LINEAR}", linear
                maps = F.relu(linear)
                yield name, maps

    def _fired(self, maps: Tensor, name: str) -> Tensor:
        squeezed = F.relu(self.convolved(maps, f"{name}_squeeze"))
        wide = self.convolved(squeezed, f"{name}_expand3x3", padding=1)
        return torch.cat([self.convolved(squeezed, f"{name}_expand1x1"), wide], dim=1)
