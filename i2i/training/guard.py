"""Numbers that explode: an optimizer step whose gradients are not finite changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from i2i.training.optimising import masks_itself


class Guard:
    """Steps optimizers, but masks those steps whose gradients are not finite, and counts them on the device.

    Nothing is read from a device while steps are taken; `skipped` and `in_a_row` are, when they are asked for.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        self.device = device
        self._buffers = _learned_buffers(model)
        self._before = [buffer.clone() for buffer in self._buffers]
        self._fine = torch.ones((), dtype=torch.bool, device=device)
        self._skipped = torch.zeros((), dtype=torch.int64, device=device)
        self._in_a_row = torch.zeros((), dtype=torch.int64, device=device)

    @property
    def skipped(self) -> int:
        """Training steps so far of which at least one turn was masked."""
        return int(self._skipped)

    @property
    def in_a_row(self) -> int:
        """How many of the last steps were, without one between them that was not."""
        return int(self._in_a_row)

    def begin(self) -> None:
        """The next training step begins."""
        self._fine.fill_(True)
        if self._buffers:
            torch._foreach_copy_(self._before, self._buffers)

    def step(self, optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> None:
        """The optimizer's step, masked where one of the parameters' gradients is not finite."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not gradients:
            optimizer.step()
            return
        fine = torch.stack(torch._foreach_norm(gradients)).isfinite().all()
        self._fine &= fine
        if self.device.type == "cpu":
            if bool(fine):
                optimizer.step()
        elif masks_itself(optimizer):
            step_unless_infinite(fine, optimizer)
        else:
            masked(fine, optimizer, optimizer.step)

    def finish(self) -> None:
        """The training step is done: what a masked one left in buffers, such as running statistics, is taken back."""
        if self.device.type != "cpu" or not self._fine:
            for buffer, before in zip(self._buffers, self._before, strict=True):
                buffer.copy_(torch.where(self._fine, buffer, before))
        self._skipped += ~self._fine
        self._in_a_row.copy_(torch.where(self._fine, 0, self._in_a_row + 1))

    def state_dict(self) -> dict[str, int]:
        """Both counts."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on counting."""
        self._skipped.fill_(state["skipped"])
        self._in_a_row.fill_(state["in_a_row"])


def step_unless_infinite(fine: Tensor, optimizer: Optimizer) -> None:
    """The step of an optimizer that masks itself: where `fine` (0-dim, bool) is false its kernel changes nothing."""
    told: Any = optimizer  # where torch's gradient scaler puts it
    told.found_inf = (~fine).float()
    try:
        optimizer.step()
    finally:
        del told.found_inf


def masked(fine: Tensor, optimizer: Optimizer, step: Callable[[], Any]) -> None:
    """Take the step, and take it back where `fine` (0-dim, bool) is false, without reading it.

    An optimizer's count of steps that lies on another device, as Adam's does on the CPU, goes on.
    """
    kept = {id(tensor): tensor.detach().clone() for tensor in _tensors(optimizer, fine.device)}
    step()
    with torch.no_grad():
        for tensor in _tensors(optimizer, fine.device):
            before = kept.get(id(tensor))
            tensor.copy_(torch.where(fine, tensor, torch.zeros_like(tensor) if before is None else before))


def _tensors(optimizer: Optimizer, device: torch.device) -> Iterator[Tensor]:
    """What a step changes: parameters and what the optimizer keeps for them, which begins at zero."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                yield parameter
                state = optimizer.state.get(parameter, {})
                yield from (value for value in state.values() if isinstance(value, Tensor) and value.device == device)


def _learned_buffers(model: nn.Module) -> list[Tensor]:
    """Those that a checkpoint holds, once each: what was merely loaded, such as a feature network, never changes."""
    held = model.state_dict(keep_vars=True).values()
    buffers = [value for value in held if isinstance(value, Tensor) and not isinstance(value, nn.Parameter)]
    return list({id(buffer): buffer for buffer in buffers}.values())
