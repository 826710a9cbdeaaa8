"""How fast convolutions and the disk are, found out in about two seconds."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from i2i.training.runtime import Runtime
from i2i.training.speed import convolutions, precisions_of

SECONDS = 1.5
"""For the convolutions, warming up included where that is quick."""
DISK_SECONDS, DISK_BLOCK, DISK_BLOCKS = 0.3, 2**22, 8


@dataclass(frozen=True)
class Speed:
    """What was measured; the machine may have been busy with something else."""

    device: str
    gigaflops: dict[str, float]
    """Precision that the hardware has → billions of floating-point operations a second in 3×3 convolutions, a
    multiplication and an addition being two."""
    write: float | None
    """Bytes a second to the disk of the runs; None where nothing can be written."""
    read: float | None
    """Bytes a second from it; None where only the operating system's memory of it could be read."""

    @property
    def gain(self) -> float | None:
        """How many times as fast as fp32 bf16 is; None where it would be emulated."""
        return self.gigaflops["bf16"] / self.gigaflops["fp32"] if "bf16" in self.gigaflops else None


def measured(folder: Path, seconds: float = SECONDS) -> Speed:
    """Of the best device, and of the disk that `folder` lies on; nothing stays there."""
    device = Runtime.choose().device
    write, read = _disk(folder)
    return Speed(device.type, convolutions(device, seconds, precisions_of(device)), write, read)


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
