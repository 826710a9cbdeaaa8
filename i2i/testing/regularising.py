"""Checks of what keeps a discriminator smooth: a regulariser, or the penalty of an adversarial loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from i2i.testing.checks import Skipped, require
from i2i.testing.slopes import require_number, require_slope, smooth_judge, two_batches

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.testing.losses import Loss


def takes_any_function(loss: Loss) -> None:
    """A regulariser is handed a closure, not a module."""
    _require_number_of_any_function("forward", loss.module())


def reaches_the_parameters(loss: Loss) -> None:
    """Of the function that a regulariser is handed."""
    _require_reached("forward", loss.module())


def slope_of_regulariser(loss: Loss) -> None:
    """With respect to a parameter of the function."""
    _require_slope_along_a_parameter("forward", loss.module(double=True))


def comes_every_so_many_steps(loss: Loss) -> None:
    """A game computes a regulariser in every step that `every` divides."""
    every = getattr(loss.module(), "every", 1)
    require(type(every) is int and every >= 1, f"its `every` is {every!r}: steps, a whole number from 1 up")


def penalty_regularises(loss: Loss) -> None:
    """What an adversarial loss adds to its discriminator's side keeps what a regulariser keeps."""
    if not hasattr(loss.module(), "penalty"):
        raise Skipped("it has no penalty of its own")
    (real, fake), (judge, _) = two_batches(8), smooth_judge()
    if loss.module().penalty(judge, real, fake) is None:
        raise Skipped("as its options are, it has no penalty")
    _require_number_of_any_function("penalty", loss.module().penalty)
    _require_reached("penalty", loss.module().penalty)
    _require_slope_along_a_parameter("penalty", loss.module(double=True).penalty)


def _require_number_of_any_function(side: str, regularise: Callable[..., Any]) -> None:
    (real, fake), (judge, _) = two_batches(8), smooth_judge()
    require_number(side, regularise(lambda pictures: judge(pictures), real, fake))


def _require_reached(side: str, regularise: Callable[..., Any]) -> None:
    (real, fake), (judge, weight) = two_batches(8), smooth_judge()
    regularise(judge, real, fake).backward()
    reached = weight.grad is not None and bool(weight.grad.abs().sum() > 0)
    require(
        reached, f"{side}: no gradient reaches the function's parameters: what is it that learns? (create_graph=True)"
    )


def _require_slope_along_a_parameter(side: str, regularise: Callable[..., Any]) -> None:
    real, fake = (picture.double() for picture in two_batches(8))
    judge, weight = smooth_judge(double=True)

    def changed(other: Tensor) -> Any:
        return regularise(lambda pictures: judge(pictures, other), real, fake)

    require_slope(side, changed, weight.detach())
