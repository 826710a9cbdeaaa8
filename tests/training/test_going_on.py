"""Runs that go on: with the recipe they had, or in another folder with another one."""

import json
import shutil

import pytest
import torch
import yaml

from i2i.contracts.weights import read_header
from i2i.disk.locking import Occupied
from i2i.errors import I2IError, Interrupted, UsageError
from i2i.training import starting
from i2i.training.checkpoints import identical, load_checkpoint, newest_checkpoint
from i2i.training.starting import begun, fork, resume, start


@pytest.fixture
def stopped(catalog, alien_recipe, tmp_path, new_notes):
    """A run folder that stopped at step 4 of 8."""
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe("run.log_every=1"), tmp_path / "run", listener=new_notes(4)).run()
    return tmp_path / "run"


def edited(run, section, key, value):
    recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    recipe[section][key] = value
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def test_a_recipe_that_was_changed_is_refused_and_what_decides_no_number_is_not(catalog, stopped):
    edited(stopped, "run", "checkpoint_every", 2)
    edited(stopped, "run", "keep", 9)
    resume(catalog, stopped).occupation.end()
    edited(stopped, "trainer", "learning_rate", 0.5)
    with pytest.raises(UsageError) as refused:
        resume(catalog, stopped)
    assert str(refused.value) == (
        f"{stopped}/recipe.yaml: changed since step-0000004: trainer.learning_rate 0.01 → 0.5; put it back, or go on "
        f"elsewhere with --resume {stopped} --fork NEW_RUN"
    )


def test_a_run_goes_on_though_its_plugin_has_got_another_option_since(catalog, stopped, monkeypatch):
    def of_before(path):
        header = read_header(path)
        del header["recipe"]["trainer"]["learning_rate"]
        return header

    monkeypatch.setattr(starting, "read_header", of_before)
    resume(catalog, stopped).occupation.end()
    edited(stopped, "trainer", "learning_rate", 0.5)
    with pytest.raises(UsageError, match=r"trainer\.learning_rate 0\.01 → 0\.5"):
        resume(catalog, stopped)


def test_samples_of_steps_that_are_taken_again_are_forgotten(catalog, stopped):
    for step in (3, 4, 5, 11):
        (stopped / "samples").mkdir(exist_ok=True)
        (stopped / "samples" / f"step-{step:07}.png").touch()
    resume(catalog, stopped).occupation.end()
    assert sorted(path.name for path in (stopped / "samples").iterdir())[-1] == "step-0000004.png"


def test_a_fork_without_changes_is_the_run_itself_and_leaves_that_alone(catalog, alien_recipe, stopped, tmp_path):
    before = {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()}
    forked = fork(catalog, stopped, tmp_path / "fork").run()
    whole = start(catalog, alien_recipe("run.log_every=1"), tmp_path / "whole").run()
    assert identical(newest_checkpoint(forked.checkpoints), newest_checkpoint(whole.checkpoints))
    assert {path: path.read_bytes() for path in stopped.rglob("*") if path.is_file()} == before
    lines = [json.loads(line)["step"] for line in (forked.path / "metrics.jsonl").read_text().splitlines()]
    assert lines == list(range(1, 9))
    told = json.loads((forked.path / "environment.json").read_text())
    assert told["forked"] == {"from": str(stopped), "step": 4}


def test_a_fork_goes_on_with_what_was_changed(catalog, stopped, tmp_path):
    going = fork(catalog, stopped, tmp_path / "fork", ["trainer.learning_rate=0.5"], [("--steps", "run.steps", 5)])
    assert (going.loop.step, going.steps) == (4, 5)
    run = going.run()
    assert yaml.safe_load((run.path / "recipe.yaml").read_text())["trainer"]["learning_rate"] == 0.5
    steps = [load_checkpoint(path)["loop"] for path in sorted(run.checkpoints.iterdir())]
    assert [state["step"] for state in steps] == [4, 5]
    moved = [(after - before).abs().max() for before, after in pairs(steps)]
    assert max(moved) > 0.1


def pairs(states):
    before, after = (state["model"] for state in states)
    return [(before[name].double(), after[name].double()) for name in before if "critic" in name or "painter" in name]


def test_a_fork_that_does_not_fit_is_refused_and_makes_no_folder(catalog, stopped, tmp_path):
    with pytest.raises(I2IError, match=r"does not fit this model: painter\.weight is .* width is 4 there, 7 here"):
        fork(catalog, stopped, tmp_path / "fork", ["model.width=7"])
    with pytest.raises(UsageError, match=r"run\.steps 3: .*run is at step 4 already"):
        fork(catalog, stopped, tmp_path / "fork", ["run.steps=3"])
    assert not (tmp_path / "fork").exists()
    with pytest.raises(UsageError, match="exists and is not empty"):
        fork(catalog, stopped, stopped)


def test_what_is_started_once_more_goes_on_with_its_own_run_alone(catalog, alien_recipe, stopped, tmp_path):
    recipe = alien_recipe("run.log_every=1")
    assert begun(catalog, stopped, recipe)
    assert not begun(catalog, tmp_path / "none", recipe)
    with pytest.raises(UsageError, match=r"run: another run lies there \(run\.seed differ\); choose another --out"):
        begun(catalog, stopped, alien_recipe("run.seed=7"))
    for checkpoint in (stopped / "checkpoints").iterdir():
        (checkpoint / "state.json").unlink()
    assert begun(catalog, stopped, recipe)  # to go on with it says what is wrong
    shutil.rmtree(stopped / "checkpoints")
    assert not begun(catalog, stopped, recipe)
    assert not stopped.exists()  # the name is free for a start


def test_two_processes_never_train_one_run(catalog, alien_recipe, stopped, tmp_path):
    first = resume(catalog, stopped)
    with pytest.raises(Occupied, match=r"run: process \d+ on .* works on it; wait until that has ended, or stop it"):
        resume(catalog, stopped)
    fork(catalog, stopped, tmp_path / "fork").run()  # which only reads it
    run = first.run()
    assert torch.equal(*(load_checkpoint(newest_checkpoint(path))["loop"]["model"]["lens.weight"] for path in (
        run.checkpoints, tmp_path / "fork" / "checkpoints")))  # fmt: skip
    resume(catalog, stopped, steps=9).run()
