"""A training scheme: what one step does. The scheme owns the mathematics; the loop owns everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from i2i.contracts.specs import Options


class RoleLoss(Protocol):
    """A loss in its role, multiplied by the recipe's weight; which methods answer depends on its kind."""

    weight: float
    needs_real_logits: bool
    every: int
    """A regulariser is computed at the last of every so many steps and multiplied by as much."""

    def __call__(self, *inputs: Any) -> Tensor:
        """An image loss or a regulariser."""

    def generator(self, fake_logits: Tensor, real_logits: Tensor | None = None) -> Tensor:
        """An adversarial loss, the generator's side."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        """An adversarial loss, the discriminator's side; never weighted."""

    def penalty(self, discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor | None:
        """What else an adversarial loss adds to its discriminator's side, or None; never weighted."""

    def accuracy(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
        """The shares of real and of generated pictures that the discriminator judges right, each 0-dim in [0, 1]."""


Losses = Mapping[str, Any]
"""Role → `RoleLoss`, or None for an optional role that the recipe leaves out."""


class Turn(Protocol):
    """The time in which one optimizer's parameters learn."""

    def minimise(self, loss: Tensor | Callable[[], Tensor]) -> None:
        """Backward → average over ranks → clip → optimizer step at the scheduled learning rate.

        `loss` is a 0-dim tensor, or a function that computes one for optimizers that evaluate several times a step
        (L-BFGS). With k micro-batches the optimizer steps after the k-th.
        """

    def add(self, loss: Tensor) -> None:
        """Backward of one part of the loss, 0-dim, before `minimise` takes the last.

        What was kept for it in memory is free before the next part is computed; the sum is what is minimised.
        """


class Turns(Protocol):
    """What a step is handed beside its batch."""

    step: int
    """Optimizer steps taken so far."""

    def __call__(self, optimizer: str) -> AbstractContextManager[Turn]:
        """Within this block exactly the parameters of this optimizer learn; all others are frozen."""

    def noise(self, shape: Sequence[int]) -> Tensor:
        """N(0, 1) of this shape; sample i of the global batch gets the same numbers on any number of ranks."""

    def reduce(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, for schemes that accumulate statistics."""


class Trainer:
    """Base of every scheme. Torch's generators are seeded from (seed, step, micro-batch, rank) before each `step`."""

    remarks: Sequence[str] = ()
    """Lines worth telling the user once, before the first step."""
    loaded: Mapping[str, str] = MappingProxyType({})
    """Files beside the data that it learns from, by name, with their SHA-256: a resumed run must find the same."""
    translate_options: Any = None
    """The recipe's: an instance of the model spec's `translate_options`, for what `preview` asks of the model."""

    def __init__(self, model: nn.Module, losses: Losses, options: Options) -> None:
        self.model: Any = model
        self.losses = losses
        self.options: Any = options

    def optimizers(self) -> Mapping[str, Optimizer]:
        """Called once, with the model on its device. May be empty."""
        return {}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """What the optimizer's own learning rate is multiplied by at this step: absolute, a function of step alone."""
        return 1.0

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """One step on a batch in [0, 1]. Returns 0-dim tensors; the loop reads them only when it logs."""
        raise NotImplementedError

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Title → pictures (B, C, H, W) in [0, 1] for the sample grid; EMA weights, no gradient."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What else resume needs (replay pools): tensors, numbers, strings, lists and dicts of them."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what `state_dict` gave; tensors arrive on the CPU."""
