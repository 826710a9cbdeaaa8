"""How fast convolutions and the disk are, found out in about two seconds."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

import torch
from torch import nn

from i2i.training.runtime import Runtime

PRECISIONS = ("fp32", "bf16")
SECONDS = 1.5
"""For the convolutions, warming up included where that is quick."""
ROUNDS = 3
"""Of each precision at least."""
WIDTH, LAYERS = 64, 4
"""Channels and layers of what is timed: the inner part of a light generator."""
SIDES = {"cpu": (1, 128), "cuda": (16, 256), "mps": (4, 128)}
"""Pictures at a time and their side, by device."""
DISK_SECONDS, DISK_BLOCK, DISK_BLOCKS = 0.3, 2**22, 8


@dataclass(frozen=True)
class Speed:
    """What was measured; the machine may have been busy with something else."""

    device: str
    gigaflops: dict[str, float]
    """Precision → billions of floating-point operations a second in 3×3 convolutions, a multiplication and an addition
    being two."""
    write: float | None
    """Bytes a second to the disk of the runs; None where nothing can be written."""
    read: float | None
    """Bytes a second from it; None where only the operating system's memory of it could be read."""

    @property
    def gain(self) -> float:
        """How many times as fast as fp32 bf16 is."""
        return self.gigaflops["bf16"] / self.gigaflops["fp32"]


def measured(folder: Path, seconds: float = SECONDS) -> Speed:
    """Of the best device, and of the disk that `folder` lies on; nothing stays there."""
    device = Runtime.choose().device
    write, read = _disk(folder)
    return Speed(device.type, convolutions(device, seconds), write, read)


def convolutions(device: torch.device, seconds: float) -> dict[str, float]:
    """Precision → GFLOP/s. The precisions take turns, so that what else the machine does slows both; medians count."""
    batch, side = SIDES[device.type]
    network = nn.Sequential(*(nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(LAYERS))).to(device)
    pictures = torch.zeros(batch, WIDTH, side, side, device=device)
    operations = 2 * batch * LAYERS * WIDTH * WIDTH * 9 * side * side
    taken: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    end = time.monotonic() + seconds
    for precision in cycle(PRECISIONS):
        began = time.perf_counter()
        with torch.no_grad(), Runtime(device, precision).autocast():
            network(pictures)
        _wait_for(device)
        taken[precision].append(time.perf_counter() - began)
        if precision == PRECISIONS[-1] and time.monotonic() > end and len(taken[precision]) > ROUNDS:
            break
    return {precision: operations / median(times[1:]) / 1e9 for precision, times in taken.items()}  # the first warms up


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _disk(folder: Path) -> tuple[float | None, float | None]:
    """Bytes a second written, through to the disk, and read."""
    with suppress(OSError), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        began = time.perf_counter()
        written = sum(file.write(block) for block in _blocks(began + DISK_SECONDS))
        os.fsync(file.fileno())
        write = written / (time.perf_counter() - began)
        if not hasattr(os, "posix_fadvise"):
            return write, None
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        began, read = time.perf_counter(), 0
        while time.perf_counter() < began + DISK_SECONDS and (piece := file.read(DISK_BLOCK)):
            read += len(piece)
        return write, read / (time.perf_counter() - began)
    return None, None


def _blocks(end: float) -> Iterator[bytes]:
    for _ in range(DISK_BLOCKS):
        yield os.urandom(DISK_BLOCK)  # a disk that compresses gains nothing
        if time.perf_counter() > end:
            return
