"""What writing a run's report costs beside training it, and what one rewriting costs of a run that has become long.

    python benchmarks/report_cost.py [--steps 400] [--long 200000] [--rounds 5]

The share comes first: `i2i fit` draws digits with dcgan-digits, at the intervals of its recipe, and the time spent in
its reporter is held against the time from its first report to its end. Then a folder is laid out as a run of --long
steps leaves it: ten metrics every ten steps, a grid of real samples every five hundred.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory

from i2i.cli import i2i
from i2i.training.layout import METRICS, REPORT, SAMPLES, name_of
from i2i.training.report import Reporter

NAMES = ("adversarial", "cycle", "identity", "discriminator", "real_accuracy", "fake_accuracy", "diversity", "kid",
         "images_per_second", "loader_share")  # fmt: skip


class Timed:
    """Calls, when each began and how long it took."""

    def __init__(self) -> None:
        self.began: list[float] = []
        self.seconds: list[float] = []

    def around(self, method: Callable[..., object]) -> Callable[..., object]:
        """The same, timed."""

        @wraps(method)
        def timed(*arguments: object) -> object:
            began = time.perf_counter()
            try:
                return method(*arguments)
            finally:
                self.began.append(began)
                self.seconds.append(time.perf_counter() - began)

        return timed


def command(line: str) -> None:
    """Run `i2i` here, in silence."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        i2i.main(line.split(), standalone_mode=False)


def train(folder: Path, steps: int) -> Path:
    """A real run, and what its reports cost, said."""
    command(f"data make digits --dst {folder / 'digits'} --count 500")
    ticks, writes = Timed(), Timed()
    Reporter.tick, Reporter.write = ticks.around(Reporter.tick), writes.around(Reporter.write)  # type: ignore[method-assign, assignment]
    command(f"fit --plugin dcgan-digits --src {folder / 'digits' / 'white'} --steps {steps} --out {folder / 'run'}")
    whole = writes.began[-1] + writes.seconds[-1] - ticks.began[0]
    spent = sum(ticks.seconds) + sum(writes.seconds)
    written = sum(seconds > 1e-3 for seconds in ticks.seconds) + len(writes.seconds)
    print(f"{spent / whole:7.2%}  of the time of {steps} steps went into reports: {spent:.3f} s of {whole:.1f} s")
    print(f"         {written} of {len(ticks.seconds) + len(writes.seconds)} calls wrote; "
          f"the first took {ticks.seconds[0]:.3f} s, the last {writes.seconds[-1]:.3f} s")  # fmt: skip
    return folder / "run"


def lines(steps: int) -> Iterator[str]:
    """What ten metrics leave behind."""
    chance = random.Random(0)
    for step in range(10, steps + 1, 10):
        yield json.dumps({"step": step, **{name: chance.random() for name in NAMES}}) + "\n"


def lengthen(run: Path, steps: int) -> None:
    """Make a run folder look as if it had taken so many steps."""
    (run / METRICS).write_text("".join(lines(steps)), encoding="utf-8")
    grid = max((run / SAMPLES).iterdir())
    for step in range(500, steps + 1, 500):
        shutil.copyfile(grid, grid.with_name(f"{name_of(step)}.png"))


def rewrite(run: Path, steps: int, rounds: int) -> None:
    """What a rewriting costs when there is a line and a grid more, said."""
    lengthen(run, steps)
    reporter, newest, seconds = Reporter(run), max((run / SAMPLES).iterdir()), []
    began = time.perf_counter()
    reporter.write()
    first = time.perf_counter() - began
    for turn in range(1, rounds + 1):
        shutil.copyfile(newest, newest.with_name(f"{name_of(steps + 500 * turn)}.png"))
        with (run / METRICS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"step": steps + turn, "cycle": 0.5}) + "\n")
        began = time.perf_counter()
        reporter.write()
        seconds.append(time.perf_counter() - began)
    size = (run / REPORT).stat().st_size / 1e6
    print(f"after {steps:,} steps: {statistics.median(seconds):.3f} s a rewriting ({min(seconds):.3f} to "
          f"{max(seconds):.3f}), {first:.3f} s for the first, {size:.1f} MB")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("steps", 400), ("long", 200_000), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        run = train(Path(folder), asked.steps)
        rewrite(run, asked.long, asked.rounds)


if __name__ == "__main__":
    main()
