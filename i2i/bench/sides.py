"""What is compared takes turns, each in a process of its own: a busy moment slows all, and memory is one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

from i2i.errors import I2IError
from i2i.plugins import resolve

LEAST = 2
"""Rounds that are measured, however long they take."""
LONG = 30.0
"""Seconds of a round from which on the first is as good as the others: what begins once is little of it."""
LEAVE = 5.0
"""Seconds that a process has to end by itself."""


@dataclass(frozen=True)
class Task:
    """Something to time."""

    run: Callable[[], Mapping[str, float] | None]
    """What it answers are figures of that turn."""
    pictures: int = 1
    gigaflops: float | None = None
    """Billions of operations that it takes when done plainly; None: nobody has counted."""


@dataclass(frozen=True)
class Side:
    """One of those that are compared."""

    name: str
    build: str
    """`"module:function"`, called in its own process with `options`: name → `Task`, in the order of turns."""
    options: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True)
class Turn:
    """One run of a task."""

    seconds: float
    memory: int
    """Bytes, the most of this turn."""
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Timing:
    """What one task of one side took, turn by turn."""

    side: str
    task: str
    turns: tuple[Turn, ...]
    pictures: int
    gigaflops: float | None

    @property
    def seconds(self) -> float:
        """The median."""
        return median(turn.seconds for turn in self.turns)

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the most."""
        taken = [turn.seconds for turn in self.turns]
        return min(taken), max(taken)

    @property
    def memory(self) -> int:
        """Bytes, the most of all turns."""
        return max(turn.memory for turn in self.turns)

    @property
    def figures(self) -> Mapping[str, float]:
        """Medians of what the turns answered."""
        return {name: median(turn.figures[name] for turn in self.turns) for name in self.turns[0].figures}

    def ratios(self, plain: Timing) -> tuple[float, float, float]:
        """How many times as fast as another: median, least and most of the rounds, side by side."""
        each = [theirs.seconds / own.seconds for own, theirs in zip(self.turns, plain.turns, strict=True)]
        return median(each), min(each), max(each)


def in_turns(
    sides: Sequence[Side],
    rounds: int,
    seconds: float = float("inf"),
    warm_up: bool = True,
    refused: dict[str, str] | None = None,
) -> list[Timing]:
    """Let every task of every side run once a round; the first round, the warm-up, does not count unless it is long.

    There are `rounds` rounds, fewer where these take more than so many `seconds`, but two at least. Timings come in the
    order of sides. Raises `I2IError` that names the side where one fails; where `refused` is given, those that cannot
    be built are left out instead, and the reason is put there by their names.
    """
    with _started(sides) as pipes:
        tasks = [_built(side, pipe, refused) for side, pipe in zip(sides, pipes, strict=True)]
        turns: dict[tuple[int, str], list[Turn]] = {(at, name): [] for at, own in enumerate(tasks) for name in own}
        measured, end = 0, time.monotonic() + seconds
        while measured < min(rounds, LEAST) or (measured < rounds and time.monotonic() < end):
            began, taken = time.monotonic(), {}
            for at, name in turns:
                pipes[at].send(name)
                taken[at, name] = _answer(sides[at], pipes[at])
            if warm_up and time.monotonic() < began + LONG:
                warm_up, end = False, time.monotonic() + seconds
                continue
            warm_up, measured = False, measured + 1
            for key, turn in taken.items():
                turns[key].append(turn)
    return [Timing(sides[at].name, name, tuple(taken), *tasks[at][name]) for (at, name), taken in turns.items()]


@contextmanager
def _started(sides: Sequence[Side]) -> Iterator[list[Connection]]:
    """One process a side, all at once; none outlives the block."""
    context, processes, pipes = get_context("spawn"), [], []
    try:
        for side in sides:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(side, theirs), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            pipes.append(ours)
        yield pipes
        for pipe in pipes:
            with suppress(OSError):
                pipe.send(None)
        for process in processes:
            process.join(LEAVE)
    finally:
        for process in processes:
            process.kill()
            process.join()


def _built(side: Side, pipe: Connection, refused: dict[str, str] | None) -> Mapping[str, tuple[int, float | None]]:
    """Pictures and operations of each of its tasks; none where it was refused."""
    try:
        tasks: Mapping[str, tuple[int, float | None]] = _answer(side, pipe)
        return tasks
    except I2IError as error:
        if refused is None:
            raise
        refused[side.name] = str(error).removeprefix(f"{side.name}: ")
        return {}


def _answer(side: Side, pipe: Connection) -> Any:
    try:
        answer = pipe.recv()
    except (EOFError, OSError) as error:
        raise I2IError(f"{side.name}: its process ended before it answered, perhaps for want of memory") from error
    if isinstance(answer, str):
        raise I2IError(f"{side.name}: {answer}")
    return answer


def _serve(side: Side, pipe: Connection) -> None:
    """In the side's own process: build, then run what is asked for until nothing more is."""
    try:
        tasks: Mapping[str, Task] = resolve(side.build)(**side.options)

        import torch

        from i2i.bench.memory import begin, peak
        from i2i.training.speed import wait_for

        device = torch.device(side.device)
        pipe.send({name: (task.pictures, task.gigaflops) for name, task in tasks.items()})
        while (name := pipe.recv()) is not None:
            begin(device)
            wait_for(device)
            began = time.perf_counter()
            figures = tasks[name].run() or {}
            wait_for(device)
            pipe.send(Turn(time.perf_counter() - began, peak(device), dict(figures)))
    except (EOFError, KeyboardInterrupt):
        return
    except Exception as error:
        text = " ".join(str(error).split())
        with suppress(OSError):  # nobody waits for it any more
            pipe.send(text if isinstance(error, I2IError) else f"{type(error).__name__}: {text}")
