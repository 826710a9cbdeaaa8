"""Networks that were trained to recognise what is in a picture: VGG-19 and SqueezeNet 1.1, up to their last map."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.errors import I2IError
from i2i.features import SQUEEZENET, VGG19, FeatureOptions
from i2i.features.extractor import FeatureExtractor, Layer
from i2i.features.published import Published, sha256_of
from i2i.foreign import read_tensors

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
VGG_BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
"""Channels and 3×3 convolutions of each block, up to conv5_1; pooling lies between them."""
FIRES = ("pool", "fire2", "fire3", "pool", "fire4", "fire5", "pool", "fire6", "fire7", "fire8", "fire9")
"""SqueezeNet 1.1 after its first convolution and ReLU; torchvision's `features` has these from place 2 on."""
FIRE_CHANNELS = (128, 128, 256, 256, 384, 384, 512, 512)


class Trained(FeatureExtractor):
    """A network whose weights come from a file, and are no part of what is saved."""

    published: Published

    def __init__(self, options: FeatureOptions) -> None:
        super().__init__()
        self.options = options
        self.is_max = options.pooling == "max"

    def prepare(self) -> None:
        """Read the file that the options name, or the published one."""
        given = self.options.weights
        if given is None:
            instead = "name another file with features.weights, or do without any with features.use=learned"
            path, digest = self.published.fetched(instead), self.published.sha256
        else:
            path = Path(given)
            if not path.exists():
                raise I2IError(f"{path}: no such file; put the weights of {self.options.use} there")
            digest = sha256_of(path)
        for key, tensor in self.read(read_tensors(path), path).items():
            self.register_buffer(key.replace(".", "_"), tensor.float(), persistent=False)
        self._try(path)
        self.loaded = {path.name: digest}
        self.remark = f"features: {self.options.use} ({path.name})"

    def _try(self, path: Path) -> None:
        """Raise `I2IError` where the names fit, but not the shapes."""
        try:
            with torch.no_grad():
                self(torch.zeros(1, 3, self.smallest, self.smallest), self.layers.keys())
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise I2IError(f"{path}: its tensors are not of the shapes of {self.options.use}: {reason}") from error

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Our name → tensor of all that the network needs. Raises `I2IError` where the file lacks it."""
        raise NotImplementedError

    def convolved(self, maps: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        """A convolution and its ReLU."""
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return F.relu(F.conv2d(maps, weight, bias, stride=stride, padding=padding))


class VGG19Features(Trained):
    """VGG-19 (Simonyan and Zisserman 2015) as torchvision publishes it, or compressed by Wang et al. 2020.

    Layers are named as in Gatys et al. 2016, `conv1_1` … `conv5_1`, each after its ReLU.
    """

    published = VGG19
    smallest = 32

    def __init__(self, options: FeatureOptions) -> None:
        super().__init__(options)
        self.layers = _vgg_layers()
        # section 2: style of five layers, each with weight 1/5; content of conv4_2
        self.style_layers = dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), 0.2)
        self.content_layers = {"conv4_2": 0.03}
        self.is_distilled = False

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision counts all modules of `features`; the compressed one names its convolutions."""
        self.is_distilled = "conv11_aux.weight" in tensors
        if self.is_distilled:
            names = {name: f"conv{name[4]}{name[6]}" for name in self.layers}
            names |= {f"{name}_aux": f"{theirs}_aux" for name, theirs in names.items() if name.endswith("_1")}
            names["conv0"] = "conv0"
        else:
            names = dict(zip(self.layers, _vgg_places(), strict=True))
        return _renamed(tensors, names, path, "VGG-19 of torchvision, nor the one of Wang et al. 2020")

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → maps after their ReLU."""
        self.refuse_unknown(layers)
        maps, answer = self._entered(pictures), dict[str, Tensor]()
        for block, (_, depth) in enumerate(VGG_BLOCKS, 1):
            if block > 1:
                maps = F.max_pool2d(maps, 2) if self.is_max else F.avg_pool2d(maps, 2)
            for place in range(1, depth + 1):
                name = f"conv{block}_{place}"
                maps = self._convolved_same(maps, name)
                if name in layers:
                    widened = self.is_distilled and place == 1  # back to the channels of the original
                    answer[name] = self.convolved(maps, f"{name}_aux") if widened else maps
                if len(answer) == len(set(layers)):
                    return answer
        return answer

    def _entered(self, pictures: Tensor) -> Tensor:
        """As the network takes them."""
        if self.is_distilled:
            return F.conv2d(pictures, self.get_buffer("conv0_weight"), self.get_buffer("conv0_bias"))
        return _normalised(pictures)

    def _convolved_same(self, maps: Tensor, name: str) -> Tensor:
        if self.is_distilled:
            return self.convolved(F.pad(maps, (1, 1, 1, 1), mode="reflect"), name)
        return self.convolved(maps, name, padding=1)


class SqueezeNet(Trained):
    """SqueezeNet 1.1 (Iandola et al. 2016) as torchvision publishes it; layers `conv1`, `fire2` … `fire9`."""

    published = SQUEEZENET
    smallest = 32

    def __init__(self, options: FeatureOptions) -> None:
        super().__init__(options)
        self.layers = _squeezenet_layers()
        self.style_layers = dict.fromkeys(("conv1", "fire2", "fire3", "fire5", "fire7"), 0.2)
        self.content_layers = {"fire5": 0.01}

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """torchvision's names."""
        names = {"conv1": "features.0"}
        for place, name in enumerate(FIRES, 2):
            if name != "pool":
                parts = ("squeeze", "expand1x1", "expand3x3")
                names |= {f"{name}_{part}": f"features.{place}.{part}" for part in parts}
        return _renamed(tensors, names, path, "SqueezeNet 1.1 of torchvision")

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → maps after their ReLU."""
        self.refuse_unknown(layers)
        maps = self.convolved(_normalised(pictures), "conv1", stride=2)
        answer = {"conv1": maps} if "conv1" in layers else {}
        for name in FIRES:
            if len(answer) == len(set(layers)):
                return answer
            maps = self._pooled(maps) if name == "pool" else self._fired(maps, name)
            if name in layers:
                answer[name] = maps
        return answer

    def _fired(self, maps: Tensor, name: str) -> Tensor:
        squeezed = self.convolved(maps, f"{name}_squeeze")
        wide = self.convolved(squeezed, f"{name}_expand3x3", padding=1)
        return torch.cat([self.convolved(squeezed, f"{name}_expand1x1"), wide], dim=1)

    def _pooled(self, maps: Tensor) -> Tensor:
        return F.max_pool2d(maps, 3, 2, ceil_mode=True) if self.is_max else F.avg_pool2d(maps, 3, 2, ceil_mode=True)


def _normalised(pictures: Tensor) -> Tensor:
    """By ImageNet's colour statistics, as torchvision's networks were trained."""
    mean, deviation = (pictures.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (pictures - mean) / deviation


def _vgg_layers() -> dict[str, Layer]:
    layers, stride, reach = dict[str, Layer](), 1, 0
    for block, (channels, depth) in enumerate(VGG_BLOCKS, 1):
        for place in range(1, depth + 1):
            reach += stride
            layers[f"conv{block}_{place}"] = Layer(channels, stride, reach)
        stride *= 2
    return layers


def _vgg_places() -> list[str]:
    """Where torchvision's `features` has these convolutions, among ReLUs and pooling."""
    places, place = list[str](), 0
    for _, depth in VGG_BLOCKS:
        places += [f"features.{place + 2 * number}" for number in range(depth)]
        place += 2 * depth + 1
    return places


def _squeezenet_layers() -> dict[str, Layer]:
    layers, stride, reach = {"conv1": Layer(64, 2, 1)}, 2, 1
    channels = iter(FIRE_CHANNELS)
    for name in FIRES:
        reach += stride  # 3×3 pooling, and the 3×3 half of a fire module
        if name == "pool":
            stride *= 2
        else:
            layers[name] = Layer(next(channels), stride, reach)
    return layers


def _renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str], path: Path, network: str) -> dict[str, Tensor]:
    """Weight and bias of every convolution under our name."""
    wanted = {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in names.items() for part in ("weight", "bias")}
    if lacking := [theirs for theirs in wanted.values() if theirs not in tensors]:
        first = ", ".join(list(tensors)[:3])
        raise I2IError(f"{path}: not the {network}: it lacks {lacking[0]}; it begins with {first}")
    return {ours: tensors[theirs] for ours, theirs in wanted.items()}
