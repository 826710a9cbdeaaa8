"""Generators to and from the published PyTorch code (`latest_net_G.pth`), whose layers have the same names as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from i2i import UsageError, published_generator

AS_PUBLISHED: Mapping[str, Any] = {"upsampling": "transposed", "residual": False, "norm": "instance"}
"""What a file need not tell, as it is never otherwise there."""


def read_published(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Options, and the state of `to_target`: which way a file translates is not in it. None for other tensors.

    Generators with batch norms are pix2pix's.
    """
    found = published_generator(tensors)
    if found is None or found.norm != "instance":
        return None
    told = {"generator": found.kind, "width": found.width, "dropout": bool(found.dropout)}
    return {**told, **AS_PUBLISHED}, {f"to_target.{key}": tensor for key, tensor in found.state.items()}


def write_published(
    options: Mapping[str, Any], state: Mapping[str, Tensor], translate: Mapping[str, Any]
) -> dict[str, Tensor]:
    """The generator of the direction in `translate`, as the published code loads it.

    Raises `UsageError` where it is built otherwise, or where these weights lack it.
    """
    other = [name for name, value in AS_PUBLISHED.items() if options[name] != value]
    if other:
        found, needed = _spelled({name: options[name] for name in other}), _spelled(AS_PUBLISHED)
        raise UsageError(f"the published code has no generator with {found}; it needs {needed}")
    part = "to_target" if translate["direction"] == "source-to-target" else "to_source"
    tensors = {key.removeprefix(f"{part}."): tensor for key, tensor in state.items() if key.startswith(f"{part}.")}
    if not tensors:
        raise UsageError(f"these weights hold no generator for the direction {translate['direction']}")
    return tensors


def _spelled(options: Mapping[str, Any]) -> str:
    return ", ".join(f"model.{name}={str(value).lower()}" for name, value in options.items())
