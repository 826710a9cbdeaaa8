"""Processor and memory, and how much of them this process may use."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from i2i.tiling.memory import control_group_room


@dataclass(frozen=True)
class Machine:
    """What computes when no GPU does."""

    platform: str
    cpu: str
    cores: int
    """Physical ones."""
    logical_cores: int
    usable_cores: float
    """That this process may use, by its affinity and the quota of its control groups, which may be 1.5 cores."""
    memory: int
    """Bytes."""
    free_memory: int
    """Bytes that neither the machine nor a control group denies."""


def machine() -> Machine:
    """This one."""
    logical = psutil.cpu_count() or 1
    memory = psutil.virtual_memory()
    return Machine(
        platform=platform.platform(),
        cpu=_cpu(),
        cores=psutil.cpu_count(logical=False) or logical,
        logical_cores=logical,
        usable_cores=min([len(_affinity(logical)), *cpu_quotas()]),
        memory=memory.total,
        free_memory=min([memory.available, *control_group_room()]),
    )


def cpu_quotas(root: Path = Path("/")) -> Iterator[float]:
    """Cores' worth of time that each of this process's control groups, and those above them, may take.

    Both versions of Linux control groups are read.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, own = line.split(":", 2)
        for group in (PurePosixPath(own), *PurePosixPath(own).parents):
            below = str(group).lstrip("/")
            if not controllers:
                yield from _quota(_words(root / "sys/fs/cgroup" / below / "cpu.max"))
            elif "cpu" in controllers.split(","):
                place = root / "sys/fs/cgroup/cpu" / below
                yield from _quota(_words(place / "cpu.cfs_quota_us") + _words(place / "cpu.cfs_period_us"))


def _quota(words: list[str]) -> Iterator[float]:
    """From `150000 100000`: microseconds of each period; `max` and -1 are no limit."""
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]):
        yield int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _affinity(logical: int) -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(logical))


def _cpu() -> str:
    """What the processor calls itself."""
    if sys.platform == "linux":
        for line in _lines(Path("/proc/cpuinfo")):
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
