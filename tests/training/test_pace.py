"""How fast a run goes, and whether it waits for its pictures."""

import json
import time
from types import SimpleNamespace

import pytest

from i2i import start
from i2i.training.pace import Pace


class Clock:
    """Time that goes on when it is told to, some of it spent waiting for pictures."""

    def __init__(self, workers=2):
        self.now, self.batches = 0.0, SimpleNamespace(batch=4, waited=0.0, workers=workers)
        self.pace = Pace(self.batches, lambda: self.now)
        self.step = 0

    def log(self, seconds, share, steps=10):
        """What is logged, and what is said, after so long."""
        self.now += seconds
        self.batches.waited += share * seconds
        self.step += steps
        return self.pace.take(self.step), self.pace.warning


def test_speed_and_share_are_of_the_time_since_the_last_log():
    clock = Clock()
    assert clock.log(2.0, 0.25)[0] == {"images_per_second": 20.0, "loader_share": 0.25}
    assert clock.log(4.0, 1 / 3)[0] == {"images_per_second": 10.0, "loader_share": 0.333}
    assert clock.log(1.0, 0.0, steps=0)[0] == {"images_per_second": 0.0, "loader_share": 0.0}
    clock.now += 100
    clock.pace.restart(clock.step)
    assert clock.log(1.0, 1.5)[0] == {"images_per_second": 40.0, "loader_share": 1.0}


def test_a_loop_that_starves_is_said_once_after_three_logs_that_were_not_the_first():
    clock = Clock()
    said = [clock.log(5.0, 0.4)[1] for _ in range(8)]
    assert said[:3] == [None] * 3
    assert said[3] == (
        "more than 30% of the time goes into waiting for pictures: more loader processes may help (run.workers, now "
        "2), or smaller pictures in the folder"
    )
    assert said[4:] == [None] * 4


def test_a_loop_that_starves_now_and_then_or_for_a_moment_says_nothing():
    clock = Clock()
    assert {clock.log(5.0, share)[1] for share in (0.9, 0.9, 0.2) * 5} == {None}
    clock = Clock()
    assert {clock.log(0.5, 0.9)[1] for _ in range(15)} == {None}


def test_a_run_logs_its_share_and_tells_of_slow_pictures(catalog, alien_recipe, tmp_path, monkeypatch, new_notes):
    monkeypatch.setattr("i2i.training.pace.SECONDS", 0.0)
    monkeypatch.setattr("i2i.training.pace.MUCH", 0.0)  # so that it does not matter what else the machine does
    notes = new_notes()
    options = ["run.log_every=1", "run.workers=0", "run.report=false"]
    going = start(catalog, alien_recipe(*options), tmp_path / "run", listener=notes)
    load = going.dataset.load

    def slow(index, rng):
        time.sleep(0.02)
        return load(index, rng)

    monkeypatch.setattr(going.dataset, "load", slow)
    run = going.run()
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < line["loader_share"] <= 1 for line in lines)
    assert list(lines[0])[-2:] == ["images_per_second", "loader_share"]
    (event,) = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    assert (event["step"], event["kind"]) == (4, "starving")
    assert f"step 4: {event['text']}" in notes.lines
    assert "(run.workers, now 0)" in event["text"]


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_that_come_at_once_are_not_waited_for_long(catalog, alien_recipe, tmp_path, workers):
    going = start(catalog, alien_recipe(f"run.workers={workers}", "run.report=false"), tmp_path / "run")
    advance = going.loop.advance
    going.loop.advance = lambda batch: (time.sleep(0.3), advance(batch))[1]
    going.run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loader_share"] < 0.5
