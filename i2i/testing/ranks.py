"""A training scheme on two ranks: two processes that each see their half of every batch."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
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
    for process in processes:
        process.join(SECONDS)
    if any(process.exitcode is None for process in processes):
        for process in processes:
            process.kill()
        raise AssertionError(f"two ranks wait for each other: nothing came of them in {SECONDS} seconds")
    for rank in range(RANKS):
        if (failed := task.folder / f"{rank}.error").exists():
            told = failed.read_text(encoding="utf-8")
            if told.startswith(REFUSAL):
                raise Skipped(f"it refuses to: {told.removeprefix(REFUSAL)}")
            raise AssertionError(f"rank {rank}: {told}")
    if any(process.exitcode for process in processes):
        raise AssertionError(f"ranks ended with exit codes {[process.exitcode for process in processes]}")
    return [load_file(task.folder / f"{rank}.safetensors") for rank in range(RANKS)]


def work(rank: int, task: Task) -> None:
    """What one rank does, in its own process."""
    import sys

    sys.path[:] = task.path
    torch.set_num_threads(1)
    try:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{task.folder / 'store'}", rank=rank, world_size=RANKS
        )
        save_file(_learned(task), task.folder / f"{rank}.safetensors")
        torch.distributed.destroy_process_group()
    except BaseException as error:  # told to whom it works for, whatever it is
        told = f"{type(error).__name__}: {' '.join(str(error).split())}"
        (task.folder / f"{rank}.error").write_text(told, encoding="utf-8")


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
