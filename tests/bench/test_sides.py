"""What is compared takes turns in processes of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from i2i.bench.limit import limits
from i2i.bench.memory import CLEAR, begin, peak
from i2i.bench.operations import gigaflops
from i2i.bench.sides import Side, Task, Timing, Turn, in_turns
from i2i.errors import I2IError
from i2i.training.speed import Work, precisions_of

WORKS = """
import os, time
from pathlib import Path
from i2i.bench.sides import Task
from i2i.errors import UsageError

def writing(path, name):
    def write():
        with Path(path).open("a") as stream:
            stream.write(f"{name} {os.getpid()}\\n")
        return {"figure": len(name)}
    return {"write": Task(write, pictures=3, gigaflops=1.5), "again": Task(write)}

def holding(megabytes):
    def hold():
        held = bytearray(megabytes * 2**20)
    return {"hold": Task(hold)}

def refusing(): raise UsageError("not with these options")
def failing(): return {"fail": Task(lambda: 1 / 0)}
def dying(): os._exit(7)
"""


@pytest.fixture
def works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "works_to_time.py").write_text(WORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "works_to_time"


def test_sides_take_turns_in_processes_of_their_own_and_the_warm_up_does_not_count(works: str, tmp_path: Path) -> None:
    sides = [Side(name, f"{works}:writing", {"path": str(tmp_path / "log"), "name": name}) for name in ("a", "bb")]
    first, again, *others = in_turns(sides, rounds=2)
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert [name for name, _ in lines] == ["a", "a", "bb", "bb"] * 3
    assert len({process for _, process in lines}) == 2
    assert (first.side, first.task, len(first.turns), first.pictures, first.gigaflops) == ("a", "write", 2, 3, 1.5)
    assert (again.task, again.figures, others[0].figures) == ("again", {"figure": 1}, {"figure": 2})
    assert all(0 < timing.spread[0] <= timing.seconds <= timing.spread[1] for timing in (first, *others))


def test_a_side_tells_its_own_memory_and_its_own_failure(works: str) -> None:
    sides = [Side(str(size), f"{works}:holding", {"megabytes": size}) for size in (10, 300)]
    small, large = in_turns(sides, rounds=1, warm_up=False)
    assert 200e6 < large.memory - small.memory < 400e6
    for build, complaint in {
        "refusing": "slow: not with these options",
        "failing": "slow: ZeroDivisionError: division by zero",
        "dying": "slow: its process ended before it answered, perhaps for want of memory",
    }.items():
        with pytest.raises(I2IError, match=re.escape(complaint)):
            in_turns([Side("slow", f"{works}:{build}")], rounds=1)
    refused = dict[str, str]()
    assert in_turns([Side("slow", f"{works}:refusing")], rounds=1, refused=refused) == []
    assert refused == {"slow": "not with these options"}


def test_ratios_are_of_the_rounds_side_by_side() -> None:
    def timing(*seconds: float) -> Timing:
        turns = tuple(Turn(each, 7, {}) for each in seconds)
        return Timing("side", "task", turns, 1, None)

    assert timing(1, 2, 5).ratios(timing(2, 8, 10)) == (2, 2, 4)
    assert timing(1, 2, 5).seconds == 2
    assert timing(1, 2, 5).spread == (1, 5)


def test_operations_are_counted_without_computing() -> None:
    with torch.device("meta"):
        network, pictures = torch.nn.Conv2d(3, 8, 3, padding=1), torch.zeros(2, 3, 10, 10)
    assert gigaflops(lambda: network(pictures)) == pytest.approx(2 * 2 * 8 * 3 * 9 * 100 / 1e9)


def test_the_limit_is_the_best_of_all_shapes_in_every_precision_of_the_hardware() -> None:
    found = limits(torch.device("cpu"), 0.0, [Work(1, 1, 4), Work(1, 32, 32)])
    assert tuple(found) == precisions_of(torch.device("cpu"))
    assert found["fp32"].gigaflops > 0
    assert found["fp32"].work.startswith("1 × 32 × 32 × 32, channels ")


@pytest.mark.skipif(not CLEAR.exists(), reason="only Linux forgets a peak")
def test_a_peak_begins_afresh() -> None:
    device = torch.device("cpu")
    begin(device)
    before = peak(device)
    held = bytearray(200 * 2**20)
    assert peak(device) - before > 150e6
    del held
    begin(device)
    assert peak(device) - before < 150e6


def test_a_task_is_one_picture_unless_it_says_otherwise() -> None:
    assert Task(lambda: None).pictures == 1
