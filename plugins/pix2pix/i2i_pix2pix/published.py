"""Generators to and from the published PyTorch code (`latest_net_G.pth`), whose layers have the same names as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from i2i import UsageError, published_generator

AS_PUBLISHED: Mapping[str, Any] = {"upsampling": "transposed", "norm": "batch", "answers": "picture"}
"""What a file need not tell, as it is never otherwise there."""


def read_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options and state, or None for other tensors. Generators with instance norms are CycleGAN's.

    Whether a U-Net has dropout is not in its file; the recipe says it.
    """
    found = published_generator(tensors)
    if found is None or found.norm != "batch":
        return None
    told: dict[str, Any] = {"generator": found.kind, "width": found.width, **AS_PUBLISHED}
    if found.dropout is not None:
        told["dropout"] = found.dropout
    return told, {f"generator.{key}": tensor for key, tensor in found.state.items()}


def write_published(
    options: Mapping[str, Any], state: Mapping[str, Tensor], translate: Mapping[str, Any]
) -> dict[str, Tensor]:
    """As the published code loads it. Raises `UsageError` where the generator is built otherwise."""
    other = [name for name, value in AS_PUBLISHED.items() if options[name] != value]
    if other:
        found, needed = _spelled({name: options[name] for name in other}), _spelled(AS_PUBLISHED)
        raise UsageError(f"the published code has no generator with {found}; it needs {needed}")
    return {key.removeprefix("generator."): tensor for key, tensor in state.items()}


def _spelled(options: Mapping[str, Any]) -> str:
    return ", ".join(f"model.{name}={str(value).lower()}" for name, value in options.items())
