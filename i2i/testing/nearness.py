"""Whether answers are pictures, and whether two of them are the same but for rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from i2i.testing.checks import require

if TYPE_CHECKING:
    from torch import Tensor

SLACK = 1e-4
"""How far beyond [0, 1] an answer may lie."""


def require_pictures(answer: Any, shape: Sequence[int]) -> None:
    """Raise `AssertionError` where an answer is no tensor of this shape, finite and in [0, 1]."""
    import torch

    require(isinstance(answer, torch.Tensor), f"answers {type(answer).__name__}, no tensor")
    require(tuple(answer.shape) == tuple(shape), f"answers {tuple(answer.shape)}, expected {tuple(shape)}")
    require(answer.is_floating_point(), f"answers {answer.dtype}, not floating point")
    require(bool(answer.isfinite().all()), "answers numbers that are not finite")
    least, most = float(answer.min()), float(answer.max())
    require(least >= -SLACK and most <= 1 + SLACK, f"answers from {least:.4g} to {most:.4g}, not in [0, 1]")


def require_close(one: Tensor, other: Tensor, what: str, slack: float = 1e-5, share: float = 1e-3) -> None:
    """Raise `AssertionError` where two pictures differ by more than rounding does."""
    require(one.shape == other.shape, f"{what} ({tuple(one.shape)} and {tuple(other.shape)})")
    spread = float(other.max() - other.min())
    differs = float((one - other).abs().max())
    require(differs <= slack + share * spread, f"{what} (they differ by up to {differs:.2g})")
