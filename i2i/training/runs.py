"""What runs there are, told from names, sizes and headers: no hash is computed and torch is not imported for it."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from i2i.disk.locking import OCCUPIED, try_lock
from i2i.errors import I2IError, UsageError
from i2i.training.glancing import extent, last_logged, newest_intact, plan_of
from i2i.training.layout import BEST, CHECKPOINTS, ENVIRONMENT, METRICS, RECIPE, checkpoints_in

RUNNING, DAMAGED, FINISHED, STOPPED = "running", "damaged", "finished", "stopped"


@dataclass(frozen=True)
class Best:
    """The best figure of a run so far."""

    step: int
    metric: str
    value: float
    lower_is_better: bool


@dataclass(frozen=True)
class Run:
    """A run folder as it was found."""

    path: Path
    recipe: str | None
    """Its name; None where it cannot be read."""
    step: int
    """Of the newest checkpoint that looks intact, 0 without one; of a run that goes on, where its metrics are."""
    steps: int | None
    """Of the whole run."""
    ended_early: bool
    """Whether its validations found no more to gain."""
    checkpoints: tuple[int, ...]
    """Steps of what lies there, looking intact or not, in order."""
    occupant: str | None
    """`PID on MACHINE` of the process that trains it."""
    problem: str | None
    """What is damaged about it, as far as names, sizes and headers tell."""
    best: Best | None
    written: float
    """When, in seconds since 1970."""
    size: int
    """Bytes."""

    @property
    def state(self) -> str:
        """`running`, `damaged`, `finished` or `stopped`."""
        if self.occupant is not None:
            return RUNNING
        if self.problem is not None:
            return DAMAGED
        is_over = self.ended_early or (self.steps is not None and self.step >= self.steps)
        return FINISHED if is_over else STOPPED


def runs_in(folders: Sequence[Path]) -> list[Run]:
    """The runs that these folders are, or hold; newest first. Raises `UsageError` where there is no such folder."""
    found: dict[Path, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such folder")
        for path in [folder] if is_run(folder) else filter(is_run, folder.iterdir()):
            found.setdefault(path.resolve(), path)
    return sorted(map(look_at, found.values()), key=lambda run: (-run.written, run.path))


def is_run(path: Path) -> bool:
    """Whether a run was begun in this folder."""
    try:
        begun = (path / CHECKPOINTS).is_dir() or (path / ENVIRONMENT).is_file()
        return begun and (path / RECIPE).is_file()
    except PermissionError:  # somebody else's folder among ours
        return False


def look_at(path: Path) -> Run:
    """A run folder without reading a tensor of it."""
    plan = plan_of(path / RECIPE)
    checkpoints, occupant = checkpoints_in(path / CHECKPOINTS), occupant_of(path)
    newest = newest_intact(checkpoints)
    step, problem = newest.step, newest.complaint if plan is not None else f"{RECIPE} cannot be read"
    if occupant is not None:
        step = max(step, last_logged(path / METRICS))
        problem = problem if checkpoints else None  # the first one comes
    written, size = extent(path)
    return Run(
        path=path,
        recipe=None if plan is None else plan.name,
        step=step,
        steps=None if plan is None else plan.steps,
        ended_early=plan is not None and plan.patience is not None and newest.stale >= plan.patience,
        checkpoints=tuple(checkpoints),
        occupant=occupant,
        problem=problem,
        best=best_of(path),
        written=written,
        size=size,
    )


def best_of(path: Path) -> Best | None:
    """The best figure of a run; None where none is watched or its file cannot be understood."""
    try:
        told: dict[str, Any] = json.loads((path / BEST).read_text(encoding="utf-8"))
        best = Best(int(told["step"]), str(told["metric"]), float(told["value"]), bool(told["lower_is_better"]))
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return best if math.isfinite(best.value) else None


def occupant_of(path: Path) -> str | None:
    """`PID on MACHINE` of the living process that works in a folder, or None; disturbs nobody."""
    try:
        with (path / OCCUPIED).open(encoding="utf-8") as stream:
            locked = try_lock(stream.fileno())
            who = stream.read().strip() or "another process"
    except (OSError, ValueError):
        return None
    process, _, machine = who.partition(" on ")
    lives = machine == platform.node() and process.isdecimal() and psutil.pid_exists(int(process))
    return who if locked is False or (locked is None and lives) else None


def intact_checkpoint(path: Path, step: int | None = None, say: Callable[[str], None] = lambda text: None) -> Path:
    """The newest intact checkpoint of a run, or that of a step; hashes are computed for this.

    Raises `UsageError` where there is none of that step, `I2IError` where it is damaged.
    """
    from i2i.training.checkpoints import damage, newest_checkpoint

    refuse_others(path)
    there = checkpoints_in(path / CHECKPOINTS)
    if step is None:
        newest = newest_checkpoint(path / CHECKPOINTS, say)
        if newest is None:
            raise I2IError(f"{path}: holds no intact checkpoint")
        return newest
    if step not in there:
        raise UsageError(f"{path}: no checkpoint of step {step}; there are: {', '.join(map(str, there)) or 'none'}")
    if problem := damage(there[step]):
        raise I2IError(f"{there[step]}: {problem}; name another --step")
    return there[step]


def refuse_others(path: Path) -> None:
    """Raise `UsageError` where a folder is no run's, or there is none."""
    if not path.exists():
        raise UsageError(f"{path}: no such folder")
    if not (path / RECIPE).is_file() or not (path / CHECKPOINTS).is_dir():
        raise UsageError(f"{path}: not a run folder ({RECIPE} and {CHECKPOINTS}/ are not both in it)")
