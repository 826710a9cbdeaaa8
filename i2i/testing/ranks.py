"""A training scheme on two ranks: two processes that each see their half of every batch."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
BEGIN = """
import json, sys
told = json.load(sys.stdin)
sys.path[:] = told["path"]
from i2i.testing.ranks import work
work(told)
"""
"""What each process runs: it is told where to import from first."""


@dataclass(frozen=True)
class Task:
    """What ranks do: plain data, as each begins with an empty memory."""

    target: str
    recipe: Mapping[str, Any]
    folder: Path
    path: tuple[str, ...]
    """`sys.path` of whom it works for."""


def trained(task: Task) -> list[dict[str, Tensor]]:
    """What each rank has learned: the tensors that an optimizer owns; without optimizers, the model's whole state."""
    task.folder.mkdir()
    processes = [_begun(rank, task) for rank in range(RANKS)]
    try:
        hang = _wait(processes, task)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if failures := sorted(_failures(task)):
        _, rank, told = failures[0]  # the others miss who failed first
        if told.startswith(REFUSAL):
            raise Skipped(f"it refuses to: {told.removeprefix(REFUSAL)}")
        raise AssertionError(f"rank {rank}: {told}")
    if hang:
        raise AssertionError(f"two ranks wait for each other: nothing came of them in {SECONDS} seconds")
    if any(codes := [process.returncode for process in processes]):
        raise AssertionError(f"ranks ended with exit codes {codes}")
    return [load_file(task.folder / f"{rank}.safetensors") for rank in range(RANKS)]


def _begun(rank: int, task: Task) -> subprocess.Popen[str]:
    """A process that does what one rank does; what it prints is nobody's affair."""
    quiet = subprocess.DEVNULL
    words = [sys.executable, "-c", BEGIN]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, text=True)
    assert process.stdin is not None
    with process.stdin as told:
        json.dump({**asdict(task), "folder": str(task.folder), "rank": rank}, told)
    return process


def _wait(processes: Sequence[subprocess.Popen[str]], task: Task) -> bool:
    """Whether some still run: after all this time, or a little after another one failed."""
    end = time.monotonic() + SECONDS
    while (running := any(process.poll() is None for process in processes)) and time.monotonic() < end:
        time.sleep(0.05)
        if _failures(task):
            end = min(end, time.monotonic() + GRACE)
    return running


def _failures(task: Task) -> list[tuple[int, int, str]]:
    """When, which rank, and what it told."""
    found = []
    for rank in range(RANKS):
        if (file := task.folder / f"{rank}.error").exists():
            at, _, told = file.read_text(encoding="utf-8").partition(" ")
            found.append((int(at), rank, told))
    return found


def work(told: Mapping[str, Any]) -> None:
    """What one rank does, in its own process."""
    rank, task = told["rank"], Task(told["target"], told["recipe"], Path(told["folder"]), tuple(told["path"]))
    torch.set_num_threads(1)
    try:
        store = torch.distributed.FileStore(str(task.folder / "store"), RANKS)  # type: ignore[attr-defined]
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=RANKS)
        save_file(_learned(task), task.folder / f"{rank}.safetensors")
        torch.distributed.destroy_process_group()
    except BaseException as error:  # told to whom it works for, whatever it is
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        draft = task.folder / f"{rank}.draft"
        draft.write_text(f"{time.time_ns()} {what}", encoding="utf-8")
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
