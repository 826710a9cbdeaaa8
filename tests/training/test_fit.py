import json
import shutil

import pytest
import torch

from i2i import I2IError, RecipeError, UsageError, Weights, load, resume, start
from i2i.errors import Interrupted
from i2i.training.checkpoints import identical, load_checkpoint, newest_checkpoint


def checkpoint(folder, step):
    return folder.path / "checkpoints" / f"step-{step:07d}"


@pytest.mark.parametrize("extra", [[], ["run.precision=bf16"], ["run.accumulate=2"]], ids=["fp32", "bf16", "micro"])
def test_a_resumed_run_equals_one_never_stopped_bit_for_bit(catalog, alien_recipe, tmp_path, extra, new_notes):
    whole = start(catalog, alien_recipe(*extra), tmp_path / "whole").run()
    with pytest.raises(
        Interrupted, match=f"stopped at step 3, saved; go on with: i2i fit --resume {tmp_path / 'part'}"
    ):
        start(catalog, alien_recipe(*extra), tmp_path / "part", listener=new_notes(stop_at=3)).run()
    part = resume(catalog, tmp_path / "part").run()
    assert identical(checkpoint(whole, 8), checkpoint(part, 8))
    a, b = (Weights.load(folder.newest_weights()) for folder in (whole, part))
    assert a.tensors.keys() == b.tensors.keys()
    assert all(torch.equal(a.tensors[key], b.tensors[key]) for key in a.tensors)


def test_a_run_killed_before_its_first_checkpoint_starts_again(catalog, alien_recipe, tmp_path):
    whole = start(catalog, alien_recipe(), tmp_path / "whole").run()
    part = start(catalog, alien_recipe(), tmp_path / "part")

    class PowerCut(BaseException):
        pass

    def cut(step):
        if step == 2:
            raise PowerCut

    part.listener.stepped = cut
    with pytest.raises(PowerCut):
        part.run()
    assert [path.name for path in part.folder.checkpoints.iterdir()] == ["step-0000000"]
    resumed = resume(catalog, tmp_path / "part").run()
    assert identical(checkpoint(whole, 8), checkpoint(resumed, 8))


def test_another_seed_gives_other_weights(catalog, alien_recipe, tmp_path):
    runs = [start(catalog, alien_recipe(f"run.seed={seed}"), tmp_path / str(seed)).run() for seed in (1, 2)]
    assert not identical(*(checkpoint(run, 8) for run in runs))


def test_the_number_of_loader_processes_changes_nothing(catalog, alien_recipe, tmp_path):
    runs = [start(catalog, alien_recipe(f"run.workers={n}"), tmp_path / str(n)).run() for n in (0, 2)]
    assert identical(*(checkpoint(run, 8) for run in runs))


def test_resume_with_more_steps_equals_the_longer_run(catalog, alien_recipe, tmp_path):
    long = start(catalog, alien_recipe("run.steps=6"), tmp_path / "long").run()
    start(catalog, alien_recipe("run.steps=4"), tmp_path / "short").run()
    longer = resume(catalog, tmp_path / "short", steps=6).run()
    one, other = (load_checkpoint(checkpoint(run, 6))["loop"] for run in (long, longer))
    assert all(torch.equal(one["model"][key], other["model"][key]) for key in one["model"])
    assert "steps: 6" in (tmp_path / "short" / "recipe.yaml").read_text()


def test_a_finished_run_says_so(catalog, alien_recipe, tmp_path, new_notes):
    start(catalog, alien_recipe("run.steps=1"), tmp_path / "run").run()
    notes = new_notes()
    resume(catalog, tmp_path / "run", listener=notes).run()
    assert notes.lines == ["already at step 1 of 1; --steps N goes further"]


def test_the_alien_trains_and_translates(catalog, alien_recipe, folders, tmp_path, new_notes):
    notes = new_notes()
    run = start(catalog, alien_recipe(), tmp_path / "run", listener=notes).run()
    assert "critic" in dict(notes.logs)[1]
    assert "critic" not in dict(notes.logs)[2]  # its turn was skipped
    state = load_checkpoint(checkpoint(run, 8))["loop"]
    fresh = start(catalog, alien_recipe(), dry_run=True).loop.model.state_dict()
    assert torch.equal(state["model"]["lens.weight"], fresh["lens.weight"])  # nobody's network
    assert not torch.equal(state["model"]["trunk.0.weight"], fresh["trunk.0.weight"])
    assert state["trainers"][0]["seen"] == 8 * 4
    weights = Weights.load(run.newest_weights())
    assert {key.split(".")[0] for key in weights.tensors} == {"trunk", "painter", "lens"}
    translated = load(run.path, catalog=catalog).translate(folders / "photos" / "0.png")
    assert translated.size == (24, 18)


