"""A training scheme on two ranks: two processes that each see their half of every batch."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.recipe import recipe_from_data
from i2i.testing.checks import Skipped
from i2i.testing.target import find
from i2i.training.starting import start

RANKS, STEPS, SECONDS = 2, 2, 300
GRACE = 1
"""Seconds for a rank to end by itself once another failed."""
REFUSAL = "UsageError: "
SLOW = ("torch._dynamo",)
"""What building an optimizer imports."""


@dataclass(frozen=True)
class Task:
    """What a rank is told: plain data, as it begins with an empty memory."""

    target: str
    recipe: Mapping[str, Any]
    folder: Path
    path: tuple[str, ...]
    """`sys.path` of whom it works for."""


def trained(task: Task) -> list[dict[str, Tensor]]:
    """What each rank has learned: the tensors that an optimizer owns; without optimizers, the model's whole state."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([__name__, *SLOW])  # imported once, not by each
    task.folder.mkdir()
    processes = [context.Process(target=work, args=(rank, task), daemon=True) for rank in range(RANKS)]
    for process in processes:
        process.start()
    try:
        hang = _wait(processes, task)
    finally:
        for process in processes:
            process.kill()
    if failures := sorted(_failures(task)):
        _, rank, told = failures[0]  # the others miss who failed first
        if told.startswith(REFUSAL):
            raise Skipped(f"it refuses to: {told.removeprefix(REFUSAL)}")
        raise AssertionError(f"rank {rank}: {told}")
    if hang:
        raise AssertionError(f"two ranks wait for each other: nothing came of them in {SECONDS} seconds")
    if any(process.exitcode for process in processes):
        raise AssertionError(f"ranks ended with exit codes {[process.exitcode for process in processes]}")
    return [load_file(task.folder / f"{rank}.safetensors") for rank in range(RANKS)]


def _wait(processes: Sequence[Any], task: Task) -> bool:
    """Whether some still run: after all this time, or a little after another one failed."""
    end = time.monotonic() + SECONDS
    while (running := [process.sentinel for process in processes if process.is_alive()]) and time.monotonic() < end:
        multiprocessing.connection.wait(running, 0.2)
        if _failures(task):
            end = min(end, time.monotonic() + GRACE)
    return bool(running)


def _failures(task: Task) -> list[tuple[int, int, str]]:
    """When, which rank, and what it told."""
    found = []
    for rank in range(RANKS):
        if (file := task.folder / f"{rank}.error").exists():
            at, _, told = file.read_text(encoding="utf-8").partition(" ")
            found.append((int(at), rank, told))
    return found


def work(rank: int, task: Task) -> None:
    """What one rank does, in its own process."""
    sys.path[:] = task.path
    sys.stdout = sys.stderr
    torch.set_num_threads(1)
    try:
        store = torch.distributed.FileStore(str(task.folder / "store"), RANKS)  # type: ignore[attr-defined]
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=RANKS)
        save_file(_learned(task), task.folder / f"{rank}.safetensors")
        torch.distributed.destroy_process_group()
    except BaseException as error:  # told to whom it works for, whatever it is
        at, told = time.time_ns(), f"{type(error).__name__}: {' '.join(str(error).split())}"
        draft = task.folder / f"{rank}.draft"
        draft.write_text(f"{at} {told}", encoding="utf-8")
        draft.rename(task.folder / f"{rank}.error")  # whole, for whoever looks meanwhile


def _learned(task: Task) -> dict[str, Tensor]:
    target = find(task.target)
    target.enter()
    catalog = target.catalog()
    fit = start(catalog, recipe_from_data(catalog, task.recipe, "the suite"), dry_run=True)
    batches = fit.batches.from_step(0)
    for _ in range(STEPS):
        fit.loop.advance(next(batches))
    batches.close()
    owned = [value for values in fit.loop.turns.parameters.values() for value in values]
    learned = {str(place): value for place, value in enumerate(owned)} or fit.loop.model.state_dict()
    return {name: tensor.detach().contiguous().clone() for name, tensor in learned.items()}
