"""The most memory that a process, or its device, has held since one last asked to begin afresh."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import torch

from i2i.training.runtime import Runtime

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def begin(device: torch.device) -> None:
    """Forget what was held before, where the system can: Linux and CUDA."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        CLEAR.write_text("5")  # sets the peak to what is resident now


def peak(device: torch.device) -> int:
    """Bytes: of a GPU those that were allocated, else those of the process that were resident.

    Not `ru_maxrss` where Linux tells more: that begins with what the parent process held.
    """
    if device.type == "cpu":
        with suppress(OSError, StopIteration):
            lines = STATUS.read_text().splitlines()
            return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return Runtime(device, "fp32").memory()
