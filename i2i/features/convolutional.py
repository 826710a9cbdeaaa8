"""Networks of convolutions and ReLUs, computed no deeper than somebody looks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.features.extractor import LINEAR, FeatureExtractor, Layer
from i2i.winograd import Workspace, convolution, suits


class Convolutional(FeatureExtractor):
    """`NAME` is a layer's map after its ReLU, `NAME:linear` the one before it.

    Weights and biases are buffers that no checkpoint holds: `prepare` makes them.
    """

    def __init__(self, pooling: str = "max") -> None:
        super().__init__()
        self.is_max = pooling == "max"
        self.workspace = Workspace()
        self.layers = self.all_layers()

    def all_layers(self) -> Mapping[str, Layer]:
        """From the first to the deepest, each before its ReLU and after it."""
        raise NotImplementedError

    @property
    def known(self) -> str:
        """Each layer once, and what there is before the ReLU of the deepest."""
        names = [name for name in self.layers if not name.endswith(LINEAR)]
        before = f"{names[-1]}{LINEAR}"
        return f"{', '.join(names)}; before its ReLU: {before if before in self.layers else 'none'}"

    def stages(self, pictures: Tensor, wanted: Collection[str]) -> Iterator[tuple[str, Tensor]]:
        """Each layer's name and maps, from the first to the deepest; `wanted` are those that somebody looks at."""
        raise NotImplementedError

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → the maps of these layers."""
        self.refuse_unknown(layers)
        found, wanted = dict[str, Tensor](), set(layers)
        stages = self.stages(pictures, wanted)
        while len(found) < len(wanted):
            name, maps = next(stages)
            if name in wanted:
                found[name] = maps
        return found

    def keep(self, tensors: Mapping[str, Tensor]) -> None:
        """Compute with these: `LAYER.weight` (outputs, inputs, side, side) and `LAYER.bias` (outputs).

        Weights lie channels last, and so do the maps: up to 1.3 times as fast on CPUs, and what tensor cores read.
        """
        for name, tensor in tensors.items():
            format = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
            kept = tensor.float().contiguous(memory_format=format)
            self.register_buffer(name.replace(".", "_"), kept, persistent=False)

    def convolved(self, maps: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        """A convolution, before its ReLU."""
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        if stride == 1 and weight.shape[-2:] == (3, 3) and suits(maps, weight, padding):
            return convolution(maps, weight, bias, padding, self.workspace)
        return F.conv2d(maps, weight, bias, stride=stride, padding=padding)

    def pooled(self, maps: Tensor, side: int = 2, ceil_mode: bool = False) -> Tensor:
        """To half the size, by the maximum or the mean of `side`×`side` positions."""
        pool = F.max_pool2d if self.is_max else F.avg_pool2d
        return pool(maps, side, 2, ceil_mode=ceil_mode)
