"""What one call of `translate` or `sample` is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from i2i.contracts.specs import Options

if TYPE_CHECKING:
    from torch import Tensor


def _silent(fraction: float, **scalars: float) -> None:
    """Nobody asked to hear of progress."""


def unseen(iteration: int, images: Tensor) -> None:
    """Nobody asked to see pictures on their way; whoever makes them only to show them may look for this."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Frozen; grows by defaulted fields."""

    options: Options = field(default_factory=Options)
    """An instance of the model spec's `translate_options`."""
    seeds: tuple[int, ...] = ()
    """One a picture of the batch: all the chance there is in its translation."""
    mask: Tensor | None = None
    """(B, 1, H, W): 1 where a model that fills (`Geometry.fills`) is to paint, 0 elsewhere; None for all others."""
    report: Callable[..., None] = _silent
    """`report(fraction, **scalars)`: how far this batch is, in [0, 1]."""
    show: Callable[[int, Tensor], None] = unseen
    """`show(iteration, images)`: what the batch looks like after so many iterations, (B, 3, h, w) in [0, 1], perhaps
    smaller than asked for."""
