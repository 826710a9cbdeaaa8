"""The process that opens what torch saved: it can do nothing but read the file it was given and answer.

    0  the file, opened by the parent          1  the answer, in the form of safetensors

`torch.load(weights_only=True)` runs no code of a file; should a file find a way around that, it is in a process that
can open, make, rename and remove no file, run no program, reach no network and no other process, and use only so much
memory and time. On Linux the kernel sees to all of it (resource limits, Landlock), elsewhere to what it can; an audit
hook of Python's refuses everything else that is more than computing. Nothing pickled ever leaves it.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import re
import signal
import struct
import sys
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from i2i.foreign.archive import Refused, check

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("state_dict", "model", "params_ema", "params", "generator", "model_state_dict")
"""Keys under which training code puts a network's tensors beside other things."""

DAMAGED = "damaged, or holds something else than plain tensors"
OLDEST_TORCH = (2, 11)
"""Older ones have ways around `weights_only` (CVE-2025-32434, CVE-2026-24747)."""

MORE_BYTES = 2**28
"""Of memory, beyond what torch and three copies of the file take; also what looking at a file from outside may take."""


def most_bytes(size: int) -> int:
    """What the tensors of a file of so many bytes may take: one may have several names, and lie in it as a view."""
    return 4 * size + 2**20


def seconds_of_computing(size: int) -> int:
    """What reading a file of so many bytes may take, without torch's start."""
    return 10 + size // (50 * 2**20)


def main() -> None:
    """Answer with the named tensors of the file, or with why there are none."""
    with open(0, "rb", closefd=False) as file, open(1, "wb") as answer:
        try:
            _write(answer, *_read(file))
        except Refused as refusal:
            _write(answer, {}, {"refused": str(refusal), "detail": _plainly(refusal.__cause__)})


def _plainly(error: BaseException | None) -> str:
    """What torch says, without its advice to open the file in less safe ways."""
    said = str(error or "").partition("\n\nCheck the documentation")[0].partition(" Please use `torch.ser")[0]
    return said.rpartition("WeightsUnpickler error: ")[2].rpartition("\n\n")[2]


def _read(file: BinaryIO) -> tuple[dict[str, Tensor], dict[str, str]]:
    size = os.fstat(file.fileno()).st_size
    _end_with_parent()
    _limit_computing(seconds_of_computing(size))
    _limit_memory(MORE_BYTES)
    try:
        check(file, size)
    except (OSError, MemoryError) as error:
        raise Refused(DAMAGED) from error
    _limit_computing(None)
    _limit_memory(None)
    _warm_up()
    _limit_computing(seconds_of_computing(size))
    _limit_memory(3 * size + MORE_BYTES)
    _seal()
    import torch

    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
        return _named_tensors(found, size)
    except Refused:
        raise
    except Exception as error:  # whatever torch's reader makes of what is no pickle, or one that wants to run code
        raise Refused(DAMAGED + _other_than_tensors(error)) from error


def _other_than_tensors(error: Exception) -> str:
    """What it is, and what would work, where torch names it."""
    found = re.search(r"\bGLOBAL ([A-Za-z_][\w.]{0,80})", str(error))
    return f": {found[1]}; save the network's state_dict() alone where it was made" if found else ""


