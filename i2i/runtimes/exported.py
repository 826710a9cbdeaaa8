"""Files that `i2i export --to onnx` wrote, as models that translate."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import AfterValidator, Field, create_model
from torch import Tensor

from i2i.contracts import Geometry, Options, Request
from i2i.errors import I2IError, UsageError
from i2i.runtimes.description import Description, read_described
from i2i.runtimes.engines import ENGINES, Session, able, require
from i2i.runtimes.program import LEVEL, border, example_of, sizes_of

EXACT = "onnxruntime"
"""Taken where nobody names an engine: it computes every operation as ONNX defines it."""


class Opened(NamedTuple):
    """All that a `Translator` is made of."""

    model: ExportedModel
    header: Mapping[str, Any]
    """As of a weights file."""
    options: Options
    """Those that were fixed; no others validate."""
    fingerprint: str
    """Of the file: SHA-256."""


class ExportedModel:
    """Translates by an engine, on the device that it was opened for; has no parts that torch could look into."""

    def __init__(
        self, graph: bytes, description: Description, options: Options, runtime: str, device: str, precision: str
    ) -> None:
        self.graph, self.description, self.options, self.runtime = graph, description, options, runtime
        given = {**description.geometry}
        if given["size"] is not None:
            given["size"] = tuple(given["size"])
        if given["tiling"] == "statistics":  # norms cannot be told of the whole picture
            given["tiling"] = "never"
        self.geometry = Geometry(**given)
        self.session: Session = ENGINES[runtime].session(graph, self.geometry, device, precision)

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, H, W) in [0, 1] → (B, C, H·scale, W·scale) in [0, 1].

        Raises `UsageError` for other options than those in the file, and where a mask is needed and missing.
        """
        if request.options != self.options:
            raise UsageError(
                f"{self.description.name}: this exported file translates with {_spelled(self.options)} only"
            )
        if self.geometry.fills and request.mask is None:
            raise UsageError(f"{self.description.name}: nothing says where the holes are; give a mask")
        inputs = (images, request.mask) if request.mask is not None and self.geometry.fills else (images,)
        return self.compute(inputs).to(images.device)

    def compute(self, inputs: Sequence[Tensor]) -> Tensor:
        """What the graph answers to what it takes, float32."""
        batch, _, height, width = inputs[0].shape
        told = self.description
        taken = int(told.bytes_fixed + told.bytes_per_pixel * batch * height * width)
        announced = torch.empty(taken, dtype=torch.uint8, device="meta")  # for whoever counts the bytes of tensors
        answer = self.session(inputs)
        del announced
        return answer

    def to(self, device: str | torch.device) -> ExportedModel:
        """Itself: what it is given comes to its device, and goes back from it."""
        return self

    def __deepcopy__(self, memo: object) -> ExportedModel:
        return ExportedModel(self.graph, self.description, self.options, self.runtime, "cpu", "fp32")


def open_exported(path: Path, runtime: str = "auto", device: str = "cpu", precision: str = "fp32") -> Opened:
    """The model in a file that `i2i export --to onnx` wrote, ready on a device.

    `runtime` is an engine's name, or `auto` for ONNX Runtime, else another that is there. Raises `UsageError` where
    the file or the engine is missing, `I2IError` where the file is foreign, damaged or of a newer i2i, or where the
    engine answers otherwise than torch did.
    """
    content, description = read_described(path)
    engine = _engine(path, runtime, device, precision)
    options = fixed_options(description.options)
    try:
        model = ExportedModel(content, description, options, engine, device, precision)
    except (I2IError, MemoryError):
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:200]
        raise I2IError(f"{path}: {engine} cannot read it ({why})") from error
    if not (difference := _difference(model, device)) <= 1:
        raise I2IError(
            f"{path}: {engine} answers otherwise than torch did, by up to {difference:.3g} levels of 255; "
            "take --runtime onnxruntime, or the weights that it was made of"
        )
    return Opened(model, description.header, options, hashlib.sha256(content).hexdigest())


def fixed_options(values: Mapping[str, Any]) -> Options:
    """Options that accept these values and no others."""

    def kept(name: str, value: Any) -> Any:
        def same(given: Any) -> Any:
            if given != value:
                again = f"export again with --set translate.{name}={given} for another"
                raise ValueError(f"{given!r} is not what is in this exported file, which is {value!r}; {again}")
            return given

        return Annotated[Any, AfterValidator(same)], Field(value)

    made = create_model(
        "ExportedOptions", __base__=Options, **{name: kept(name, value) for name, value in values.items()}
    )
    return made()


def _difference(model: ExportedModel, device: str) -> float:
    """From torch's answer to the same noise, in levels of 8 bits."""
    noise = example_of(model.geometry, *sizes_of(model.geometry)[0], 1)
    answer = border(model.compute([tensor.to(device) for tensor in noise]))
    return (answer - torch.tensor(model.description.probe)).abs().amax().item() / LEVEL


def _engine(path: Path, runtime: str, device: str, precision: str) -> str:
    if runtime == "torch":
        raise UsageError(f"{path}: torch reads no ONNX files; take --runtime auto, {' or '.join(ENGINES)}")
    if runtime != "auto":
        return require(runtime, device, precision, converts=False).name
    there = able(device, precision, converts=False)
    if there:
        return next((engine.name for engine in there if engine.name == EXACT), there[0].name)
    kind = device.partition(":")[0]
    if any(engine.installed and kind in engine.serves for engine in ENGINES.values()):
        raise UsageError(f"{path}: no engine that is installed here computes it on {kind} in {precision}; use fp32")
    raise UsageError(f"{path}: needs an engine that reads ONNX files on {kind}: pip install onnxruntime")


def _spelled(options: Options) -> str:
    return ", ".join(f"{name}={value}" for name, value in options.model_dump().items()) or "no options"
