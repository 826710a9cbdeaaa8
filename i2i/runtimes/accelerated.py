"""A model that torch holds, its translations computed by another engine."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Geometry, Options, Request
from i2i.errors import I2IError
from i2i.runtimes.engines import Engine, Session
from i2i.runtimes.exporting import graph_of
from i2i.runtimes.program import LEVEL, Program, program_of, sizes_of


class Accelerated:
    """Translates as `model` does, by an engine where it is asked with these options, and has all else of the model.

    Torch itself answers what the graph has not in it: other options, a missing mask, and whoever watches torch compute
    to count its memory or to tell norms of a whole picture.
    """

    def __init__(
        self, model: Any, options: Options, engine: Engine, device: torch.device, precision: str, name: str
    ) -> None:
        """Made ready when it is first asked. Raises `UsageError`, as `program_of`, where no engine can compute it."""
        self.model, self.options, self.name = model, options, name
        self.engine, self.device, self.precision = engine, device, precision
        self._program: Program | None = program_of(model, options, name)
        self._session: Session | None = None

    @property
    def geometry(self) -> Geometry:
        """The model's."""
        return self.model.geometry

    @property
    def session(self) -> Session:
        """The engine's, for pictures of any size. Raises `I2IError` where torch cannot hand the model over, and
        where the engine answers otherwise than torch."""
        if self._session is None:
            assert self._program is not None
            graph = graph_of(self._program, self.name)
            session = self.engine.session(graph, self.geometry, str(self.device), self.precision)
            self._require_same(session, self._program)
            self._session, self._program = session, None
        return self._session

    def _require_same(self, session: Session, program: Program) -> None:
        """Raise `I2IError` where the engine's answer to noise is not torch's, in fp32."""
        noise = program.example(*sizes_of(self.geometry)[0], 1)
        with torch.no_grad():
            difference = session([tensor.to(self.device) for tensor in noise]).cpu() - program(*noise)
        worst = difference.abs().amax().item() / LEVEL
        if self.precision == "fp32" and not worst <= 1:
            raise I2IError(
                f"{self.name}: {self.engine.name} answers otherwise than torch, by up to {worst:.3g} levels of 255; "
                "take --runtime torch"
            )

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, H, W) in [0, 1] → (B, C, H·scale, W·scale) in [0, 1]."""
        lacks_mask = self.geometry.fills and request.mask is None
        if _is_watched() or lacks_mask or request.options != self.options or images.device.type != self.device.type:
            answer: Tensor = self.model.translate(images, request)
            return answer
        return self.session((images, request.mask) if self.geometry.fills and request.mask is not None else (images,))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["model"], name)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """The model alone, which moves to any device."""

        return copy.deepcopy(self.model, memo)


def _is_watched() -> bool:
    return bool(torch._C._len_torch_function_stack() or torch._C._len_torch_dispatch_stack())
