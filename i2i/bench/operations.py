"""How many operations a computation takes when every convolution is done directly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.flop_counter import FlopCounterMode


def gigaflops(compute: Callable[[], Any]) -> float:
    """Billions of operations in matrix products and convolutions, a multiplication and an addition being two.

    On the device `meta` nothing is computed and they are counted all the same.
    """
    with FlopCounterMode(display=False) as counter:
        compute()
    return counter.get_total_flops() / 1e9
