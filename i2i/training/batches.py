"""Batches as a function of (seed, step): the same on any number of workers, ranks and micro-batches."""

from __future__ import annotations

import functools
import os
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from i2i.contracts import Dataset
from i2i.errors import BrokenPicture, I2IError
from i2i.training.chance import generator_for, rng_for
from i2i.training.runtime import Runtime

MAX_BROKEN_IN_A_ROW = 100


@dataclass(frozen=True)
class MicroBatch:
    """What one call of `Trainer.step` sees of the global batch."""

    first_sample: int
    """Index, in the global batch, of the first sample."""
    tensors: dict[str, Tensor]
    """Key → float (B, C, H, W) in [0, 1], on the device."""
    broken: tuple[BrokenPicture, ...] = ()
    """Pictures that were met and replaced."""

    @property
    def samples(self) -> int:
        """Pictures in this micro-batch."""
        return len(next(iter(self.tensors.values())))


class Batches:
    """The global batches of a run, as this rank sees them."""

    def __init__(
        self, dataset: Dataset, runtime: Runtime, seed: int, batch: int, accumulate: int = 1, workers: int | None = None
    ) -> None:
        if batch % (accumulate * runtime.ranks):
            raise I2IError(
                f"run.batch {batch} does not divide among {accumulate} micro-batches on {runtime.ranks} ranks"
            )
        self.dataset, self.runtime, self.seed = dataset, runtime, seed
        self.batch, self.accumulate = batch, accumulate
        self.workers = _default_workers(runtime.device) if workers is None else workers
        self.waited = 0.0
        """Seconds that samples were waited for, in all."""

    def from_step(self, step: int) -> Generator[list[MicroBatch]]:
        """The micro-batches of each optimizer step, without end; close it to end the loader's processes."""
        loader = DataLoader(
            _Positions(self.dataset, self.seed),
            batch_sampler=_EndlessSampler(self._positions(step)),
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=self.runtime.device.type == "cuda",
            worker_init_fn=_leave_signals_to_the_loop,
            generator=torch.Generator(),
        )
        loaded = iter(loader)
        try:
            while True:
                yield [self._prepared(step, part, self._next(loaded)) for part in range(self.accumulate)]
                step += 1
        finally:  # now, not when the last reference to it has gone, which an error's traceback may keep
            if hasattr(loaded, "_shutdown_workers"):
                loaded._shutdown_workers()

    def _next(self, loaded: Iterator[_Load]) -> _Load:
        since = time.perf_counter()
        try:
            return next(loaded)
        finally:
            self.waited += time.perf_counter() - since

    def fixed(self, dataset: Dataset, count: int) -> MicroBatch:
        """The same few samples every time, from anywhere in the dataset; where it has fewer, they come again."""
        order = rng_for("fixed", self.seed).permutation(len(dataset))
        chosen = [int(order[place % len(order)]) for place in range(count)]
        loads = [_load(dataset, index, rng_for("fixed", self.seed, place)) for place, index in enumerate(chosen)]
        return self._micro_batch(dataset, 0, _collate(loads), ("fixed", self.seed))

    def _first_sample(self, part: int) -> int:
        size = self.batch // self.accumulate
        return part * size + self.runtime.rank * (size // self.runtime.ranks)

    def _positions(self, step: int) -> Iterator[list[int]]:
        size = self.batch // self.accumulate // self.runtime.ranks
        while True:
            for part in range(self.accumulate):
                first = step * self.batch + self._first_sample(part)
                yield list(range(first, first + size))
            step += 1

    def _prepared(self, step: int, part: int, loaded: _Load) -> MicroBatch:
        place = ("prepare", self.seed, step, part, self.runtime.rank)
        return self._micro_batch(self.dataset, self._first_sample(part), loaded, place)

    def _micro_batch(
        self, dataset: Dataset, first_sample: int, loaded: _Load, place: tuple[int | str, ...]
    ) -> MicroBatch:
        if isinstance(loaded, I2IError):
            raise loaded
        tensors, broken = loaded
        device = self.runtime.device
        moved = {key: pictures.to(device, non_blocking=device.type == "cuda") for key, pictures in tensors.items()}
        return MicroBatch(first_sample, dataset.prepare(moved, generator_for(device, *place)), broken)


_Load = tuple[dict[str, Tensor], tuple[BrokenPicture, ...]] | I2IError
"""Samples and the broken pictures met on the way. An error is a value: raised in a worker it would arrive as a
traceback's text."""


class _Positions(TorchDataset[_Load]):
    """Sample number p of the whole run: epoch p // N, place p % N in that epoch's order."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self.dataset, self.seed = dataset, seed
        self._order = functools.lru_cache(maxsize=2)(self._epoch)

    def __getstate__(self) -> dict[str, object]:  # to workers that are spawned, not forked
        return {"dataset": self.dataset, "seed": self.seed}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._order = functools.lru_cache(maxsize=2)(self._epoch)

    def _epoch(self, epoch: int) -> numpy.ndarray:
        return rng_for("order", self.seed, epoch).permutation(len(self.dataset))

    def __getitem__(self, position: int) -> _Load:
        epoch, place = divmod(position, len(self.dataset))
        return _load(self.dataset, int(self._order(epoch)[place]), rng_for("sample", self.seed, position))


class _EndlessSampler:
    """A batch sampler that goes on; `DataLoader` wants an object, not an iterator."""

    def __init__(self, positions: Iterator[list[int]]) -> None:
        self.positions = positions

    def __iter__(self) -> Iterator[list[int]]:
        return self.positions


def _load(dataset: Dataset, index: int, rng: numpy.random.Generator) -> _Load:
    """A sample; a broken picture is noted and another one drawn, by the same chance every time."""
    broken: list[BrokenPicture] = []
    while len(broken) < MAX_BROKEN_IN_A_ROW:
        try:
            return dataset.load(index, rng), tuple(broken)
        except BrokenPicture as picture:
            broken.append(BrokenPicture(picture.path, picture.reason))  # its traceback would keep the pixels
            index = int(rng.integers(len(dataset)))
        except I2IError as error:
            return error
        except Exception as error:
            return I2IError(f"dataset: sample {index}: {type(error).__name__}: {' '.join(str(error).split())}")
    return I2IError(f"{len(broken)} pictures in a row cannot be read; the last: {broken[-1]}")


def _collate(loads: Sequence[_Load]) -> _Load:
    samples, broken = list[dict[str, Tensor]](), list[BrokenPicture]()
    for load in loads:
        if isinstance(load, I2IError):
            return load
        samples.append(load[0])
        broken.extend(load[1])
    for key, first in samples[0].items():
        for sample in samples:
            if (other := sample[key].shape) != first.shape:
                return I2IError(f"dataset: {key} is {tuple(first.shape)} in one sample and {tuple(other)} in another")
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}, tuple(broken)


def _default_workers(device: torch.device) -> int:
    """On the CPU the networks need every core; beside an accelerator the cores are free to load."""
    return 0 if device.type == "cpu" else min(8, max(1, (os.cpu_count() or 1) - 1))


def _leave_signals_to_the_loop(worker: int) -> None:
    """Signals go to the whole group: the loop needs its workers until it has saved, and they end when it does."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
