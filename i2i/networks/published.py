"""Generators as the published PyTorch code of CycleGAN and pix2pix saves them, recognised by names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from i2i.contracts.geometry import LUMA
from i2i.networks.generators import ResNetGenerator, UNetGenerator

AVERAGES = ("running_mean", "running_var", "num_batches_tracked")
"""What batch norms hold, and what instance norms of torch before 0.4 wrote into a file and never used."""
DEEPEST, LONGEST = 10, 64
"""Halvings of the largest U-Net and blocks of the largest ResNet that are looked for; published: 8 and 9."""


@dataclass(frozen=True)
class PublishedGenerator:
    """What a file tells of its generator."""

    kind: str
    """`resnet-9` for nine blocks, `unet-256` for pictures of 256 pixels that come down to one."""
    width: int
    norm: Literal["instance", "batch"]
    dropout: bool | None
    """None for a U-Net, whose file does not tell."""
    state: Mapping[str, Tensor]
    """As `ResNetGenerator` or `UNetGenerator` of RGB pictures holds it. One that takes or makes grey pictures is told
    as one of RGB: it looks at luma, and gives three channels that are the same."""


def published_generator(tensors: Mapping[str, Tensor]) -> PublishedGenerator | None:
    """The generator in a `latest_net_G.pth`, or None where these are other tensors.

    Old instance norms' running statistics are left out, and counts that old batch norms lack are 0.
    """
    norm: Literal["instance", "batch"] = "batch" if any(_scales(*item) for item in tensors.items()) else "instance"
    given = {key: tensor for key, tensor in tensors.items() if norm == "batch" or not key.endswith(AVERAGES)}
    found = _resnet(given) or _unet(given)
    if found is None:
        return None
    kind, first, last, dropout = found
    turned = kind.startswith("unet")  # its last layer is a transposed convolution: inputs before outputs
    width, inputs, outputs = len(given[first]), given[first].shape[1], given[last].shape[1 if turned else 0]
    wanted = _tensors_of(kind, width, inputs, outputs, bool(dropout), norm == "batch")
    if norm == "batch":
        given |= {key: torch.tensor(0) for key in wanted.keys() - given.keys() if key.endswith(AVERAGES[-1])}
    if wanted.keys() != given.keys() or any(wanted[key].shape != given[key].shape for key in wanted):
        return None
    state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in given.items()}
    if inputs == 1:
        state[first] = torch.cat([state[first] * share for share in LUMA], 1)
    if outputs == 1:
        state[last] = torch.cat([state[last]] * 3, 1 if turned else 0)
        bias = last.replace("weight", "bias")
        state[bias] = torch.cat([state[bias]] * 3)
    return PublishedGenerator(kind, width, norm, dropout, state)


def _scales(key: str, tensor: Tensor) -> bool:
    """Whether it is the learned scale of a norm."""
    return key.endswith(".weight") and tensor.dim() == 1


def _resnet(given: Mapping[str, Tensor]) -> tuple[str, str, str, bool] | None:
    """Kind, names of the first and the last convolution, dropout: it takes a place between those of a block."""
    blocks = len({key.split(".")[1] for key in given if ".conv_block." in key})
    first, last = "model.1.weight", f"model.{16 + blocks + 1}.weight"
    if not 1 <= blocks <= LONGEST or not _convolves(given, first) or not _convolves(given, last):
        return None
    return f"resnet-{blocks}", first, last, _convolves(given, "model.10.conv_block.6.weight")


def _unet(given: Mapping[str, Tensor]) -> tuple[str, str, str, None] | None:
    """As `_resnet`; each level has a convolution down and one up."""
    levels = sum(tensor.dim() == 4 for tensor in given.values()) // 2
    first, last = "model.model.0.weight", "model.model.3.weight"
    if not 5 <= levels <= DEEPEST or not _convolves(given, first) or not _convolves(given, last):
        return None
    return f"unet-{2**levels}", first, last, None


def _convolves(given: Mapping[str, Tensor], key: str) -> bool:
    return key in given and given[key].dim() == 4 and given[key].numel() > 0


def _tensors_of(kind: str, width: int, inputs: int, outputs: int, dropout: bool, batch: bool) -> dict[str, Tensor]:
    """What such a generator holds, without memory for it."""
    name, _, number = kind.partition("-")
    make = UNetGenerator if name == "unet" else ResNetGenerator
    with torch.device("meta"):
        network = make(int(number), width, False, inputs, outputs, dropout=dropout, batch=batch)
    return network.state_dict()
