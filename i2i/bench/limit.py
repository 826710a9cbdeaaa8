"""The most that convolutions reach on a device, over several shapes and both memory formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from i2i.training.speed import LIGHT, Work, convolutions, precisions_of

SHAPES = {
    "cpu": (Work(1, 64, 128), Work(1, 256, 64), Work(8, 64, 56), Work(16, 256, 14)),
    "cuda": (Work(16, 64, 256), Work(32, 256, 64), Work(64, 512, 32)),
}
"""Of light networks, of the published ones' inner parts, and of batches, by device."""


@dataclass(frozen=True)
class Limit:
    """What a precision reaches."""

    gigaflops: float
    """Billions of operations a second, a multiplication and an addition being two."""
    work: str
    """The shape that reached it."""


def limits(device: torch.device, seconds: float, shapes: Sequence[Work] | None = None) -> dict[str, Limit]:
    """Precision that the hardware has → the best of all shapes, found out in about so many seconds."""
    plain = shapes or SHAPES.get(device.type) or (LIGHT[device.type],)
    works = [replace(work, channels_last=last) for work in plain for last in (False, True)]
    best: dict[str, Limit] = {}
    for work in works:
        for precision, rate in convolutions(device, seconds / len(works), precisions_of(device), work).items():
            if precision not in best or rate > best[precision].gigaflops:
                best[precision] = Limit(rate, str(work))
    return best
