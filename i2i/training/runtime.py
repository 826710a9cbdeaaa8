"""Where and in what precision to compute, and what to say when memory ends."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor, nn

from i2i.errors import I2IError, UsageError
from i2i.ranks.shares import share_from_environment

OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""How torch says it without a type of its own: CPU allocators, MPS, cuDNN and cuBLAS."""


@dataclass(frozen=True)
class Runtime:
    """A device and the precision of the networks' arithmetic; parameters are always float32."""

    device: torch.device
    precision: str
    """`fp32` or `bf16`."""
    rank: int = 0
    ranks: int = 1

    @classmethod
    def choose(cls, device: str = "auto", precision: str = "auto") -> Runtime:
        """The best device there is, or the one named. Raises `UsageError` where it is not there."""
        chosen = torch.device(_device(device))
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if distributed and chosen.type == "cuda":
            chosen = torch.device("cuda", share_from_environment(os.environ).cuda_index(torch.cuda.device_count()))
            torch.cuda.set_device(chosen)
        if precision == "auto":
            precision = "bf16" if has_bf16(chosen) else "fp32"
        rank, ranks = (torch.distributed.get_rank(), torch.distributed.get_world_size()) if distributed else (0, 1)
        return cls(chosen, precision, rank, ranks)

    def autocast(self) -> AbstractContextManager[object]:
        """Reduced precision for the forward computation, where chosen; where not, none of CUDA's own choice either."""
        if self.precision == "fp32" and self.device.type == "cuda":
            return without_tf32()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    def memory_format(self, asked: str) -> torch.memory_format | None:
        """The order of numbers that `run.memory_format` asks for; None: as a model has them.

        Tensor cores read channels last; what is best on CPUs differs from network to network, so recipes say it.
        """
        if asked == "auto":
            asked = "channels-last" if (self.device.type, self.precision) == ("cuda", "bf16") else "own"
        return {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}.get(asked)

    def describe(self) -> dict[str, object]:
        """What a bit-identical repetition needs to be the same."""
        is_cuda = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if is_cuda else torch.cpu.get_capabilities().get("cpu_name")
        return {
            "device": self.device.type,
            "device name": name or platform.machine(),
            "precision": self.precision,
            "ranks": self.ranks,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        }

    @property
    def is_first(self) -> bool:
        """Whether this process writes what all ranks have."""
        return self.rank == 0

    def mean(self, tensors: Sequence[Tensor]) -> None:
        """Replace float tensors by their mean over the ranks, in one transfer."""
        if self.ranks == 1 or not tensors:
            return
        flat = torch.cat([tensor.detach().reshape(-1).to(torch.float32) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.ranks
        for tensor, mean in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.detach().copy_(mean.view_as(tensor))

    def synchronised(self, model: nn.Module) -> nn.Module:
        """The model with batch norms that look at the pictures of all ranks; alone, as it is.

        Raises `UsageError` where torch cannot compute them.
        """
        if self.ranks == 1:
            return model
        if self.device.type != "cuda":
            raise UsageError(
                f"run.sync_batch_norm: torch synchronises batch norms on CUDA alone, and these {self.ranks} ranks "
                f"compute on {self.device.type}; leave it out: each rank then looks at its own pictures"
            )
        synchronised: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        return synchronised

    def memory(self) -> int:
        """The most memory that was in use, in bytes: the device's, or the process's on the CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return _peak_resident_bytes()


def laid_out(module: nn.Module, order: torch.memory_format) -> nn.Module:
    """The module with its pictures' kernels, (O, C, H, W), in this order of memory; in place."""

    def lay(tensor: Tensor) -> Tensor:
        return tensor.contiguous(memory_format=order) if tensor.dim() == 4 else tensor

    return module._apply(lay)


def has_bf16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by itself rather than by emulation."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("bf16"))
    return False


@contextmanager
def without_tf32() -> Iterator[None]:
    """CUDA multiplies float32 numbers as they are: by itself torch rounds those of convolutions to ten bits."""
    try:
        before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # somebody chose kind by kind of operation, with switches that these cannot express
        yield
        return
    try:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


class OutOfMemory(I2IError):
    """A device had no more memory."""


@contextmanager
def memory_explained(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error of any device into `OutOfMemory` that says what to lower."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory(f"out of memory; {advice}") from error
    except RuntimeError as error:
        if any(sign in str(error) for sign in OUT_OF_MEMORY):
            raise OutOfMemory(f"out of memory; {advice}") from error
        raise


def _device(name: str) -> str:
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in available.items() if there)
    if not available.get(name, False):
        there = ", ".join(device for device, found in available.items() if found)
        raise UsageError(f"device '{name}' is not available to torch {torch.__version__} here (available: {there})")
    return name


def _peak_resident_bytes() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
