"""What losses are tried on, and whether a gradient is the slope of what it is the gradient of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from i2i.testing.checks import Skipped, require

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 64
"""Of the pictures that are compared: networks that look at them take no smaller ones."""
LEVELS = (0.5, -0.5)
"""Of logits: between the targets 0 and 1, and between -1 and 0."""
SHIFT, ALLOWED = 1e-7, 1e-3


def two_batches(side: int = SIDE) -> tuple[Tensor, Tensor]:
    """Two batches (2, 3, side, side) in [0, 1]."""
    import torch

    chance = torch.Generator().manual_seed(0)
    one, other = torch.rand(2, 2, 3, side, side, generator=chance)
    return one, other


def both_logits(level: float = LEVELS[0]) -> tuple[Tensor, Tensor]:
    """Of generated and of real pictures, (4, 1, 3, 3), a little above a level."""
    import torch

    fake, real = level + 0.2 * torch.rand(2, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    return fake, real


def smooth_judge(double: bool = False) -> tuple[Callable[..., Tensor], Tensor]:
    """A smooth function of pictures (B, 3, H, W) → (B, 1, h, w), and its one parameter."""
    import torch
    from torch.nn.functional import conv2d

    weight = 0.3 * torch.randn(2, 3, 3, 3, generator=torch.Generator().manual_seed(1))
    weight = (weight.double() if double else weight).requires_grad_()

    def judge(pictures: Tensor, kernel: Tensor = weight) -> Tensor:
        return conv2d(pictures, kernel).tanh().sum(1, keepdim=True)

    return judge, weight


def require_number(side: str, answer: Any) -> None:
    """Raise `AssertionError` where an answer is no finite 0-dim number."""
    import torch

    require(isinstance(answer, torch.Tensor), f"{side} answers {type(answer).__name__}, no tensor")
    require(answer.shape == (), f"{side} answers {tuple(answer.shape)}, not one number (0-dim)")
    require(answer.is_floating_point(), f"{side} answers {answer.dtype}, not floating point")
    value = float(answer.detach())
    require(math.isfinite(value), f"{side} answers {value} for ordinary values")


def require_slope(side: str, function: Callable[[Tensor], Any], place: Tensor) -> None:
    """The gradient along three directions is what two nearby values say, all in float64."""
    import torch

    def value(at: Tensor) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # a loss may draw: the same numbers everywhere
            return function(at)

    learned = place.clone().requires_grad_()
    answer = value(learned)
    if answer.dtype != torch.float64:
        raise Skipped(f"it computes in {str(answer.dtype).removeprefix('torch.')} whatever it is given")
    require(answer.requires_grad, f"{side}: its answer has no gradient")
    (gradient,) = torch.autograd.grad(answer, learned, allow_unused=True)
    gradient = torch.zeros_like(place) if gradient is None else gradient
    chance = torch.Generator().manual_seed(2)
    for _ in range(3):
        direction = torch.randn(place.shape, generator=chance, dtype=torch.float64)
        ahead, behind = value(place + SHIFT * direction), value(place - SHIFT * direction)
        numerical, told = float((ahead - behind).detach()) / (2 * SHIFT), float((gradient * direction).sum())
        scale = max(abs(numerical), abs(told), 1e-6 * float(gradient.norm()), 1e-9)
        require(
            abs(numerical - told) <= ALLOWED * scale,
            f"{side}: along one direction its gradient says {told:.6g}, its values say {numerical:.6g}",
        )
