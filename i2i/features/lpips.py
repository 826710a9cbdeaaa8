"""How different two pictures look to people (Zhang et al. 2018, The Unreasonable Effectiveness of Deep Features)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor, nn

from i2i.errors import I2IError
from i2i.features import Backbone, LPIPSOptions
from i2i.features.alexnet import AlexNet
from i2i.features.extractor import comparable, in_full_precision
from i2i.features.published import Published, given_or_published
from i2i.features.squeezenet import SqueezeNet
from i2i.features.trained import Trained
from i2i.features.vgg import VGG16Features
from i2i.foreign import read_tensors

__all__ = ["LPIPS", "LPIPSOptions"]

NETWORKS: Mapping[Backbone, type[Trained]] = {"squeeze": SqueezeNet, "vgg": VGG16Features, "alex": AlexNet}
TAPS: Mapping[Backbone, tuple[str, ...]] = {
    "squeeze": ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
    "vgg": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
    "alex": ("conv1", "conv2", "conv3", "conv4", "conv5"),
}
"""The layers that are compared, each after its ReLU."""
PUBLISHED = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/"
HEADS: Mapping[Backbone, Published] = {
    "squeeze": Published(
        f"{PUBLISHED}squeeze.pth", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", 0.011
    ),
    "vgg": Published(f"{PUBLISHED}vgg.pth", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 0.007),
    "alex": Published(
        f"{PUBLISHED}alex.pth", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 0.006
    ),
}

DARK = 1e-10
"""The length of a place's features that counts as none."""


class LPIPS(nn.Module):
    """LPIPS 0.1, "lin": 0 for equal pictures, the larger the more different they look.

    The published shift and scale of pictures in [-1, 1] are ImageNet's colour statistics, which our networks subtract
    from pictures in [0, 1]: there is nothing more to do to them. What is loaded is no part of any checkpoint.
    """

    def __init__(self, options: LPIPSOptions) -> None:
        super().__init__()
        self.options = options
        self.taps = TAPS[options.backbone]
        instead = f"name another file of the network's weights for the LPIPS backbone '{options.backbone}'"
        self.network = NETWORKS[options.backbone](options.weights, "max", instead)
        self.smallest = self.network.smallest
        self.loaded: Mapping[str, str] = MappingProxyType({})
        """The files that `prepare` read, by name, with their SHA-256."""
        self.remark = ""
        """One line for the user: which LPIPS this is."""

    def prepare(self) -> None:
        """Read both files. Raises `I2IError` where one cannot be had, or is of another network."""
        backbone = self.options.backbone
        instead = f"name another file of the LPIPS heads for '{backbone}'"
        path, digest = given_or_published(self.options.heads, HEADS[backbone], "the LPIPS heads", instead)
        heads = self._read_heads(path)
        self.network.prepare()
        for tap, head in zip(self.taps, heads, strict=True):
            self.register_buffer(f"head_{tap}", head, persistent=False)
        self.loaded = {**self.network.loaded, f"heads {path.name}": digest}
        ((file, sha256),) = self.network.loaded.items()
        self.remark = f"LPIPS 0.1: {self.network.name} ({file}), heads {path.name}"
        if (sha256, digest) != (self.network.published.sha256, HEADS[backbone].sha256):
            self.remark += "; not the published weights: not to be compared with published figures"

    def _read_heads(self, path: Path) -> list[Tensor]:
        tensors, heads = read_tensors(path), []
        for number, tap in enumerate(self.taps):
            name, channels = f"lin{number}.model.1.weight", self.network.layers[tap].channels
            if name not in tensors or tensors[name].shape != (1, channels, 1, 1):
                found = tuple(tensors[name].shape) if name in tensors else "no such tensor"
                raise I2IError(
                    f"{path}: not the heads of LPIPS 0.1 for '{self.options.backbone}': "
                    f"{name} must be (1, {channels}, 1, 1), found {found}"
                )
            heads.append(tensors[name].float())
        return heads

    def distances(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1], twice → (B,) in float32; equation 1 of the paper, summed over the layers.

        No gradient reaches the target. Raises `UsageError` where the two differ in shape or are too small.
        """
        prediction, target = comparable(prediction, target, self.smallest)
        with torch.no_grad():
            goals = self.network(target, self.taps)
        maps = self.network(prediction, self.taps)
        layers = [self._layer(tap, maps[tap], goals[tap]) for tap in self.taps]
        return torch.stack(layers).sum(0)

    def _layer(self, tap: str, maps: Tensor, goals: Tensor) -> Tensor:
        squares = (_of_length_1(maps) - _of_length_1(goals)).square()  # (B, C, H, W)
        return (squares * self.get_buffer(f"head_{tap}")).sum(1).mean((1, 2))


def _of_length_1(maps: Tensor) -> Tensor:
    """Of each place's features, in float32 also under autocast; a place without any stays at 0, with finite slopes."""
    maps = in_full_precision(maps)
    lengths = maps.square().sum(1, keepdim=True).clamp_min(DARK**2).sqrt()
    return maps / (lengths + DARK)
