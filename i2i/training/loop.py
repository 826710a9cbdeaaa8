"""The loop: one optimizer step of any training scheme, under its precision, its chance and its turns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from i2i.contracts import Geometry, Options, Request, Trainer
from i2i.contracts.request import unseen
from i2i.errors import I2IError
from i2i.ranks.group import gathered
from i2i.recipe import RunOptions
from i2i.training.batches import MicroBatch
from i2i.training.chance import seed_torch
from i2i.training.compiling import compile_networks, compiling, eager
from i2i.training.ema import EMA
from i2i.training.optimising import settle
from i2i.training.recomputing import recompute
from i2i.training.runtime import Runtime, laid_out
from i2i.training.turns import LoopTurns, freeze


class Loop:
    """A trainer in motion: model, optimizers, moving average and the count of steps."""

    def __init__(
        self,
        trainer: Trainer,
        runtime: Runtime,
        run: RunOptions,
        ema: tuple[str, ...] = (),
        translate: Options | None = None,
    ) -> None:
        self.trainer, self.runtime, self.run = trainer, runtime, run
        self.translate = translate or Options()
        self.memory_format = runtime.memory_format(run.memory_format)
        self.model: Any = self._arranged(trainer.model)
        for loss in filter(None, trainer.losses.values()):
            freeze(self._arranged(loss))
        self.recomputed = recompute(self.model) if run.recompute else 0
        """Blocks of the model that compute again what they forget."""
        if run.compile is not None:
            compile_networks(self.model, run.compile)
        self.optimizers = dict(trainer.optimizers())
        for optimizer in self.optimizers.values():
            settle(optimizer, runtime.device)
        self.turns = LoopTurns(trainer, self.optimizers, runtime, run.seed, run.accumulate, run.clip)
        self.ema = EMA(self.model, ema, run.ema)
        self.step = 0
        self.returns = 0
        """How often it went back to a checkpoint, as numbers had exploded."""
        self.passed_over = 0
        """Batches that are not seen again after that."""

    @property
    def batch_number(self) -> int:
        """Of the batch that the next step learns from."""
        return self.step + self.passed_over

    def go_back(self, state: dict[str, Any]) -> None:
        """To an earlier state, with half the learning rates it had, and on with the batches that come now."""
        batch_number, rate = self.batch_number, self.turns.rate
        self.load_state_dict(state)
        self.turns.rate = rate / 2
        self.passed_over = batch_number - self.step
        self.returns += 1

    def is_finite(self) -> bool:
        """Whether all parameters and buffers are."""
        state = (value for value in self.model.state_dict().values() if value.is_floating_point())
        return all(bool(value.isfinite().all()) for value in state)

    def advance(self, batch: Sequence[MicroBatch]) -> Mapping[str, Tensor]:
        """One optimizer step on all micro-batches; the means of their scalars."""
        scalars: dict[str, Tensor] = {}
        for part, micro_batch in enumerate(batch):
            seed_torch("step", self.run.seed, self.step, part, self.runtime.rank)
            self.turns.begin(self.step, part, micro_batch.first_sample, micro_batch.samples)
            with self.runtime.autocast(), compiling(self.run.compile):
                answers = self.trainer.step(self._taken(micro_batch.tensors), self.turns)
            if "step" in answers:
                raise I2IError(f"{type(self.trainer).__name__}.step answers a figure called step, which counts steps")
            for name, value in answers.items():
                share = value.detach() / len(batch)
                scalars[name] = scalars[name] + share if name in scalars else share
        self.turns.finish()
        self.runtime.mean([buffer for buffer in self.model.buffers() if buffer.is_floating_point()])
        self.ema.update(self.step)
        self.step += 1
        return scalars

    def of_all_ranks(self, scalars: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The means of what the ranks have; their names must be the same."""
        if self.runtime.ranks == 1 or not scalars:
            return scalars
        values = torch.stack([scalars[name].float() for name in sorted(scalars)])
        self.runtime.mean([values])
        return dict(zip(sorted(scalars), values, strict=True))

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The trainer's pictures of a batch, RGB, as the weights file would make them; trains nothing."""
        return {title: pictures.cpu() for title, pictures in self._previewed(batch).items()}

    def samples(self, count: int) -> Tensor:
        """(count, C, H, W) in [0, 1]: what the weights file would make of the first seeds."""
        pictures = []
        with self.as_saved("samples"):
            for first in range(0, count, self.run.batch):
                seeds = tuple(range(first, min(count, first + self.run.batch)))
                latents = self.model.latents(seeds).to(self.runtime.device)
                request = Request(seeds=seeds, options=self.translate)
                pictures.append(self.model.sample(latents, request).float())
        return torch.cat(pictures)

    def _previewed(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        with self.as_saved("preview"):
            columns = self.trainer.preview(self._taken(batch))
            return {title: pictures.float().expand(-1, 3, -1, -1) for title, pictures in columns.items()}

    @contextmanager
    def as_saved(self, purpose: str) -> Iterator[None]:
        """The model computes as the weights file will, and forgets that it did."""
        modes = {module: module.training for module in self.model.modules()}
        self.model.eval()
        seed_torch(purpose, self.run.seed)
        try:
            with torch.no_grad(), self.runtime.autocast(), self.ema.swapped_in(), eager(self.run.compile):
                yield
        finally:
            for module, training in modes.items():
                module.training = training

    def _taken(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A batch with as many channels as the model takes, laid out as the model is."""
        geometry: Geometry = getattr(self.model, "geometry", Geometry())
        pictures = {key: geometry.channelled(value) for key, value in batch.items() if value.dim() == 4}
        if self.memory_format is not None:
            pictures = {key: value.contiguous(memory_format=self.memory_format) for key, value in pictures.items()}
        return {**batch, **pictures}

    def _arranged(self, module: nn.Module) -> nn.Module:
        """On the device, in the order that is wanted."""
        module = module.to(self.runtime.device)
        return module if self.memory_format is None else laid_out(module, self.memory_format)

    def inference_tensors(self, submodules: Sequence[str]) -> dict[str, Tensor]:
        """What a weights file holds: these submodules or buffers of the model, averaged where averaging is on."""
        with self.ema.swapped_in():
            state = self.model.state_dict()
            return {key: value.cpu().clone() for key, value in state.items() if key.split(".")[0] in submodules}

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on; every rank has to ask, and the first gets it all."""
        trainer = self.trainer.state_dict()
        trainers = gathered(trainer) if self.runtime.ranks > 1 else [trainer]
        return {
            "step": self.step,
            "model": dict(self.model.state_dict()),
            "ema": self.ema.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "trainers": trainers,
            "guard": self.turns.guard.state_dict(),
            "rate": self.turns.rate,
            "returns": self.returns,
            "passed_over": self.passed_over,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        for name, optimizer in self.optimizers.items():
            made_with = _made_with(optimizer)
            optimizer.load_state_dict(state["optimizers"][name])
            settle(optimizer, self.runtime.device, made_with)
        trainers = state["trainers"]  # what a rank keeps for itself, such as its pictures of the past
        self.trainer.load_state_dict(trainers[self.runtime.rank if len(trainers) == self.runtime.ranks else 0])
        self.turns.guard.load_state_dict(state["guard"])
        self.turns.rate = state["rate"]
        self.returns, self.passed_over = state["returns"], state["passed_over"]

    def fork_state_dict(self, state: dict[str, Any]) -> None:
        """As `load_state_dict`, but optimizers keep what they were made with, such as another learning rate.

        That numbers had exploded is forgotten, with the lower rates that followed.
        """
        made_with = {name: _made_with(optimizer) for name, optimizer in self.optimizers.items()}
        self.load_state_dict(state)
        for name, optimizer in self.optimizers.items():
            for group, options in zip(optimizer.param_groups, made_with[name], strict=True):
                group.update(options)
        self.turns.rate, self.returns = 1.0, 0

    @classmethod
    def optimise(
        cls, trainer: Trainer, batch: dict[str, Tensor], steps: int, request: Request | None = None, seed: int = 0
    ) -> None:
        """The same loop on one batch, without a run folder: for models that translate by optimising.

        After each step the request hears how far it is and is shown the first pictures that the trainer previews.
        Raises `I2IError` where a scalar of the trainer's is not finite.
        """
        request = request or Request()
        first = next(iter(batch.values()))
        runtime = Runtime(first.device, "fp32")
        with torch.enable_grad(), torch.random.fork_rng(devices=[first.device] if first.is_cuda else []):
            loop = cls(trainer, runtime, RunOptions(steps=steps, batch=len(first), seed=seed))
            for step in range(steps):
                scalars = loop.advance([MicroBatch(0, batch)])
                numbers = {name: float(value) for name, value in scalars.items()}
                if wrong := [f"{name} is {value}" for name, value in numbers.items() if not math.isfinite(value)]:
                    raise I2IError(f"iteration {step + 1}: {', '.join(wrong)}; try other weights or a lower rate")
                request.report((step + 1) / steps, **numbers)
                if request.show is not unseen:
                    columns = loop._previewed(batch)
                    if columns:
                        request.show(step + 1, next(iter(columns.values())))


def _made_with(optimizer: Optimizer) -> list[dict[str, Any]]:
    """The options of each group of parameters."""
    names = {*optimizer.defaults, "initial_lr"}
    return [{name: group[name] for name in names & group.keys()} for group in optimizer.param_groups]
