"""What writing a run's report costs beside training it, and what one rewriting costs of a run that has become long."""

from __future__ import annotations

import contextlib
import io
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.rows import Asked, Found, row_of
from i2i.bench.sides import Side, Task, in_turns
from i2i.cli import i2i
from i2i.training.layout import METRICS, SAMPLES, name_of
from i2i.training.report import Reporter

DIGITS = 200
NAMES = ("adversarial", "cycle", "identity", "discriminator", "real_accuracy", "fake_accuracy", "diversity", "kid",
         "images_per_second", "loader_share")  # fmt: skip


def report(asked: Asked) -> Found:
    """Digits drawn by dcgan-digits with its reports; and a folder laid out as a run of 200,000 steps leaves it."""
    steps, long = (2, 500) if asked.quick else (120, 200_000)
    with TemporaryDirectory() as folder:
        side = Side("i2i", f"{__name__}:reporting", {"folder": folder, "steps": steps, "long": long})
        timings = in_turns([side], asked.rounds, asked.seconds)
    (rewriting,) = timings
    title = f"a report rewritten after {long:,} steps"
    note = f"share of the time: of {steps} steps of dcgan-digits, into reports"
    return Found([row_of(title, [rewriting], {}, note)])


def reporting(folder: str, steps: int, long: int) -> dict[str, Task]:
    """Train, then make the run long; a turn adds a line and a grid and rewrites the report."""
    share = _trained(Path(folder), steps)
    run = Path(folder) / "run"
    _lengthen(run, long)
    reporter, newest = Reporter(run), max((run / SAMPLES).iterdir())
    reporter.write()
    turns = iter(range(1, 1_000_000))

    def rewrite() -> dict[str, float]:
        turn = next(turns)
        shutil.copyfile(newest, newest.with_name(f"{name_of(long + 500 * turn)}.png"))
        with (run / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": long + turn, "cycle": 0.5}) + "\n")
        reporter.write()
        return {"share of the time": share}

    return {"rewrite": Task(rewrite)}


def _trained(folder: Path, steps: int) -> float:
    """A real run; what share of its time its reports took."""
    _command(f"data make digits --dst {folder / 'digits'} --count {DIGITS}")
    began, taken = list[float](), list[float]()

    def timed(method: Callable[..., object]) -> Callable[..., object]:
        @wraps(method)
        def call(*arguments: object) -> object:
            began.append(time.perf_counter())
            try:
                return method(*arguments)
            finally:
                taken.append(time.perf_counter() - began[-1])

        return call

    tick, write = Reporter.tick, Reporter.write
    Reporter.tick, Reporter.write = timed(tick), timed(write)  # type: ignore[method-assign, assignment]
    try:
        digits = folder / "digits" / "white"
        _command(f"fit --plugin dcgan-digits --src {digits} --steps {steps} --out {folder / 'run'}")
    finally:
        Reporter.tick, Reporter.write = tick, write  # type: ignore[method-assign]
    return sum(taken) / (began[-1] + taken[-1] - began[0])


def _command(line: str) -> None:
    """Run `i2i` here, in silence."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        i2i.main(line.split(), standalone_mode=False)


def _lengthen(run: Path, steps: int) -> None:
    """Make a run folder look as if it had taken so many steps: ten metrics every ten, a grid every five hundred."""
    (run / METRICS).write_text("".join(_lines(steps)), encoding="utf-8")
    grid = max((run / SAMPLES).iterdir())
    for step in range(500, steps + 1, 500):
        shutil.copyfile(grid, grid.with_name(f"{name_of(step)}.png"))


def _lines(steps: int) -> Iterator[str]:
    chance = random.Random(0)
    for step in range(10, steps + 1, 10):
        yield json.dumps({"step": step, **{name: chance.random() for name in NAMES}}) + "\n"
