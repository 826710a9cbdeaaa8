"""Optimizers as they are fastest where they run: Adam in one kernel on CUDA, moments laid out as their parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer


def settle(optimizer: Optimizer, device: torch.device, made_with: Iterable[dict[str, Any]] = ()) -> None:
    """Fuse what can be fused on this device, and bring what the optimizer remembers to where it is then looked for.

    `made_with` are the groups of before a state from another machine was loaded: whether a group is fused is up to this
    one. What its maker has chosen, `foreach` or `fused`, stays.
    """
    for group, before in zip(optimizer.param_groups, made_with, strict=False):
        group.update({name: before[name] for name in ("fused", "foreach") if name in before})
    if device.type == "cuda" and type(optimizer) in (Adam, AdamW):
        for group in optimizer.param_groups:
            chosen = (group["fused"], group["foreach"], group["capturable"] or None, group["differentiable"] or None)
            if chosen == (None,) * 4 and not isinstance(group["lr"], Tensor):
                group["fused"] = True
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name, value in state.items():
                if isinstance(value, Tensor):
                    state[name] = _placed(name, value, parameter, group)


def masks_itself(optimizer: Optimizer) -> bool:
    """Whether its step looks at `found_inf`, as torch's gradient scaler has it, and changes nothing where that is 1."""
    return type(optimizer) in (Adam, AdamW) and all(group["fused"] for group in optimizer.param_groups)


def _placed(name: str, value: Tensor, parameter: Tensor, group: dict[str, Any]) -> Tensor:
    if name == "step":  # Adam's count lies on the CPU unless a kernel reads it
        return value.to(parameter.device if group.get("fused") or group.get("capturable") else "cpu")
    if value.shape == parameter.shape and value.stride() != parameter.stride():
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    return value