def test_weights_hold_the_moving_average_and_buffers_as_they_are(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe(), tmp_path / "run").run()
    state = load_checkpoint(checkpoint(run, 8))["loop"]
    weights = Weights.load(run.newest_weights()).tensors
    assert torch.equal(weights["painter.weight"], state["ema"]["painter.weight"])
    assert not torch.equal(weights["painter.weight"], state["model"]["painter.weight"])
    assert torch.equal(weights["trunk.1.running_mean"], state["model"]["trunk.1.running_mean"])
    assert torch.equal(weights["lens.weight"], state["model"]["lens.weight"])


def test_a_run_folder_holds_what_the_design_says(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe("run.note=drawn pictures, CC0"), tmp_path / "run").run()
    there = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    expected = {
        "recipe.yaml",
        "environment.json",
        "metrics.jsonl",
        "report.html",
        "samples/step-0000004.png",
        "samples/step-0000008.png",
    }
    for step in (0, 4, 8):
        for name in ("weights.safetensors", "training.safetensors", "state.json"):
            expected.add(f"checkpoints/step-{step:07d}/{name}")
    assert there == expected
    weights = Weights.load(run.newest_weights())
    assert (weights.step, weights.note) == (8, "drawn pictures, CC0")
    assert {"i2i", "i2i_alien"} <= weights.versions.keys()
    assert weights.data["source"]["pictures"] == 7
    environment = json.loads((run.path / "environment.json").read_text())
    assert {"threads", "torch", "platform", "data", "versions"} <= environment.keys()


def test_only_the_newest_checkpoints_are_kept(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe("run.checkpoint_every=2", "run.keep=2"), tmp_path / "run").run()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-0000006", "step-0000008"]


