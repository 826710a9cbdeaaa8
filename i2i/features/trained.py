"""What networks that were trained to recognise what is in a picture have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from i2i.errors import I2IError
from i2i.features.convolutional import Convolutional
from i2i.features.published import Published, given_or_published
from i2i.foreign import read_tensors

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


class Trained(Convolutional):
    """A network whose weights come from a file: the one given, or the published one.

    `instead` says what else would work where the published one cannot be had.
    """

    name: str
    """Of the network, as options and messages have it."""
    published: Published

    def __init__(self, weights: str | None, pooling: str, instead: str) -> None:
        super().__init__(pooling)
        self.weights, self.instead = weights, instead

    def prepare(self) -> None:
        """Read the file."""
        path, digest = given_or_published(self.weights, self.published, f"the weights of {self.name}", self.instead)
        self.keep(self.read(read_tensors(path), path))
        self._try(path)
        self.loaded = {path.name: digest}
        self.remark = f"features: {self.name} ({path.name})"

    def _try(self, path: Path) -> None:
        """Raise `I2IError` where the names fit, but not the shapes."""
        try:
            with torch.no_grad():
                self(torch.zeros(1, 3, self.smallest, self.smallest), self.layers.keys())
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise I2IError(f"{path}: its tensors are not of the shapes of {self.name}: {reason}") from error

    def read(self, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
        """Our name → tensor of all that the network needs. Raises `I2IError` where the file lacks it."""
        raise NotImplementedError


def normalised(pictures: Tensor) -> Tensor:
    """By ImageNet's colour statistics, as torchvision's networks were trained."""
    mean, deviation = (pictures.new_tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return (pictures - mean) / deviation


def renamed(tensors: Mapping[str, Tensor], names: Mapping[str, str], path: Path, network: str) -> dict[str, Tensor]:
    """Weight and bias of every convolution under our name. Raises `I2IError` where one is lacking."""
    wanted = {f"{ours}.{part}": f"{theirs}.{part}" for ours, theirs in names.items() for part in ("weight", "bias")}
    if lacking := [theirs for theirs in wanted.values() if theirs not in tensors]:
        first = ", ".join(list(tensors)[:3])
        raise I2IError(f"{path}: not the {network}: it lacks {lacking[0]}; it begins with {first}")
    return {ours: tensors[theirs] for ours, theirs in wanted.items()}
