"""Steps whose gradients are not finite change nothing, and too many of them in a row send the run back."""

import json
import math
import os
import signal
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from i2i.errors import I2IError, Interrupted
from i2i.training.checkpoints import identical, newest_checkpoint
from i2i.training.guard import Guard, masked
from i2i.training.starting import resume, start


def plain_state(loop):
    state = loop.state_dict()
    return [state["model"], [optimizer["state"] for optimizer in state["optimizers"].values()]]


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def clone(state):
    if isinstance(state, torch.Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: clone(value) for key, value in state.items()}
    return type(state)(map(clone, state)) if isinstance(state, list | tuple) else state


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_without_finite_gradients_changes_nothing_and_is_counted(
    catalog, alien_recipe, tmp_path, accumulate, monkeypatch, new_notes, poisoned
):
    options = ["run.steps=6", "run.log_every=1", "run.batch=2", f"run.accumulate={accumulate}"]
    states, notes = [], new_notes()
    going = poisoned(start(catalog, alien_recipe(*options), tmp_path / "run", listener=notes), {3})
    monkeypatch.setattr(notes, "stepped", lambda step: states.append(clone(plain_state(going.loop))))
    going.run()
    unchanged = [same(before, after) for before, after in pairwise(states)]
    assert unchanged == [False, False, True, False, False]
    assert going.loop.turns.guard.skipped == 1
    assert "step 4: 1 step changed nothing, as gradients were not finite" in notes.lines
    logs = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("masked_steps") for line in logs] == [None, None, None, 1, 1, 1]
    assert "painter" in logs[2]
    assert "painter" not in logs[3]  # it was not finite, which JSON cannot say
    assert going.loop.is_finite()


@pytest.mark.parametrize("make", [lambda p: SGD(p, 0.1, momentum=0.9), lambda p: Adam(p, 0.1), lambda p: SGD(p, 0.1)])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_masked_step_is_no_step_whatever_the_optimizer(make, steps_before):
    def stepped(fine, value):
        torch.manual_seed(0)
        layer = nn.Linear(3, 2)
        optimizer = make(layer.parameters())
        for _ in range(steps_before):
            layer(torch.ones(1, 3)).sum().backward()
            optimizer.step()
        before = clone([layer.state_dict(), [*optimizer.state.values()]])
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, value)
        if fine is None:
            optimizer.step()
        else:
            masked(torch.tensor(fine), optimizer, optimizer.step)
        return before, [layer.state_dict(), [*optimizer.state.values()]]

    assert same(stepped(True, 0.5)[1], stepped(None, 0.5)[1])
    before, after = stepped(False, math.nan)
    assert same(before[0], after[0])
    moments = [value for state in after[1] for name, value in state.items() if isinstance(value, torch.Tensor)]
    assert all(value.isfinite().all() for value in moments)
    if steps_before:
        assert same(before[1], after[1])


def test_one_turn_that_explodes_stops_no_other():
    layers = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 1)])
    guard = Guard(layers, torch.device("cpu"))
    before = clone(layers.state_dict())
    guard.begin()
    for layer, value in zip(layers, (math.inf, 1.0), strict=True):
        for parameter in layer.parameters():
            parameter.grad = torch.full_like(parameter, value)
        guard.step(SGD(layer.parameters(), 0.1), list(layer.parameters()))
    guard.finish()
    after = layers.state_dict()
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert not torch.equal(before["1.weight"], after["1.weight"])
    assert (guard.skipped, guard.in_a_row) == (1, 1)
    guard.begin()
    guard.finish()
    assert (guard.skipped, guard.in_a_row) == (1, 0)


OPTIONS = ["run.steps=20", "run.log_every=1", "run.checkpoint_every=5", "run.max_masked=3"]


def test_too_many_in_a_row_send_the_run_back_with_half_the_rates_and_on_with_other_batches(
    catalog, alien_recipe, tmp_path, new_notes, poisoned
):
    notes = new_notes()
    going = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run", listener=notes), {11, 12, 13})
    going.run()
    told = [line for line in notes.lines if "back to step" in line]
    assert len(told) == 1
    assert told[0].startswith("step 14: ")
    assert told[0].endswith(" is nan: back to step 10, on with other batches and half the learning rates")
    assert (going.loop.step, going.loop.passed_over, going.loop.returns) == (20, 4, 1)
    assert going.loop.turns.rate == 0.5
    assert [group["lr"] for group in going.loop.optimizers["critic"].param_groups] == [0.005]
    steps = [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 21))
    state = json.loads((newest_checkpoint(going.folder.checkpoints) / "state.json").read_text())["state"]["loop"]
    assert (state["rate"], state["returns"], state["passed_over"]) == (0.5, 1, 4)


