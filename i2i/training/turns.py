"""Turns: whose parameters learn now, and how a loss becomes an optimizer step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from i2i.contracts import Trainer
from i2i.errors import I2IError
from i2i.training.chance import generator_for
from i2i.training.guard import Guard
from i2i.training.runtime import Runtime


class LoopTurns:
    """The loop's side of `i2i.Turns`."""

    def __init__(
        self,
        trainer: Trainer,
        optimizers: Mapping[str, Optimizer],
        runtime: Runtime,
        seed: int = 0,
        micro_batches: int = 1,
        clip: float | None = None,
    ) -> None:
        self.guard = Guard(trainer.model, runtime.device)
        self.rate = 1.0
        """Of all learning rates, beside what their schedules say."""
        self.step = 0
        self.trainer, self.optimizers, self.runtime = trainer, optimizers, runtime
        self.seed, self.micro_batches, self.clip = seed, micro_batches, clip
        self.parameters = {name: _parameters(optimizer) for name, optimizer in optimizers.items()}
        self.minimised: set[str] = set()  # in this micro-batch
        self.sums: dict[str, list[Tensor | None]] = {}  # gradients of optimizers that step after the last micro-batch
        self._place = (0, 0, 0)  # first sample's global index, samples, micro-batch
        self._draws = 0
        freeze(trainer.model)
        for optimizer in optimizers.values():
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])

    def begin(self, step: int, micro_batch: int, first_sample: int, samples: int) -> None:
        """The next call of `Trainer.step` is about these samples of the global batch."""
        self.step = step
        self._place = (first_sample, samples, micro_batch)
        self._draws = 0
        self.minimised.clear()
        if micro_batch == 0:
            self.guard.begin()

    @contextmanager
    def __call__(self, optimizer: str) -> Iterator[LoopTurn]:
        """Within this block exactly the parameters of this optimizer learn."""
        if optimizer not in self.optimizers:
            known = ", ".join(self.optimizers) or "none"
            raise I2IError(f"turn '{optimizer}': the trainer has no such optimizer (it has: {known})")
        for parameter in self.parameters[optimizer]:
            parameter.requires_grad_(True)
        turn = LoopTurn(self, optimizer)
        try:
            yield turn
            turn.refuse_forgotten_parts()
        finally:
            for parameter in self.parameters[optimizer]:
                parameter.requires_grad_(False)
            torch.clear_autocast_cache()  # it holds weights of before the step, and with their graph

    def noise(self, shape: Sequence[int]) -> Tensor:
        """N(0, 1); sample i of the global batch is a function of (seed, step, draw, i) alone."""
        first, samples, _ = self._place
        if shape[0] != samples:
            raise I2IError(f"noise({tuple(shape)}): the first size must be the batch's, {samples}")
        self._draws += 1
        device = self.runtime.device
        rows = []
        for sample in range(first, first + samples):
            generator = generator_for(torch.device("cpu"), "noise", self.seed, self.step, self._draws, sample)
            rows.append(torch.randn(tuple(shape[1:]), generator=generator))
        return torch.stack(rows).to(device)

    def reduce(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks."""
        if self.runtime.ranks > 1:
            tensor = tensor.clone()
            torch.distributed.all_reduce(tensor)
        return tensor

    def finish(self) -> None:
        """After the last micro-batch: the optimizers that were waiting step together."""
        for name, gradients in self.sums.items():
            for parameter, gradient in zip(self.parameters[name], gradients, strict=True):
                parameter.grad = gradient
            self.apply(name)
        self.sums.clear()
        self.guard.finish()

    def collect(self, name: str) -> None:
        """Add a micro-batch's gradients to this turn's own sums: turns may share parameters, never gradients."""
        sums = self.sums.setdefault(name, [None] * len(self.parameters[name]))
        for place, parameter in enumerate(self.parameters[name]):
            gradient, parameter.grad = parameter.grad, None
            if gradient is not None:
                before = sums[place]
                sums[place] = gradient if before is None else before.add_(gradient)

    def apply(self, name: str, closure: Callable[[], float] | None = None) -> None:
        """One step of an optimizer at its scheduled learning rate; clears its gradients.

        Without a closure it changes nothing where a gradient is not finite.
        """
        factor = self.trainer.learning_rate(name, self.step) * self.rate
        for group in self.optimizers[name].param_groups:
            group["lr"] = group["initial_lr"] * factor
        if closure is None:
            self.gather(name)
            self.guard.step(self.optimizers[name], self.parameters[name])
        else:
            self.optimizers[name].step(closure)
        self.optimizers[name].zero_grad(set_to_none=True)

    def gather(self, name: str) -> None:
        """Average the gradients over ranks in one transfer, then clip; a missing gradient counts as zero."""
        parameters = self.parameters[name]
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        if self.runtime.ranks > 1:
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
            torch.distributed.all_reduce(flat)
            flat /= self.runtime.ranks
            for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(mean.view_as(gradient))
        if self.clip is not None:
            clip_grad_norm_(parameters, self.clip)


class LoopTurn:
    """The loop's side of `i2i.Turn`."""

    def __init__(self, turns: LoopTurns, name: str) -> None:
        self.turns, self.name = turns, name
        self.has_parts = False
        """Whether parts of a loss wait for the last."""

    def add(self, loss: Tensor) -> None:
        """Backward of one part; `minimise` takes the last."""
        self.has_parts = True
        self._backward(self._share(loss))

    def refuse_forgotten_parts(self) -> None:
        """Raise `I2IError` where parts were added and no `minimise` followed."""
        if self.has_parts:
            raise I2IError(f"turn '{self.name}': parts of a loss were added, and minimise was not called for the last")

    def minimise(self, loss: Tensor | Callable[[], Tensor]) -> None:
        """Backward, and the optimizer's step once all micro-batches were seen."""
        turns = self.turns
        if not isinstance(loss, Tensor):
            return self._minimise_closure(loss)
        if turns.micro_batches > 1 and self.name in turns.minimised:
            raise I2IError(
                f"turn '{self.name}' minimises twice in one step, which micro-batches cannot do: set run.accumulate=1"
            )
        turns.minimised.add(self.name)
        self._backward(self._share(loss))
        self.has_parts = False
        if turns.micro_batches > 1:
            turns.collect(self.name)
        else:
            turns.apply(self.name)
            torch.clear_autocast_cache()

    def _minimise_closure(self, closure: Callable[[], Tensor]) -> None:
        turns = self.turns
        if self.has_parts:
            raise I2IError(f"turn '{self.name}': a loss that is evaluated several times a step has no parts to add")
        if turns.micro_batches > 1:
            raise I2IError(f"turn '{self.name}' evaluates its loss several times a step: set run.accumulate=1")

        def evaluate() -> float:
            turns.optimizers[self.name].zero_grad(set_to_none=True)
            with torch.enable_grad():
                loss = closure()
                self._backward(loss)
            turns.gather(self.name)
            torch.clear_autocast_cache()
            total = loss.detach().clone()
            turns.runtime.mean([total])  # or ranks would search along different lines
            return float(total)

        turns.apply(self.name, evaluate)

    def _share(self, loss: Tensor) -> Tensor:
        """What a micro-batch contributes to the mean."""
        return loss / self.turns.micro_batches if self.turns.micro_batches > 1 else loss

    def _backward(self, loss: Tensor) -> None:
        if loss.dim():
            raise I2IError(f"turn '{self.name}': minimise takes a 0-dim loss, found shape {tuple(loss.shape)}")
        if not loss.requires_grad:
            raise I2IError(
                f"turn '{self.name}': its loss depends on none of its parameters; give one of the losses a weight "
                "above 0, or compute it within the turn"
            )
        with torch.autocast(self.turns.runtime.device.type, enabled=False):
            loss.backward()


def freeze(module: nn.Module) -> None:
    """No parameter learns outside its turn."""
    module.requires_grad_(False)


def _parameters(optimizer: Optimizer) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
