"""Generators to and from pytorch/examples (`netG_epoch_24.pth`), whose layers have the same numbers as ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i import UsageError
from i2i_dcgan import ModelOptions
from i2i_dcgan.networks import Generator

THEIRS, OURS = "main.", "generator.layers."
KERNEL = re.compile(r"main\.\d{1,3}\.weight")
COUNT = "num_batches_tracked"
"""What batch norms of torch before 0.4 lack."""
AS_PUBLISHED: Mapping[str, Any] = {"kernel": 4, "bias": False, "distribution": "normal", "upsampling": "transposed"}
"""What a file need not tell, as it is never otherwise there."""
SIDES = {3: 16, 4: 32, 5: 64, 6: 128}
"""Of the pictures, by how many convolutions make them; the published generator has 5."""


def read_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options and state, or None for other tensors."""
    kernels = [(key, tensor) for key, tensor in tensors.items() if KERNEL.fullmatch(key) and tensor.dim() == 4]
    kernels.sort(key=lambda item: int(item[0].split(".")[1]))
    if len(kernels) not in SIDES or not all(tensor.numel() for _, tensor in kernels):
        return None
    (latent, *_), (width, channels, *_) = kernels[0][1].shape, kernels[-1][1].shape  # inputs before outputs
    if channels not in (1, 3):
        return None
    told = {"size": SIDES[len(kernels)], "channels": channels, "width": width, "latent": latent}
    options = {**told, **AS_PUBLISHED, "classes": ()}
    state = {OURS + key.removeprefix(THEIRS): tensor for key, tensor in tensors.items()}
    wanted = _shapes(ModelOptions.model_validate(options))
    state |= {key: torch.tensor(0) for key in wanted if key.endswith(COUNT) and key not in state}
    if {key: tensor.shape for key, tensor in state.items()} != wanted:
        return None
    return options, {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}


def write_published(
    options: Mapping[str, Any], state: Mapping[str, Tensor], translate: Mapping[str, Any]
) -> dict[str, Tensor]:
    """As pytorch/examples loads it. Raises `UsageError` where the generator is built otherwise."""
    needed = {**AS_PUBLISHED, "size": 64}
    other = [name for name, value in needed.items() if options[name] != value]
    if options["classes"]:
        raise UsageError("pytorch/examples has no generator with classes")
    if other:
        found = _spelled({name: options[name] for name in other})
        raise UsageError(f"pytorch/examples has no generator with {found}; it needs {_spelled(needed)}")
    return {THEIRS + key.removeprefix(OURS): tensor for key, tensor in state.items()}


def _shapes(options: ModelOptions) -> dict[str, torch.Size]:
    """Of all that such a generator holds, without memory for it."""
    with torch.device("meta"):
        return {f"generator.{key}": tensor.shape for key, tensor in Generator(options).state_dict().items()}


def _spelled(options: Mapping[str, Any]) -> str:
    return ", ".join(f"model.{name}={str(value).lower()}" for name, value in options.items())
