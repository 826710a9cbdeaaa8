"""Pickles are opened in a process of their own, `i2i.foreign.inside`. Here it is started and listened to.

What it answers is taken for what anybody could have written: it is bounded, checked, and never unpickled.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, BinaryIO

from i2i.contracts.tensorfile import Contents, contents_of, header_length, open_regular
from i2i.errors import I2IError
from i2i.foreign.inside import most_bytes, seconds_of_computing

if TYPE_CHECKING:
    from torch import Tensor

PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from i2i.foreign.inside import main; main()"
KEPT = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR")
"""Of the environment: what Python and its libraries are found by. Nobody's passwords go inside."""
GIVEN = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "TORCH_DEVICE_BACKEND_AUTOLOAD": "0"}
START, PATIENCE = 60, 4
"""Seconds by the clock until torch is there, and for each of computing: the machine may be busy."""
ENDED = (-9, -24)
"""By SIGKILL and SIGXCPU, which Windows does not have: for want of time or memory."""
LONGEST_REASON = 300


def read_in_sandbox(path: Path) -> tuple[dict[str, Tensor], str]:
    """The named tensors of what torch saved, and in words what it holds. Raises `I2IError`, in one line."""
    with _opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        with _reader(path, file, START + PATIENCE * seconds_of_computing(size)) as process:
            try:
                contents, tensors = _received(process.stdout, most_bytes(size))
            except ValueError as error:
                raise I2IError(f"{path}: damaged or hostile: {error}") from error
            except EOFError as error:
                raise I2IError(f"{path}: damaged or hostile: its reader {_end_of(process)}") from error
    told = {key: _in_one_line(text) for key, text in contents.metadata.items()}
    if "refused" in told:
        raise I2IError(f"{path}: {told['refused']}") from ValueError(told.get("detail", ""))
    return tensors, told.get("instead", "nothing")


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except FileNotFoundError as error:
        raise I2IError(f"{path}: no such file") from error
    except OSError as error:
        raise I2IError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise I2IError(f"{path}: cannot be read: {error}") from error


def started(file: BinaryIO) -> subprocess.Popen[bytes]:
    """A fresh Python, which imports from the same places and gets this open file and nothing else."""
    places = [place for place in sys.path if os.path.isabs(place)] + [str(Path(__file__).parents[2])]  # noqa: PTH117
    return subprocess.Popen(
        [sys.executable, "-I", "-B", "-c", PROGRAM, json.dumps(places)],
        stdin=file,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**{name: os.environ[name] for name in KEPT if name in os.environ}, **GIVEN},
        cwd=os.path.abspath(os.sep),  # noqa: PTH100
        process_group=None if os.name == "nt" else 0,  # Ctrl-C is for the process that waits
    )


@contextmanager
def _reader(path: Path, file: BinaryIO, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which has ended afterwards, whatever happens meanwhile."""
    try:
        process = started(file)
    except OSError as error:
        raise I2IError(f"{path}: no process could be started to open it in: {error.strerror or error}") from error
    late = Timer(seconds, process.kill)
    late.daemon = True
    try:
        late.start()
        yield process
    finally:
        late.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _received(answer: IO[bytes] | None, most: int) -> tuple[Contents, dict[str, Tensor]]:
    """Raises `EOFError` where the answer ends early, `ValueError` where it is none."""
    import torch  # now: the process that is to answer does the same

    from i2i.foreign.kinds import KINDS

    assert answer is not None
    length = header_length(_exactly(answer, 8))
    contents = contents_of(_exactly(answer, length))
    if contents.bytes > most:
        raise ValueError(f"its tensors claim {contents.bytes} bytes")
    tensors = {}
    for name, claim in contents.tensors.items():
        if claim.kind not in KINDS:
            raise ValueError(f"{name} is of {claim.kind}")
        tensors[name] = torch.empty(claim.shape, dtype=KINDS[claim.kind])
        if claim.end > claim.begin:
            numbers = tensors[name].reshape(-1).view(torch.uint8).numpy().data
            if answer.readinto(numbers) < len(numbers):  # type: ignore[attr-defined]
                raise EOFError
    return contents, tensors


def _exactly(answer: IO[bytes], count: int) -> bytes:
    if len(found := answer.read(count)) < count:
        raise EOFError
    return found


def _end_of(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "said nothing more"
    if code in ENDED:
        return "took more time or memory than a file of its size needs"
    return f"died of signal {-code}" if code < 0 else f"ended with {code} before it had answered"


def _in_one_line(text: str) -> str:
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:LONGEST_REASON]
