"""Latents that are a function of their seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def normal_latents(seeds: Sequence[int], shape: Sequence[int]) -> Tensor:
    """N(0, 1), (len(seeds), *shape), float32 on the CPU; row i is a function of seeds[i] alone."""
    import torch

    rows = [torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows) if rows else torch.empty(0, *shape)
