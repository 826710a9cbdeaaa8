"""ONNX Runtime as an engine, and TensorRT through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
import torch
from torch import Tensor

from i2i.contracts import Geometry
from i2i.errors import UsageError
from i2i.runtimes.engines import ENGINES, Session

ERRORS_ONLY = 3
"""Of ONNX Runtime's levels of logging."""
NO_MEMORY = ("bad_alloc", "Failed to allocate", "BFCArena", "out of memory")
"""How it says that memory ended."""

Provider = tuple[str, Mapping[str, Any]]


def compiled(graph: bytes, geometry: Geometry, device: str, precision: str) -> Session:
    """Made ready for a CPU, with as many threads as torch has, or a CUDA device. See `engines.Compile`."""
    where = torch.device(device)
    if where.type == "cpu":
        return _Session(graph, geometry, where, [("CPUExecutionProvider", {})])
    cuda = ("CUDAExecutionProvider", {"device_id": where.index or 0, "use_tf32": 0})
    return _Session(graph, geometry, where, [cuda])


def compiled_by_tensorrt(graph: bytes, geometry: Geometry, device: str, precision: str) -> Session:
    """Made ready by TensorRT, CUDA computing what it cannot. See `engines.Compile`."""
    where = torch.device(device)
    index = {"device_id": where.index or 0}
    tensorrt = ("TensorrtExecutionProvider", {**index, "trt_bf16_enable": precision == "bf16"})
    return _Session(graph, geometry, where, [tensorrt, ("CUDAExecutionProvider", index)])


class _Session:
    """Reads tensors and writes the answer where they lie, on either device."""

    def __init__(self, graph: bytes, geometry: Geometry, device: torch.device, providers: list[Provider]) -> None:
        lacking = [name for name, _ in providers if name not in onnxruntime.get_available_providers()]
        if lacking:
            raise UsageError(
                f"runtime onnxruntime: the one installed here has no {lacking[0]}; get it by "
                f"`{ENGINES['tensorrt'].pip}`, or take --device cpu"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = ERRORS_ONLY
        options.enable_cpu_mem_arena = False  # it would keep the most that it ever took
        self.session = onnxruntime.InferenceSession(graph, options, providers)
        self.names = [item.name for item in self.session.get_inputs()]
        self.answer = self.session.get_outputs()[0]
        self.scale, self.device = geometry.scale, device

    def __call__(self, inputs: Sequence[Tensor]) -> Tensor:
        """As `engines.Session` says."""
        given = [tensor.float().contiguous() for tensor in inputs]
        batch, _, height, width = given[0].shape
        made = given[0].new_empty((batch, self.answer.shape[1], height * self.scale, width * self.scale))
        binding = self.session.io_binding()
        for name, tensor in zip(self.names, given, strict=True):
            binding.bind_input(name, **_place(tensor))
        binding.bind_output(self.answer.name, **_place(made))
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()  # what is computed there already is in `given`
        try:
            self.session.run_with_iobinding(binding)
        except Exception as error:
            if any(sign in str(error) for sign in NO_MEMORY):
                raise MemoryError(str(error)) from error
            raise
        return made


def _place(tensor: Tensor) -> dict[str, Any]:
    device = tensor.device
    return {
        "device_type": device.type,
        "device_id": device.index or 0,
        "element_type": "float32",
        "shape": tuple(tensor.shape),
        "buffer_ptr": tensor.data_ptr(),
    }
