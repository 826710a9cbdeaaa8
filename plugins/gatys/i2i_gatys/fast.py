"""Paints photos in one pass, in the one style that the network learned; and reads networks that others published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from i2i import Geometry, Request
from i2i_gatys import FastOptions
from i2i_gatys.network import SMALLEST, STRIDE, Network

LEVELS = 255
"""Published networks take and give pictures in [0, 255]."""
ENDS: Mapping[str, tuple[str, str]] = {
    "down.0": ("conv1", "in1"),
    "down.1": ("conv2", "in2"),
    "down.2": ("conv3", "in3"),
    "up.0": ("deconv1", "in4"),
    "up.1": ("deconv2", "in5"),
}
"""Our layers around the residual blocks, with the names of their convolution and norm there."""
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What instance norms of torch 0.3 wrote into a file and never used."""


class FastStyle(nn.Module):
    """`network` paints; what taught it is the trainer's."""

    def __init__(self, options: FastOptions) -> None:
        super().__init__()
        self.network = Network(options)
        margin = 4 + 1 + 2 + 8 * options.blocks + 4 + 2 + 4  # what each layer sees beyond its pixel, in input pixels
        self.geometry = Geometry(multiple_of=STRIDE, min_size=SMALLEST, margin=margin, tiling="statistics")

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same, painted."""
        painted: Tensor = self.network(images)
        return painted.clamp(0, 1)


def read_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options and state out of a `TransformerNet` of pytorch/examples (fast_neural_style), or None where it is none.

    That network computes in [0, 255]; the factor goes into its first and its last convolution.
    """
    given = {key: tensor for key, tensor in tensors.items() if not key.endswith(STATISTICS)}
    blocks = len({key.partition(".")[0] for key in given if key.startswith("res")})
    names = dict(_published_names(blocks))
    if set(names.values()) != given.keys() or given["conv1.conv2d.weight"].dim() != 4:
        return None
    state = {f"network.{ours}": given[theirs].float() for ours, theirs in names.items()}
    state["network.down.0.convolution.weight"] = state["network.down.0.convolution.weight"] * LEVELS
    for part in ("weight", "bias"):
        state[f"network.last.{part}"] = state[f"network.last.{part}"] / LEVELS
    return {"width": len(given["conv1.conv2d.weight"]), "blocks": blocks}, state


def _published_names(blocks: int) -> Iterator[tuple[str, str]]:
    """Our name of every tensor of the network, and theirs."""
    layers = dict(ENDS)
    for block in range(blocks):
        layers[f"blocks.{block}.first"] = (f"res{block + 1}.conv1", f"res{block + 1}.in1")
        layers[f"blocks.{block}.second"] = (f"res{block + 1}.conv2", f"res{block + 1}.in2")
    for part in ("weight", "bias"):
        yield f"last.{part}", f"deconv3.conv2d.{part}"
        for ours, (convolution, norm) in layers.items():
            yield f"{ours}.convolution.{part}", f"{convolution}.conv2d.{part}"
            yield f"{ours}.norm.{part}", f"{norm}.{part}"
