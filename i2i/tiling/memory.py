"""How much memory there is, how much this process has taken, and how it is given back."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from i2i.errors import UsageError

if TYPE_CHECKING:
    import torch

LARGE = 2**20
"""Bytes of a block that `settle` has glibc ask of the kernel, and give back, by itself."""

_PREFIXES = {"K": 1, "M": 2, "G": 3, "T": 4}
_AMOUNT = re.compile(r"(\d{1,12}(?:\.\d*)?|\.\d+)\s*([KMGT])(i?)B?", re.IGNORECASE)
_MALLOPT_TRIM_THRESHOLD, _MALLOPT_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def parsed(text: str) -> int:
    """Bytes, from an amount such as `3GB`, `800M` or `1.5GiB`; GB are thousands of MB, GiB 1024 MiB.

    Raises `UsageError` for anything else, and for less than one byte.

    >>> parsed("800M"), parsed("1.5 GiB")
    (800000000, 1610612736)
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found:
        base = 1024 if found[3] else 1000
        if (amount := int(float(found[1]) * base ** _PREFIXES[found[2].upper()])) > 0:
            return amount
    raise UsageError(f"'{text}' is no amount of memory: give a number and its unit, such as 3GB, 800M or 1.5GiB")


def spelled(amount: int) -> str:
    """An amount of bytes as people read it, rounded up, so that as much is enough.

    >>> spelled(1_234_000_000), spelled(66_000_001)
    ('1.3GB', '67MB')
    """
    if amount > 999 * 1000**2:
        return f"{-(-amount // 100_000_000) / 10:.1f}GB"
    return f"{-(-amount // 1000**2)}MB"


def free(device: torch.device) -> int:
    """Bytes that may still be taken on a device: for the CPU what neither the machine nor a control group denies."""
    import torch

    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # this process holds it
        return torch.cuda.mem_get_info(device)[0] + unused
    available = psutil.virtual_memory().available
    if device.type == "mps":
        return min(available, torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory())
    return min([available, *control_group_room()])


def control_group_room(root: Path = Path("/")) -> Iterator[int]:
    """Bytes left below each memory limit of this process's control groups (containers, batch queues), if any.

    What the page cache could give back counts as left. Both versions of Linux control groups are read.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        if not controllers:
            for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                yield from _rooms(root / mount, own, ("memory.max", "memory.high"), "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            limits, used = ("memory.limit_in_bytes",), "memory.usage_in_bytes"
            yield from _rooms(root / "sys/fs/cgroup/memory", own, limits, used, "total_inactive_file")


def anonymous() -> int:
    """Bytes that this process has taken and no file backs, in memory or swapped out: what a memory budget is about."""
    taken = _status("RssAnon") if sys.platform == "linux" else None
    if taken is None:
        return int(psutil.Process().memory_full_info().uss)
    return taken + (_status("VmSwap") or 0)


def settle() -> bool:
    """Have glibc give back every block of more than `LARGE` bytes as soon as it is freed; False where it is not glibc.

    By itself it learns to keep freed blocks of up to 32 MB, which layers of different sizes then cut to pieces: four
    512×512 tiles through the ResNet of nine blocks took 383 MB, more with each, and 232 MB with this (measured as told
    in `footprint.SAFETY`). In return the kernel clears blocks of 1 to 32 MB anew each time: for tiles of 256×256
    that took 5 to 25 percent more of the processor's time, from 512×512 on none. It lasts as long as the process; only
    whoever owns that should ask for it.
    """
    library = _glibc()
    if library is None:
        return False
    library.mallopt(_MALLOPT_TRIM_THRESHOLD, 2 * LARGE)
    return bool(library.mallopt(_MALLOPT_MMAP_THRESHOLD, LARGE))


def trim() -> None:
    """Give back what was freed and is still held: glibc's heaps, a GPU's cached blocks."""
    import torch

    if (library := _glibc()) is not None:
        library.malloc_trim(0)
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def _glibc() -> Any:
    """The C library, or None where it is another."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def _rooms(mount: Path, own: str, limits: tuple[str, ...], used: str, cache: str) -> Iterator[int]:
    """Below each limit of a group and of those around it; in a container the outermost is the container's own."""
    group = mount / own.strip("/")
    for folder in (group, *group.parents):
        taken = _number(folder / used)
        if taken is not None:
            cached = _cached(folder / "memory.stat", cache)
            bounds = [limit for name in limits if (limit := _number(folder / name)) is not None]
            yield from (max(0, limit - taken + cached) for limit in bounds)
        if folder == mount:
            return


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None  # else "max"


def _cached(path: Path, name: str) -> int:
    try:
        fields = dict(line.split(None, 1) for line in path.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(fields.get(name, 0))


def _status(field: Literal["RssAnon", "VmSwap"]) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:")), None)
