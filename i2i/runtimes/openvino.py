"""OpenVINO as an engine, on CPUs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from i2i.contracts import Geometry
from i2i.runtimes.engines import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
"""Ours → OpenVINO's hint. Without one it takes bf16 wherever the processor has it."""
NO_MEMORY = ("bad_alloc", "Cannot allocate", "Failed to allocate", "out of memory")
"""How it says that memory ended."""


def compiled(graph: bytes, geometry: Geometry, device: str, precision: str) -> Session:
    """Made ready with as many threads as torch has. See `engines.Compile`."""
    with _unobserved():
        import openvino  # type: ignore[import-untyped]
    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,  # several processes would share the first cores
    }
    return _Session(openvino, core.compile_model(core.read_model(graph), "CPU", settings), geometry)


@contextmanager
def _unobserved() -> Iterator[None]:
    """OpenVINO is imported inside without `openvino_telemetry`, which reports each import over the network."""
    name = "openvino_telemetry"
    known = sys.modules.get(name, ...)
    sys.modules[name] = None  # type: ignore[assignment]  # imports of it fail, which OpenVINO is ready for
    try:
        yield
    finally:
        if known is ...:
            del sys.modules[name]
        else:
            sys.modules[name] = known


class _Session:
    """Reads tensors and writes the answer where they lie."""

    def __init__(self, openvino: Any, model: Any, geometry: Geometry) -> None:
        self.request = model.create_infer_request()
        self.tensor = openvino.Tensor
        self.channels = model.output(0).partial_shape[1].get_length()
        self.scale = geometry.scale

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """As `engines.Session` says."""
        given = [tensor.float().contiguous() for tensor in inputs]
        batch, _, height, width = given[0].shape
        made = given[0].new_empty((batch, self.channels, height * self.scale, width * self.scale))
        for place, tensor in enumerate(given):
            self.request.set_input_tensor(place, self.tensor(tensor.numpy(), shared_memory=True))
        self.request.set_output_tensor(0, self.tensor(made.numpy(), shared_memory=True))
        try:
            self.request.infer()
        except RuntimeError as error:
            if any(sign in str(error) for sign in NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise
        return made