def test_metrics_after_the_checkpoint_are_not_kept_twice(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe(), tmp_path / "run").run()
    (run.checkpoints / "step-0000008" / "state.json").write_text("{}")
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "half a li')
    resume(catalog, run.path).run()
    steps = [json.loads(line)["step"] for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("file", ["weights.safetensors", "training.safetensors", "state.json"])
@pytest.mark.parametrize("harm", ["altered", "truncated", "missing"])
def test_a_damaged_checkpoint_is_passed_over_in_one_line(catalog, alien_recipe, tmp_path, file, harm):
    run = start(catalog, alien_recipe("run.steps=4", "run.checkpoint_every=2"), tmp_path / "run").run()
    path = run.checkpoints / "step-0000004" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    {
        "altered": lambda: path.write_bytes(content),
        "truncated": lambda: path.write_bytes(content[:-10]),
        "missing": path.unlink,
    }[harm]()
    lines = []
    assert newest_checkpoint(run.checkpoints, lines.append) == run.checkpoints / "step-0000002"
    assert len(lines) == 1
    assert lines[0].startswith(f"{path.parent}: ")
    assert lines[0].endswith("; trying the one before")


def test_a_run_without_an_intact_checkpoint_cannot_go_on(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe("run.steps=1"), tmp_path / "run").run()
    for saved in run.checkpoints.iterdir():
        (saved / "state.json").unlink()
    with pytest.raises(I2IError, match="holds no intact checkpoint to go on from; start again with another --out"):
        resume(catalog, run.path)


def test_a_folder_that_holds_something_is_not_trained_into(catalog, alien_recipe, tmp_path):
    start(catalog, alien_recipe("run.steps=1"), tmp_path / "run").run()
    with pytest.raises(UsageError, match=r"run: exists and is not empty; go on with --resume .*run, or choose another"):
        start(catalog, alien_recipe(), tmp_path / "run")
    with pytest.raises(UsageError, match=r"photos: exists and is not empty; choose another --out"):
        start(catalog, alien_recipe(), tmp_path / "photos")
    with pytest.raises(I2IError, match=r"run folder cannot be written"):
        start(catalog, alien_recipe(), tmp_path / "photos" / "0.png" / "run")
    with pytest.raises(UsageError, match=r"photos: not a run folder \(no recipe\.yaml in it\)"):
        resume(catalog, tmp_path / "photos")


def test_a_checkpoint_that_cannot_be_written_leaves_the_ones_before(catalog, alien_recipe, tmp_path):
    run = start(catalog, alien_recipe("run.steps=2"), tmp_path / "run").run()
    going = resume(catalog, run.path, steps=4)
    run.checkpoints.rename(tmp_path / "aside")
    run.checkpoints.write_text("a file where the folder was")
    with pytest.raises(I2IError, match=r"step-0000004: checkpoint not written .*; what was saved before is intact"):
        going.run()
    run.checkpoints.unlink()
    (tmp_path / "aside").rename(run.checkpoints)
    assert newest_checkpoint(run.checkpoints) == run.checkpoints / "step-0000002"


def test_broken_pictures_are_left_out_counted_and_listed(catalog, alien_recipe, folders, tmp_path, new_notes):
    (folders / "photos" / "text.jpg").write_text("not a picture")
    whole = (folders / "photos" / "1.png").read_bytes()
    (folders / "photos" / "half.png").write_bytes(whole[: len(whole) // 2])
    notes = new_notes()
    run = start(catalog, alien_recipe("dataset.validation=0", "run.steps=20"), tmp_path / "run", listener=notes).run()
    assert [line for line in notes.lines if line.startswith("skipped: ") and "text.jpg" in line]
    assert [line for line in notes.lines if line.startswith("skipped: ") and "half.png" in line]
    assert notes.lines[-1].startswith("pictures left out: 2 (")
    assert "text.jpg" in json.loads((run.path / "environment.json").read_text())["broken"][0]


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_but_broken_pictures_is_one_clear_line(catalog, alien_recipe, folders, workers):
    for path in (folders / "photos").iterdir():
        path.write_bytes(path.read_bytes()[:60])  # a header and no pixels
    with pytest.raises(I2IError, match=r"^100 pictures in a row cannot be read; the last: .*photos[^\n]*$"):
        start(catalog, alien_recipe(f"run.workers={workers}"), dry_run=True).try_one_step()


def test_held_out_pictures_that_cannot_be_read_do_not_end_a_run(catalog, alien_recipe, folders, tmp_path):
    held_out = start(catalog, alien_recipe(), dry_run=True).dataset.validation.pictures["source"]
    for path in held_out:
        path.write_bytes(path.read_bytes()[:60])
    run = start(catalog, alien_recipe("run.steps=4"), tmp_path / "run").run()
    assert run.sample_path(4).is_file()


def test_a_dry_run_tells_and_writes_nothing(catalog, alien_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    dry = start(catalog, alien_recipe(), dry_run=True).try_one_step()
    assert dry.data["source"]["pictures"] == 7
    assert dry.total_seconds == pytest.approx(8 * dry.seconds)
    assert dry.memory > 10**6
    assert dry.parameters > 0
    assert set(tmp_path.rglob("*")) == before


def test_numbers_that_explode_end_the_run_in_one_line(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe("trainer.learning_rate=1e30"), tmp_path / "run")
    with pytest.raises(
        I2IError,
        match=r"step \d+: \w+ is (nan|inf).*, though it went back once already; the last",
    ):
        going.run()


def test_weights_that_exploded_never_replace_good_ones(catalog, alien_recipe, tmp_path):
    options = ["trainer.learning_rate=1e30", "run.checkpoint_every=3", "run.log_every=100", "run.steps=50"]
    with pytest.raises(I2IError, match=r"step 10: \w+ is (nan|inf)"):
        start(catalog, alien_recipe(*options), tmp_path / "run").run()
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-0000000"]


def test_a_sample_grid_that_cannot_be_written_costs_no_step(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe(), tmp_path / "run")
    (tmp_path / "run" / "samples").write_text("a file where a folder should be")
    with pytest.raises(I2IError, match="samples is not a folder"):
        going.run()
    assert newest_checkpoint(going.folder.checkpoints).name == "step-0000004"


def test_damaged_newer_checkpoints_do_not_push_out_good_ones(catalog, alien_recipe, tmp_path):
    options = ["run.checkpoint_every=2", "run.keep=2"]
    run = start(catalog, alien_recipe(*options), tmp_path / "run").run()
    shutil.rmtree(run.checkpoints / "step-0000008")
    for name in ("step-0000200", "step-0000300"):
        shutil.copytree(run.checkpoints / "step-0000006", run.checkpoints / name)
        (run.checkpoints / name / "state.json").write_text("{}")
    (run.checkpoints / ".step-0000007.123").mkdir()
    resume(catalog, run.path).run()
    assert sorted(path.name for path in run.checkpoints.iterdir()) == ["step-0000006", "step-0000008"]


def test_a_run_that_never_took_a_step_leaves_no_folder(catalog, alien_recipe, tmp_path, folders, new_notes):
    with pytest.raises(RecipeError):
        start(catalog, alien_recipe("dataset.crop=15"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(Interrupted, match=r"^stopped before the first step$"):
        start(catalog, alien_recipe(), tmp_path / "run", listener=new_notes(stop_at=0)).run()
    assert not (tmp_path / "run").exists()


def test_changed_data_is_said_on_resume(catalog, alien_recipe, folders, tmp_path, new_notes):
    run = start(catalog, alien_recipe("run.steps=1"), tmp_path / "run").run()
    shutil.copy(folders / "photos" / "0.png", folders / "photos" / "new.png")
    notes = new_notes()
    resume(catalog, run.path, steps=2, listener=notes)
    told = "data.source.pictures was 7, is 8: the run goes on, but not bit for bit as it would have"
    assert notes.lines[0] == told


def test_submodules_that_a_spec_misspells_are_named_before_training(catalog, alien_recipe):
    recipe = alien_recipe()
    object.__setattr__(recipe.model.entry.value, "inference", ("trunk", "paintr"))
    with pytest.raises(I2IError, match=r"inference of model 'alien': names paintr; the model has trunk, painter"):
        start(catalog, recipe, dry_run=True)


def test_networks_that_are_in_eval_stay_in_eval(catalog, alien_recipe):
    going = start(catalog, alien_recipe(), dry_run=True)
    going.loop.model.lens.eval()
    going.loop.preview(going.monitor.preview)
    assert not going.loop.model.lens.training
    assert going.loop.model.trunk.training


def test_init_starts_from_weights_at_step_zero(catalog, alien_recipe, tmp_path):
    first = start(catalog, alien_recipe(), tmp_path / "first").run()
    second = start(catalog, alien_recipe(), init=first.path, dry_run=True)
    weights = Weights.load(first.newest_weights())
    state = second.loop.model.state_dict()
    assert all(torch.equal(state[key], tensor) for key, tensor in weights.tensors.items())
    assert torch.equal(second.loop.ema.averages["painter.weight"], weights.tensors["painter.weight"])
    assert second.loop.step == 0


def test_init_from_weights_that_do_not_fit_says_where(catalog, alien_recipe, tmp_path):
    first = start(catalog, alien_recipe("run.steps=1"), tmp_path / "first").run()
    with pytest.raises(I2IError, match=r"does not fit this model: .*\(3, 4, 3, 3\) there, here \(3, 6, 3, 3\)"):
        start(catalog, alien_recipe("model.width=6"), init=first.path, dry_run=True)


def test_crops_that_the_model_cannot_take_are_refused(catalog, alien_recipe, tmp_path):
    with pytest.raises(RecipeError, match=r"source of 15×15 pixels; this model learns from multiples of 2 from 4"):
        start(catalog, alien_recipe("dataset.crop=15"), tmp_path / "run")


def test_another_machine_is_said_on_resume(catalog, alien_recipe, tmp_path, new_notes):
    run = start(catalog, alien_recipe("run.steps=1"), tmp_path / "run").run()
    threads = torch.get_num_threads()
    notes = new_notes()
    try:
        torch.set_num_threads(threads + 1)
        resume(catalog, run.path, steps=2, listener=notes).run()
    finally:
        torch.set_num_threads(threads)
    assert notes.lines[0].startswith(f"threads was {threads}, is {threads + 1}: the run goes on, but not bit for bit")


def test_without_out_a_run_goes_below_runs(catalog, alien_recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = start(catalog, alien_recipe("run.steps=1"))
    assert run.folder.path.parent.name == "runs"
    assert run.folder.path.name.startswith("alien-2")


def test_a_model_without_what_the_scheme_needs_is_named(catalog, folders):
    from i2i import load_recipe

    where = [f"dataset.source={folders / 'photos'}", f"dataset.target={folders / 'paintings'}"]
    losses = ["losses={judgement: {use: hinge}, likeness: {use: l1}}", "trainer={use: alien}"]
    recipe = load_recipe(catalog, "alien", overrides=[*where, *losses])
    object.__setattr__(recipe.trainer.entry.value, "submodules", ("trunk", "soul"))
    with pytest.raises(UsageError, match=r"trainer 'alien' needs a model with trunk, soul; 'alien' has trunk, painter"):
        start(catalog, recipe, dry_run=True)


def test_the_preview_is_the_weights_files_view(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe(), tmp_path / "run")
    going.run()
    batch = going.batches.fixed(going.dataset, 2).tensors
    shown = going.loop.preview(batch)["repainted"]
    translator = load(going.folder.path, catalog=catalog)
    with torch.no_grad():
        made = translator.model.translate(batch["source"], None)
    assert torch.allclose(shown, made, atol=1e-5)
    assert going.loop.model.training


def test_nothing_is_watched_where_nothing_is_sampled(catalog, alien_recipe, tmp_path):
    assert start(catalog, alien_recipe(), tmp_path / "alien").monitor.watch is None


def test_a_figure_called_step_is_refused_as_it_would_hide_which_step_a_line_is_of(catalog, alien_recipe, tmp_path):
    fit = start(catalog, alien_recipe(), tmp_path / "run")
    taken = fit.loop.trainer.step
    fit.loop.trainer.step = lambda batch, turns: {**taken(batch, turns), "step": torch.tensor(1.0)}
    with pytest.raises(I2IError, match=r"Trainer\.step answers a figure called step, which counts steps$"):
        fit.run()
