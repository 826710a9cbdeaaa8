"""Generators to and from leftthomas/SRGAN (`netG_epoch_4_100.pth`: `block1` … `block8`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from i2i import UsageError
from i2i_srgan import GeneratorOptions
from i2i_srgan.generators import ResNet

LAYERS: Mapping[str, str] = {"conv1": "0", "bn1": "1", "prelu": "2", "conv2": "3", "bn2": "4"}
"""Of a residual block: their names and ours."""
COUNT = "num_batches_tracked"
"""What batch norms of torch before 0.4 lack."""
MOST_BLOCKS = 64
SCALES = (2, 4, 8)
"""What steps of ×2 give."""


def read_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options and state, or None for other tensors."""
    blocks = sum(key.endswith(".conv2.weight") for key in tensors)
    steps = sum(key.endswith(".prelu.weight") for key in tensors) - blocks
    head, closing = tensors.get("block1.0.weight"), f"block{blocks + 2}.1"
    if head is None or head.dim() != 4 or not head.numel():
        return None
    if not 1 <= blocks <= MOST_BLOCKS or not 1 <= steps <= len(SCALES):
        return None
    options: dict[str, Any] = {
        "generator": "resnet-tanh",
        "scale": 2**steps,
        "blocks": blocks,
        "width": len(head),
        "norm": "batch",
        "closing": "norm" if f"{closing}.bias" in tensors else "prelu",
    }
    wanted = _shapes(GeneratorOptions.model_validate(options))
    names = {theirs: ours for layer, own in _layers(blocks, steps) for theirs, ours in _tensors(layer, own, wanted)}
    given = {key: tensor for key, tensor in tensors.items() if not key.endswith(COUNT)}
    if {names.get(key): tensor.shape for key, tensor in given.items()} != wanted:
        return None
    state = {names[key]: tensor.float() for key, tensor in given.items()}
    counts = {f"{key.removesuffix('running_mean')}{COUNT}": torch.tensor(0) for key in state if "running_mean" in key}
    return options, state | counts


def write_published(
    options: Mapping[str, Any], state: Mapping[str, Tensor], translate: Mapping[str, Any]
) -> dict[str, Tensor]:
    """As leftthomas/SRGAN loads it. Raises `UsageError` where the generator is built otherwise."""
    if (options["generator"], options["norm"]) != ("resnet-tanh", "batch") or options["scale"] not in SCALES:
        found = ", ".join(f"model.{name}={options[name]}" for name in ("generator", "norm", "scale"))
        needed = "model.generator=resnet-tanh, model.norm=batch, model.scale=2, 4 or 8"
        raise UsageError(f"leftthomas/SRGAN has no generator with {found}; it needs {needed}")
    steps = options["scale"].bit_length() - 1
    names = {
        ours: theirs for layer, own in _layers(options["blocks"], steps) for theirs, ours in _tensors(layer, own, state)
    }
    return {names[key]: tensor for key, tensor in state.items() if key in names}


def _layers(blocks: int, steps: int) -> Iterator[tuple[str, str]]:
    """Their name of every layer, and ours."""
    yield from (("block1.0", "head.0"), ("block1.1", "head.1"))
    for block in range(blocks):
        yield from ((f"block{block + 2}.{theirs}", f"body.{block}.layers.{ours}") for theirs, ours in LAYERS.items())
    yield from ((f"block{blocks + 2}.{place}", f"body.{blocks + place}") for place in (0, 1))
    for step in range(steps):
        yield f"block{blocks + 3}.{step}.conv", f"enlarge.{3 * step}"
        yield f"block{blocks + 3}.{step}.prelu", f"enlarge.{3 * step + 2}"
    yield f"block{blocks + 3}.{steps}", "tail"


def _tensors(theirs: str, ours: str, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of one layer: their name and ours. Batches are not counted: their files and their code do without."""
    for part in ("weight", "bias", "running_mean", "running_var"):
        if (key := f"generator.{ours}.{part}") in known:
            yield f"{theirs}.{part}", key


def _shapes(options: GeneratorOptions) -> dict[str, torch.Size]:
    """Of all that such a generator holds but counts, without memory for it."""
    with torch.device("meta"):
        held = ResNet(options).state_dict()
    return {f"generator.{key}": tensor.shape for key, tensor in held.items() if not key.endswith(COUNT)}
