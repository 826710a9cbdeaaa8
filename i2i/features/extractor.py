"""What feature networks have in common: maps of a picture by the name of their layer, and how far each layer sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from i2i.errors import UsageError

SIZES = (1024, 512, 256, 128)
"""Octaves: pixels of a picture's side."""

LINEAR = ":linear"
"""What the name of a layer ends in where its maps are wanted before its ReLU."""


@dataclass(frozen=True)
class Layer:
    """One layer's map, as the picture sees it."""

    channels: int
    stride: int
    """Pixels of the picture from one position of the map to the next; position 0 begins at pixel 0."""
    reach: int
    """Pixels beyond its own `stride` pixels, on each side, that can influence a position."""


class FeatureExtractor(nn.Module):
    """A frozen network whose maps describe pictures. What it loads is no part of any checkpoint or weights file."""

    layers: Mapping[str, Layer]
    """What there is to ask for; after `prepare`, what the file that was read has."""
    style_layers: Mapping[str, float] = MappingProxyType({})
    """The layers whose Gram matrices describe a style well, with their weights; none where nobody has found any."""
    content_layers: Mapping[str, float] = MappingProxyType({})
    """The layers whose maps tell what is in a picture, with their weights; none where nobody has found any."""
    compared_layers: Mapping[str, float] = MappingProxyType({})
    """The layers by whose maps a picture is compared with the one that it should be, with their weights."""
    compared_scale: float | None = None
    """What their maps are multiplied by before; None where nobody has published any such number."""
    variation: float = 0.0
    """The weight of the total variation that keeps a canvas free of grain that these features do not see."""
    smallest: int
    """Pixels of the shorter side that every layer still has a map of."""
    sizes: tuple[int, ...] = SIZES
    """Pixels of a picture's side at each octave."""
    learns: bool = False
    """Whether `learn` must see pictures before there are features."""
    loaded: Mapping[str, str] = MappingProxyType({})
    """The files that `prepare` read, by name, with their SHA-256."""

    remark: str = ""
    """One line for the user: which features these are."""

    def prepare(self) -> None:
        """Read the weights, where there are any. Raises `I2IError` where they cannot be had."""

    def refuse_unknown(self, layers: Collection[str], where: str = "layers") -> None:
        """Raise `UsageError`, which begins with `where`, for a layer that there is not."""
        if unknown := sorted(set(layers) - self.layers.keys()):
            raise UsageError(f"{where}: these features have no {', '.join(unknown)} (known: {self.known})")

    @property
    def known(self) -> str:
        """The layers, for messages."""
        return ", ".join(self.layers)

    def learn(self, pictures: Sequence[Tensor], scale: float = 1.0) -> None:
        """Learn the features from pictures (1, 3, H, W) in [0, 1]; only where it `learns`.

        At each octave they are described at `scale` times its size.
        """
        raise NotImplementedError

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        """(B, 3, H, W) in [0, 1] → layer → (B, channels, H / stride, W / stride), differentiable.

        `octave` says which of the `sizes` the picture stands for, which matters to features that were learned at each.
        Raises `UsageError` for a layer that there is not.
        """
        raise NotImplementedError


def comparable(prediction: Tensor, target: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    """Both (B, 1 or 3, H, W) → (B, 3, H, W) in full precision, grey ones repeated.

    Raises `UsageError` where they differ in shape or a side is below `smallest` pixels.
    """
    if prediction.shape != target.shape or prediction.dim() != 4 or prediction.shape[1] not in (1, 3):
        found = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
        raise UsageError(f"features compare two batches (B, 1 or 3, H, W) of one shape; found {found}")
    height, width = prediction.shape[2:]
    if min(height, width) < smallest:
        raise UsageError(
            f"these features need pictures of {smallest} or more pixels on each side; found {width}×{height}: "
            "take larger pictures, or other features"
        )
    return in_full_precision(prediction).expand(-1, 3, -1, -1), in_full_precision(target).expand(-1, 3, -1, -1)


def in_full_precision(tensor: Tensor) -> Tensor:
    """The same in float32, or float64 if it is that already."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
