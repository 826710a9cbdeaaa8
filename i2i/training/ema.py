"""An exponential moving average of parameters: what a weights file holds where it is on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class EMA:
    """Averages of the parameters of some submodules; buffers are the model's own, copied as they are."""

    def __init__(self, model: nn.Module, submodules: tuple[str, ...], decay: float) -> None:
        self.decay = decay
        chosen = {
            id(parameter): (name, parameter)
            for name, parameter in model.named_parameters(remove_duplicate=False)
            if decay and name.split(".")[0] in submodules
        }
        self.parameters = dict(chosen.values())
        self.averages = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    def update(self, step: int) -> None:
        """After optimizer step number `step` (from 0), with warm-up min(decay, (1 + n) / (10 + n))."""
        if self.averages:
            decay = min(self.decay, (1 + step) / (10 + step))
            current = [parameter.detach() for parameter in self.parameters.values()]
            torch._foreach_lerp_(list(self.averages.values()), current, 1 - decay)

    def restart(self) -> None:
        """Average from the parameters as they are now."""
        for name, parameter in self.parameters.items():
            self.averages[name].copy_(parameter.detach())

    @contextmanager
    def swapped_in(self) -> Iterator[None]:
        """The model computes with the averages inside this block."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state_dict(self) -> dict[str, Tensor]:
        """Name → average."""
        return self.averages

    def load_state_dict(self, averages: dict[str, Tensor]) -> None:
        """Take averages back, into place."""
        for name, average in self.averages.items():
            average.copy_(averages[name])

    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            parameter.data, self.averages[name] = self.averages[name], parameter.data
