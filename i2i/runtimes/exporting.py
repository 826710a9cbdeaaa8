"""Translations become files: traced once for every size and batch, written whole, compared with what torch answers."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import ERROR, getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import I2IError
from i2i.runtimes.description import Description, with_description
from i2i.runtimes.exported import open_exported
from i2i.runtimes.files import Form, refuse
from i2i.runtimes.program import LEVEL, TRACED, Program, border, program_of, sizes_of
from i2i.tiling.footprint import measured
from i2i.tiling.memory import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch.export import ExportedProgram

    from i2i.contracts import Options

MOST_BYTES = 2**31 - 2**20
"""A protobuf message, as which an ONNX file is written, holds less than 2 GiB."""
OPSET = 20


@dataclass(frozen=True)
class Compared:
    """The file's answer beside torch's to the same noise."""

    width: int
    height: int
    batch: int
    difference: float
    """The largest there was, in levels of 8 bits."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    path: Path
    bytes: int
    compared: tuple[Compared, ...]

    @property
    def difference(self) -> float:
        """The largest of all, in levels of 8 bits."""
        return max(one.difference for one in self.compared)


def export(
    model: Any,
    header: Mapping[str, Any],
    options: Options,
    fingerprint: str,
    path: Path,
    form: Form = "onnx",
    force: bool = False,
) -> Exported:
    """Write the translation of a model with these translate options to `path`, and compare it with torch's.

    Height, width and batch stay free, as far as the model's geometry leaves them so. `header` and `fingerprint` are
    those of the weights. Raises `UsageError` where `path` has another suffix, exists without `force`, a package is
    missing or the model's translation is no plain function; `I2IError` where torch cannot trace or write it, or where
    an answer differs by more than a level: then nothing is written.
    """
    refuse(path, form, force)
    name = str(header["recipe"]["name"])
    program = program_of(model, options, name)
    description = Description.of(program, header, fingerprint, _footprint(program), _probe(program))
    compared: list[Compared] = []

    def check(draft: Path) -> None:
        answer = _read_back_onnx(draft) if form == "onnx" else _read_back_torch(draft)
        compared.extend(_compared(program, answer))
        worst = max(one.difference for one in compared)
        if not worst <= 1:
            raise I2IError(f"{path}: not written: its answers differ from torch's by up to {worst:.3g} levels of 255")

    with complete_or_not_at_all(path, check) as stream:
        if form == "onnx":
            stream.write(with_description(graph_of(program, name), description))
        else:
            held = io.BytesIO()
            torch.export.save(_traced(program, name), held)
            stream.write(held.getbuffer())
    return Exported(path, path.stat().st_size, tuple(compared))


def graph_of(program: Program, name: str) -> bytes:
    """The program as an ONNX model, its weights inside.

    Raises `I2IError`, which begins with `name`, where torch cannot trace or express it, or it is too large.
    """
    held = sum(tensor.nbytes for tensor in program.state_dict().values())
    if held > MOST_BYTES:
        raise I2IError(f"{name}: holds {spelled(held)} of weights and an ONNX file at most 2GB; use --to torch-export")
    traced = _traced(program, name)
    with _quietly(), _explained(name, "expressed as ONNX"):
        made = torch.onnx.export(
            traced, input_names=list(program.inputs), output_names=["answer"], opset_version=OPSET, verbose=False
        )
        assert made is not None
        return bytes(made.model_proto.SerializeToString())


def _traced(program: Program, name: str) -> ExportedProgram:
    """For any batch, and any size that the geometry allows."""
    geometry = program.geometry
    height, width = (size + 2 * geometry.multiple_of for size in sizes_of(geometry)[-1])  # no dimension is 1 inside
    free: dict[int, Any] = {0: torch.export.Dim("batch")}
    if geometry.size is None:
        free |= {2: _multiple("height", geometry.multiple_of), 3: _multiple("width", geometry.multiple_of)}
    else:
        height, width = geometry.size
    example = program.example(height, width, TRACED)
    shapes = dict.fromkeys(program.inputs, free)
    with _quietly(), _explained(name, "traced for pictures of any size"), torch.no_grad():
        return torch.export.export(program, example, dynamic_shapes=shapes, strict=False)


def _multiple(name: str, unit: int) -> Any:
    dimension = torch.export.Dim(f"{name}_by_{unit}" if unit > 1 else name)
    return unit * dimension if unit > 1 else dimension


def _footprint(program: Program) -> tuple[float, float]:
    """Bytes that torch takes for a translation on the CPU: fixed, and a pixel."""

    def compute(height: int, width: int) -> object:
        with torch.no_grad():
            return program(*program.example(height, width, 1))

    if program.geometry.size is not None:
        return 0.0, 0.0  # never in tiles
    found = measured(compute, torch.device("cpu"), program.geometry)
    return found.fixed, found.per_pixel


def _probe(program: Program) -> list[float]:
    """What an engine must come near to, wherever the file is opened."""
    with torch.no_grad():
        answer = program(*program.example(*sizes_of(program.geometry)[0], 1))
    return [round(value, 6) for value in border(answer).tolist()]


def _read_back_onnx(path: Path) -> Callable[..., Tensor]:
    opened = open_exported(path, "onnxruntime")
    return lambda *inputs: opened.model.compute(inputs)


def _read_back_torch(path: Path) -> Callable[..., Tensor]:
    loaded = torch.export.load(path.open("rb")).module()  # written by this process, a moment ago
    return lambda *inputs: loaded(*inputs)


def _compared(program: Program, answer: Callable[..., Tensor]) -> Iterator[Compared]:
    for batch, (height, width) in zip((1, 3), 2 * sizes_of(program.geometry), strict=False):
        inputs = program.example(height, width, batch)
        with torch.no_grad():
            difference = (answer(*inputs) - program(*inputs)).abs().amax().item() / LEVEL
        yield Compared(width, height, batch, difference)


@contextmanager
def _quietly() -> Iterator[None]:
    """What torch's exporter warns of is about its own code."""
    log = getLogger("torch.onnx")
    level = log.level
    log.setLevel(ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


@contextmanager
def _explained(name: str, wanted: str) -> Iterator[None]:
    """What torch's exporter raises becomes one line."""
    try:
        yield
    except (I2IError, OSError, MemoryError):
        raise
    except Exception as error:
        first = " ".join(str(error).split())[:200]
        raise I2IError(f"{name}: its translation cannot be {wanted} ({type(error).__name__}: {first})") from error