def _named_tensors(found: Any, size: int) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Those of a state dict, alone or among other things; where there are none, what there is instead."""
    import torch

    for wrapper in WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    if not isinstance(found, Mapping):
        return {}, {"instead": f"a {type(found).__name__}"}
    tensors = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    for key, tensor in tensors.items():
        if problem := _problem(tensor):
            raise Refused(f"{key} is {problem}; only plain tensors are read")
    if (needed := sum(tensor.nbytes for tensor in tensors.values())) > most_bytes(size):
        raise Refused(f"its tensors claim {needed} bytes; a file of {size} bytes cannot hold them")
    return tensors, {"instead": ", ".join(repr(key)[:50] for key in list(found)[:5]) or "nothing"}


def _problem(tensor: Tensor) -> str | None:
    import torch

    from i2i.foreign.kinds import NAMES

    if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return f"a {type(tensor).__name__}"
    if tensor.layout is not torch.strided:
        return "a sparse tensor"
    if tensor.is_quantized:
        return "a quantised tensor"
    if tensor.device.type != "cpu":
        return f"a tensor on '{tensor.device.type}', without numbers"
    return None if tensor.dtype in NAMES else f"of {tensor.dtype}"


def _write(answer: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """As safetensors has it: a header, then the numbers of each tensor, copied one at a time."""
    header: dict[str, Any] = {"__metadata__": {key: text[:2000] for key, text in metadata.items()}}
    place = 0
    if tensors:
        import torch

        from i2i.foreign.kinds import NAMES
    for key, tensor in tensors.items():
        end = place + tensor.nbytes
        header[key] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [place, end]}
        place = end
    text = json.dumps(header).encode()
    answer.write(struct.pack("<Q", len(text)) + text)
    for tensor in tensors.values():
        answer.write(tensor.detach().resolve_neg().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    answer.flush()


def _warm_up() -> None:
    """Import torch, and by a first file what it imports to read one: afterwards it has to open nothing."""
    import io

    warnings.simplefilter("ignore")
    try:
        import torch
    except ImportError as error:
        raise Refused("is not opened: the process that would do it cannot import torch") from error
    if tuple(map(int, torch.__version__.split(".")[:2])) < OLDEST_TORCH:
        raise Refused(f"is not opened: that is safe from torch 2.11 on, and here is {torch.__version__}")
    from i2i.foreign import kinds  # noqa: F401

    numbers = torch.arange(6.0)
    state = {"a": numbers.bfloat16(), "b": torch.nn.Parameter(numbers[2:]), "c": numbers.view(2, 3).T, "d": [b"\xff"]}
    for as_zip in (True, False):
        sample = io.BytesIO()
        torch.save(state, sample, _use_new_zipfile_serialization=as_zip)
        sample.seek(0)
        torch.load(sample, map_location="cpu", weights_only=True)


def _seal() -> None:
    """From here on, this process computes; it cannot be undone."""
    with suppress(ImportError):  # Windows
        import resource

        _seal_files()
        os.closerange(3, 4096)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # no further ones
        for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_CORE):
            resource.setrlimit(limit, (0, 0))
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_CPU):  # as they are, for good
            resource.setrlimit(limit, (resource.getrlimit(limit)[0],) * 2)
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: object) -> None:
    """Of Python's audit events, which announce whatever reaches outside, reading tensors causes none."""
    if event != "sys._getframe":  # of warnings
        raise PermissionError(f"{event} is not allowed here")


def _seal_files() -> None:
    """Landlock: open, make, rename and remove no file, connect to nothing, signal nobody. From Linux 5.13 on."""
    if sys.platform != "linux":
        return
    create, restrict, version, no_new_privileges = 444, 446, 1, 38
    kernel = ctypes.CDLL(None)
    offered = kernel.syscall(create, None, ctypes.c_size_t(0), version)
    if offered < 1:
        return
    files = (13, 14, 15, 15, 16)[min(offered, 5) - 1]  # rights that this kernel knows; each is handled, none is given
    network, scopes = (3 if offered >= 4 else 0), (3 if offered >= 6 else 0)
    handled = struct.pack("QQQ", 2**files - 1, network, scopes)
    rules = kernel.syscall(create, handled, ctypes.c_size_t(len(handled)), 0)
    if rules >= 0:
        kernel.prctl(no_new_privileges, 1, 0, 0, 0)
        kernel.syscall(restrict, rules, 0)
        os.close(rules)


def _limit_computing(seconds: int | None) -> None:
    """To so many seconds more than were used; None takes the limit away again."""
    with suppress(ImportError):  # Windows
        import resource

        _limit(resource.RLIMIT_CPU, None if seconds is None else math.ceil(time.process_time()) + seconds)


def _limit_memory(more: int | None) -> None:
    """To so many bytes more than are in use, where the kernel says how many are; None takes the limit away again."""
    with suppress(ImportError):  # Windows
        import resource

        used = _memory_in_use()
        _limit(resource.RLIMIT_AS, None if more is None or not used else used + more)


def _limit(what: int, most: int | None) -> None:
    import resource

    _, hard = resource.getrlimit(what)
    if most is None or (hard != resource.RLIM_INFINITY and most > hard):
        most = hard
    resource.setrlimit(what, (most, hard))


def _memory_in_use() -> int:
    """Bytes of addresses, or 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _end_with_parent() -> None:
    """Linux: be killed when the process that waits for the answer is gone; elsewhere the answer then finds no taker."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
