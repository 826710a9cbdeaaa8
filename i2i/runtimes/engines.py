"""What can compute a translation beside torch: which engines there are, what each serves, how it is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from i2i.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from i2i.contracts import Geometry


class Session(Protocol):
    """A graph that an engine has made ready for a device."""

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """Images (B, C, H, W) in [0, 1] and, where the graph takes one, a mask → (B, C, H·scale, W·scale), float32.

        All on the session's device. Raises `MemoryError` where the engine had no more.
        """


class Compile(Protocol):
    """Makes a graph ready; each engine has one."""

    def __call__(self, graph: bytes, geometry: Geometry, device: str, precision: str) -> Session:
        """`graph` is an ONNX model, `device` torch's name of one, such as `cuda:0`, `precision` `fp32` or `bf16`."""


@dataclass(frozen=True)
class Engine:
    """Computes what `program.graph_of` and `i2i export` make."""

    name: str
    """What `--runtime` says."""
    modules: tuple[str, ...]
    """What has to be importable to compute a file's graph."""
    pip: str
    """The command that brings it."""
    compile: str
    """`"package.module:function"`, a `Compile`."""
    serves: Mapping[str, tuple[str, ...]]
    """Kind of device → precisions."""

    @property
    def installed(self) -> bool:
        """Whether it is there; nothing is imported."""
        return all(find_spec(module) is not None for module in self.modules)

    def session(self, graph: bytes, geometry: Geometry, device: str, precision: str) -> Session:
        """The graph made ready for a device that it serves."""
        compile_: Compile = EntryPoint(self.name, self.compile, "i2i.runtimes").load()
        return compile_(graph, geometry, device, precision)


CONVERTERS = ("onnx", "onnxscript")
"""What torch needs to hand a model over."""
ENGINES: Mapping[str, Engine] = MappingProxyType(
    {
        engine.name: engine
        for engine in (
            Engine(
                "openvino",
                ("openvino",),
                "pip install openvino onnx onnxscript",
                "i2i.runtimes.openvino:compiled",
                {"cpu": ("fp32", "bf16")},
            ),
            Engine(
                "onnxruntime",
                ("onnxruntime",),
                "pip install onnxruntime onnx onnxscript",
                "i2i.runtimes.onnxruntime:compiled",
                {"cpu": ("fp32",), "cuda": ("fp32",)},
            ),
            Engine(
                "tensorrt",
                ("onnxruntime", "tensorrt"),
                "pip install onnxruntime-gpu tensorrt onnx onnxscript",
                "i2i.runtimes.onnxruntime:compiled_by_tensorrt",
                {"cuda": ("fp32", "bf16")},
            ),
        )
    }
)
"""By name, the fastest first."""


def require(name: str, device: str, precision: str, converts: bool = True) -> Engine:
    """The engine of this name, which is there and computes on this device in this precision.

    `converts`: whether it is to be handed a model that torch holds, and no file made by `i2i export`. Raises
    `UsageError`, which says how it is installed or what it serves. Imports nothing.
    """
    engine = ENGINES[name]
    if not engine.installed or (converts and not convertible()):
        raise UsageError(f"runtime {name}: not installed here; get it by `{engine.pip}`")
    kind = device.partition(":")[0]
    if kind not in engine.serves:
        raise UsageError(f"runtime {name}: computes on {' and '.join(engine.serves)}, not on {kind}; take torch")
    if precision not in engine.serves[kind]:
        raise UsageError(
            f"runtime {name}: computes in {' and '.join(engine.serves[kind])} on {kind}, not in {precision}; take torch"
        )
    return engine


def convertible() -> bool:
    """Whether a model that torch holds can be handed to engines here."""
    return all(find_spec(module) is not None for module in CONVERTERS)


def able(device: str, precision: str, converts: bool = True) -> list[Engine]:
    """The engines that are there and compute so, the fastest first."""
    kind = device.partition(":")[0]
    there = [engine for engine in ENGINES.values() if precision in engine.serves.get(kind, ()) and engine.installed]
    return there if convertible() or not converts else []
