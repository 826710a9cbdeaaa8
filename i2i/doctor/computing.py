"""torch and the devices that it finds."""

from __future__ import annotations

import platform
import shutil
import subprocess
import warnings
from dataclasses import dataclass

import torch

from i2i.training.runtime import Runtime, has_bf16

_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""What torch calls the instructions, the fastest first."""


@dataclass(frozen=True)
class Device:
    """A GPU."""

    index: int
    name: str
    memory: int
    """Bytes in all."""
    free_memory: int
    capability: str
    """Of CUDA; empty elsewhere."""
    has_bf16: bool


@dataclass(frozen=True)
class Computing:
    """What torch is and what it computes on."""

    torch: str
    build: str
    """`CUDA 13.2`, `ROCm 7.0` or `CPU`."""
    threads: int
    """That torch computes with on the CPU."""
    cpu_has_bf16: bool
    """Whether the CPU has instructions for it; without them it is emulated, and slower than fp32."""
    cpu_bf16: str
    """Their name, or nothing."""
    devices: tuple[Device, ...]
    has_mps: bool
    driver: str
    """NVIDIA's, where `nvidia-smi` tells it."""
    unseen: tuple[str, ...]
    """GPUs that the driver knows and torch does not see."""
    complaint: str
    """What torch says when it looks for a GPU, if anything."""
    chosen: str
    """The device that `auto` is."""
    precision: str
    """That `auto` is when training."""


def computing() -> Computing:
    """Of this process."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        has_gpu = torch.cuda.is_available()
    devices = tuple(_device(index) for index in range(torch.cuda.device_count())) if has_gpu else ()
    smi = _nvidia_smi()
    runtime, able = Runtime.choose(), torch.cpu.get_capabilities()
    return Computing(
        torch=torch.__version__,
        build=_build(),
        threads=torch.get_num_threads(),
        cpu_has_bf16=has_bf16(torch.device("cpu")),
        cpu_bf16=next((name for name in _BF16 if able.get(name)), ""),
        devices=devices,
        has_mps=torch.backends.mps.is_available(),
        driver=smi[0][1] if smi else "",
        unseen=() if devices else tuple(name for name, _ in smi),
        complaint=" ".join(str(caught[0].message).split()) if caught else "",
        chosen=runtime.device.type,
        precision=runtime.precision,
    )


def _build() -> str:
    if torch.version.cuda:
        return f"CUDA {torch.version.cuda}"
    if torch.version.hip:
        return f"ROCm {torch.version.hip}"
    return "Metal" if platform.system() == "Darwin" and torch.backends.mps.is_built() else "CPU"


def _device(index: int) -> Device:
    found, (free, _) = torch.cuda.get_device_properties(index), torch.cuda.mem_get_info(index)
    capability = f"{found.major}.{found.minor}"
    return Device(index, found.name, found.total_memory, free, capability, has_bf16(torch.device("cuda", index)))


def _nvidia_smi() -> list[tuple[str, str]]:
    """Name of each GPU and version of the driver, by the driver's own tool; nothing where that fails."""
    if (tool := shutil.which("nvidia-smi")) is None:
        return []
    command = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return []
    rows = [line.rpartition(",") for line in done.stdout.splitlines()] if done.returncode == 0 else []
    return [(name.strip(), version.strip()) for name, _, version in rows]
