"""Chance inside networks that were written without a thought of seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from i2i import normal_latents

DRAWS = frozenset({torch.randn, torch.randn_like, Tensor.normal_})


class OfSeeds(TorchFunctionMode):
    """While entered, row i of all Gaussian noise (B, …) that is drawn is a function of seeds[i] and of what was drawn
    before it."""

    def __init__(self, seeds: Sequence[int]) -> None:
        super().__init__()
        self.seeds = seeds
        self.draws = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """The function's own answer, but for noise."""
        given = kwargs or {}
        if function not in DRAWS:
            return function(*args, **given)
        self.draws += 1
        first = args[0]
        shape = first.shape if isinstance(first, Tensor) else first
        noise = normal_latents([(seed * 1_000_003 + self.draws) % 2**63 for seed in self.seeds], shape[1:])
        if function is Tensor.normal_:
            return first.copy_(noise)
        return noise.to(first if isinstance(first, Tensor) else given.get("device"))
