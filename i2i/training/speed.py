"""How fast a device's convolutions are, and when it has done what it was given."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median

import torch
from torch import nn

from i2i.training.runtime import Runtime, has_bf16

ROUNDS = 3
"""Of each precision at least."""
LAYERS = 4


@dataclass(frozen=True)
class Work:
    """3×3 convolutions, one after the other."""

    pictures: int
    channels: int
    side: int
    channels_last: bool = False

    def __str__(self) -> str:
        order = "channels last" if self.channels_last else "channels first"
        return f"{self.pictures} × {self.channels} × {self.side} × {self.side}, {order}"


LIGHT = {"cpu": Work(1, 64, 128), "cuda": Work(16, 64, 256), "mps": Work(4, 64, 128)}
"""The inner part of a light generator, by device."""


def precisions_of(device: torch.device) -> tuple[str, ...]:
    """Those that the hardware has. bf16 that is emulated is a hundred times slower than fp32."""
    return ("fp32", "bf16") if has_bf16(device) else ("fp32",)


def convolutions(
    device: torch.device, seconds: float, precisions: Sequence[str], work: Work | None = None
) -> dict[str, float]:
    """Precision → GFLOP/s, a multiplication and an addition being two operations.

    The precisions take turns, so that what else the machine does slows all; medians count.
    """
    work = work or LIGHT[device.type]
    memory_format = torch.channels_last if work.channels_last else torch.contiguous_format
    layers = (nn.Conv2d(work.channels, work.channels, 3, padding=1) for _ in range(LAYERS))
    network = nn.Sequential(*layers).to(device).to(memory_format=memory_format)
    pictures = torch.zeros(work.pictures, work.channels, work.side, work.side, device=device)
    pictures = pictures.to(memory_format=memory_format)
    operations = 2 * work.pictures * LAYERS * work.channels**2 * 9 * work.side**2
    taken: dict[str, list[float]] = {precision: [] for precision in precisions}
    end = time.monotonic() + seconds
    for precision in cycle(precisions):
        began = time.perf_counter()
        with torch.no_grad(), Runtime(device, precision).autocast():
            network(pictures)
        wait_for(device)
        taken[precision].append(time.perf_counter() - began)
        if precision == precisions[-1] and time.monotonic() > end and len(taken[precision]) > ROUNDS:
            break
    return {precision: operations / median(times[1:]) / 1e9 for precision, times in taken.items()}  # the first warms up


def wait_for(device: torch.device) -> None:
    """Until all is computed that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