def test_a_run_that_went_back_goes_on_bit_for_bit_after_a_stop(catalog, alien_recipe, tmp_path, new_notes, poisoned):
    bad = {11, 12, 13}
    whole = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "whole"), bad).run()
    with pytest.raises(Interrupted):
        poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run", listener=new_notes(17)), bad).run()
    run = poisoned(resume(catalog, tmp_path / "run"), bad).run()
    assert identical(newest_checkpoint(whole.checkpoints), newest_checkpoint(run.checkpoints))


def test_it_goes_back_to_before_the_steps_that_were_masked(catalog, alien_recipe, tmp_path, new_notes, poisoned):
    """The weights of the step that they began at may be what exploded."""
    notes, options = new_notes(), ["run.steps=12", "run.checkpoint_every=5", "run.max_masked=3", "run.log_every=1"]
    going = poisoned(start(catalog, alien_recipe(*options), tmp_path / "run", listener=notes), {5, 6, 7})
    going.run()
    assert [line for line in notes.lines if "back to step 0, on with other batches" in line]


def test_a_stop_amid_masked_steps_is_saved_when_one_is_sound(catalog, alien_recipe, tmp_path, new_notes, poisoned):
    class Saving(new_notes):
        def should_save(self):
            return self.step == 6

    options = ["run.steps=12", "run.checkpoint_every=100", "run.keep=9", "run.log_every=100"]
    run = poisoned(start(catalog, alien_recipe(*options), tmp_path / "run", listener=Saving()), {4, 5, 6}).run()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [
        "step-0000000", "step-0000008", "step-0000012"
    ]  # fmt: skip


def test_the_second_time_it_ends_with_the_reason_and_the_checkpoint_intact(catalog, alien_recipe, tmp_path, poisoned):
    going = poisoned(start(catalog, alien_recipe(*OPTIONS), tmp_path / "run"), set(range(11, 40)))
    with pytest.raises(I2IError, match=r"^step 13: painter is nan, .*, though it went back once already; "):
        going.run()
    newest = newest_checkpoint(going.folder.checkpoints)
    assert newest.name == "step-0000010"
    with pytest.raises(I2IError):  # what the run was told does not change what comes
        poisoned(resume(catalog, tmp_path / "run"), set(range(11, 40))).run()


def test_more_broken_pictures_than_allowed_end_the_run(catalog, alien_recipe, tmp_path, folders):
    for number in range(2):
        (folders / "photos" / f"{number}.png").write_bytes(b"no picture")
    allowed = ["run.steps=8", "run.max_bad=2"]
    start(catalog, alien_recipe(*allowed), tmp_path / "run").run()
    with pytest.raises(I2IError, match=r"pictures that cannot be read: 2, more than run\.max_bad=1; "):
        start(catalog, alien_recipe("run.steps=8", "run.max_bad=1"), tmp_path / "other").run()


def test_checkpoints_come_after_minutes_too_and_some_stay_for_good(catalog, alien_recipe, tmp_path):
    often = ["run.steps=6", "run.checkpoint_every=100", "run.checkpoint_minutes=1e-9", "run.keep=1", "run.keep_every=2"]
    run = start(catalog, alien_recipe(*often), tmp_path / "run").run()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [f"step-000000{step}" for step in (0, 2, 4, 6)]


@pytest.mark.skipif(os.name == "nt", reason="no such signal")
def test_sigusr1_saves_and_goes_on(catalog, alien_recipe, tmp_path):
    from i2i.cli.console import Console, stopping_on_signals

    class Asking(Console):
        def stepped(self, step):
            if step == 3:
                signal.raise_signal(signal.SIGUSR1)

    console = Asking("alien")
    with console, stopping_on_signals(console):
        run = start(
            catalog, alien_recipe("run.steps=5", "run.checkpoint_every=9"), tmp_path / "run", listener=console
        ).run()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == [f"step-000000{step}" for step in (0, 3, 5)]
