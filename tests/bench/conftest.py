"""The benchmarks lie beside the package, where `python -m benchmarks` finds them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from i2i.bench.sides import Side, Timing, Turn
from i2i.errors import I2IError
from i2i.plugins import resolve

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def benchmarks_found() -> Iterator[None]:
    sys.path.insert(0, str(ROOT))
    yield
    sys.path.remove(str(ROOT))


@pytest.fixture(scope="session")
def once_in_this_process() -> Callable[..., list[Timing]]:
    """`in_turns` without processes and clocks: every task really runs, once."""

    def run(
        sides: Sequence[Side],
        rounds: int,
        seconds: float = float("inf"),
        warm_up: bool = True,
        refused: dict[str, str] | None = None,
    ) -> list[Timing]:
        timings = []
        for side in sides:
            try:
                tasks = resolve(side.build)(**side.options)
            except I2IError as error:
                assert refused is not None
                refused[side.name] = str(error)
                continue
            for name, task in tasks.items():
                turn = Turn(0.5 if timings else 1.0, 10**8, dict(task.run() or {}))
                timings.append(Timing(side.name, name, (turn,), task.pictures, task.gigaflops))
        return timings

    return run
