"""Validation: the same pictures throughout, no trace in what is trained, the best checkpoint kept, and an early end."""

import json
import math
import os
import shutil
from functools import partial
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
import torch
import yaml

from i2i import Weights, discover, load_recipe
from i2i.errors import I2IError, Interrupted, RecipeError, UsageError
from i2i.evaluation.light import light_features
from i2i.evaluation.named import METRICS
from i2i.evaluation.paired import Ruler, evaluate_pairs
from i2i.evaluation.pairing import Pair
from i2i.evaluation.validating import OF_SETS, kid, validation
from i2i.images.decode import open_picture, to_image, to_tensor
from i2i.images.encode import write_picture
from i2i.recipe.values import MetricName
from i2i.training.basis import Basis
from i2i.training.checkpoints import identical, load_checkpoint, newest_checkpoint
from i2i.training.run_folder import RunFolder, newest_finished_run
from i2i.training.starting import fork, resume, start
from i2i.training.validation import Measured, Validation, answers

DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
OFTEN = ["run.validate_every=1", "run.log_every=1", "run.checkpoint_every=100", "run.keep=1"]


def told(values, lower_is_better=True):
    """Validations that find these figures, step by step."""
    figures = dict(zip(count(1), values, strict=False))
    return lambda recipe, loop, pictures: Validation("told", lower_is_better, lambda loop: Measured(figures[loop.step]))


def checkpoints(run):
    return sorted(int(path.name.removeprefix("step-")) for path in run.checkpoints.iterdir())


def metrics(run, name):
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line[name] for line in lines if name in line}


def same_state(one, other):
    (a, b) = (load_checkpoint(newest_checkpoint(run.checkpoints))["loop"] for run in (one, other))
    return equal(a, b)


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


@pytest.fixture
def digits(folders):
    """dcgan-digits, tiny, on random pictures; call it with overrides."""

    def recipe(*overrides):
        tiny = ["model.width=4", "run.batch=4", "run.steps=6", "dataset.validation=0.5", "run.sample_every=100"]
        return load_recipe(
            discover(), "dcgan-digits", overrides=[*tiny, *overrides], folders={"src": [str(folders / "photos")]}
        )

    return recipe


def test_a_run_with_validation_is_bit_for_bit_the_run_without(catalog, alien_recipe, digits, tmp_path, new_notes):
    for name, recipe, of in (("alien", alien_recipe, catalog), ("digits", digits, discover())):
        plain = start(of, recipe("run.ema=0.9"), tmp_path / f"{name}-plain").run()
        notes = new_notes()
        looked = start(
            of, recipe("run.ema=0.9", "run.validate_every=2"), tmp_path / name, listener=notes, validation=validation
        ).run()
        assert same_state(plain, looked)
        a, b = (Weights.load(run.newest_weights()).tensors for run in (plain, looked))
        assert equal(a, b)
        found = metrics(looked, "kid")
        assert list(found) == [step for step in (2, 4, 6, 8) if step <= load_recipe_steps(looked)]
        assert all(math.isfinite(value) for value in found.values())
        assert len(set(found.values())) == len(found)  # the model learns, and it is seen
        assert metrics(plain, "kid") == {}


def load_recipe_steps(run):
    return yaml.safe_load(run.recipe_file.read_text())["run"]["steps"]


def test_a_run_that_stopped_between_validations_goes_on_bit_for_bit(catalog, alien_recipe, tmp_path, new_notes):
    often = ["run.validate_every=2", "run.patience=50"]
    whole = start(catalog, alien_recipe(*often), tmp_path / "whole", validation=validation).run()
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*often), tmp_path / "part", listener=new_notes(5), validation=validation).run()
    part = resume(catalog, tmp_path / "part", validation=validation).run()
    assert identical(*(newest_checkpoint(run.checkpoints) for run in (whole, part)))
    assert metrics(whole, "kid") == metrics(part, "kid")
    assert whole.best() == part.best()
    state = load_checkpoint(newest_checkpoint(part.checkpoints))["validating"]
    found = metrics(whole, "kid")
    assert state["best"] == {"step": min(found, key=found.get), "value": min(found.values())}


def test_the_best_checkpoint_stays_until_a_better_one_and_the_file_names_it(catalog, alien_recipe, tmp_path):
    going = start(
        catalog, alien_recipe(*OFTEN), tmp_path / "run", validation=told([0.5, 0.7, 0.3, 0.4, math.nan, 0.6, 0.8, 0.9])
    )
    seen = {}
    going.listener.stepped = lambda step: seen.update({step - 1: (checkpoints(going.folder), going.folder.best())})
    run = going.run()
    best = {"step": 1, "metric": "told", "value": 0.5, "lower_is_better": True}
    assert seen[1] == ([1], best)
    assert seen[2] == ([1], best)
    assert seen[3] == ([3], best | {"step": 3, "value": 0.3})
    assert (checkpoints(run), run.best()) == ([3, 8], best | {"step": 3, "value": 0.3})
    assert json.loads((run.path / "best.json").read_text()) == run.best()
    assert run.best_weights() == run.checkpoints / "step-0000003" / "weights.safetensors"
    assert Weights.load(run.best_weights()).step == 3
    assert Weights.load(run.newest_weights()).step == 8


def test_where_more_is_better_the_largest_finite_figure_is_the_best(catalog, alien_recipe, tmp_path, new_notes):
    notes, figures = new_notes(), [20.0, math.inf, 21.0, math.nan, 20.5, 20.0, 19.0, 18.0]
    run = start(
        catalog, alien_recipe(*OFTEN), tmp_path / "run", listener=notes, validation=told(figures, lower_is_better=False)
    ).run()
    assert run.best() == {"step": 3, "metric": "told", "value": 21.0, "lower_is_better": False}
    assert sorted(metrics(run, "told")) == [1, 3, 5, 6, 7, 8]  # JSON has no other numbers
    assert "step 2: told is inf, which is never the best" in notes.lines
    assert "best told: 21 of step 3" in notes.lines


def test_patience_ends_a_run_early_with_its_last_step_saved(catalog, alien_recipe, tmp_path, new_notes):
    notes, figures = new_notes(), [0.5, 0.3, 0.4, math.nan, 0.35, 0.1, 0.1, 0.1]
    patient, runs = [*OFTEN, "run.patience=3"], tmp_path / "runs"
    run = start(catalog, alien_recipe(*patient), runs / "a", listener=notes, validation=told(figures)).run()
    reason = "told is no better than the 0.3 of step 2 in 3 validations (run.patience=3)"
    assert f"step 5 is the last: {reason}" in notes.lines
    assert checkpoints(run) == [2, 5]
    assert (run.path / "samples" / "step-0000005.png").exists()
    assert newest_finished_run(runs, "alien") == runs / "a"
    notes = new_notes()
    resume(catalog, runs / "a", listener=notes, validation=told(figures)).run()
    assert f"ended at step 5 of 8 already: {reason}; raise run.patience in {run.recipe_file} to go further" in (
        notes.lines
    )
    recipe = yaml.safe_load(run.recipe_file.read_text())
    recipe["run"]["patience"] = None
    run.recipe_file.write_text(yaml.safe_dump(recipe))
    assert newest_finished_run(runs, "alien") is None
    run = resume(catalog, runs / "a", validation=told(figures)).run()
    assert run.best() == {"step": 6, "metric": "told", "value": 0.1, "lower_is_better": True}
    assert checkpoints(run) == [6, 8]


def test_a_run_that_never_had_a_finite_figure_ends_early_too_and_has_no_best(
    catalog, alien_recipe, tmp_path, new_notes
):
    notes = new_notes()
    run = start(catalog, alien_recipe(*OFTEN, "run.patience=2"), tmp_path / "run", listener=notes,
                validation=told([math.nan] * 8)).run()  # fmt: skip
    assert "step 2 is the last: told was never finite in 2 validations (run.patience=2)" in notes.lines
    assert run.best() is None
    with pytest.raises(I2IError, match=r"no validation has found a best checkpoint; fit with run\.validate_every"):
        run.best_weights()


def test_a_run_that_goes_back_forgets_what_validations_found_since(
    catalog, alien_recipe, tmp_path, new_notes, poisoned
):
    options = ["run.steps=20", "run.log_every=1", "run.checkpoint_every=5", "run.max_masked=3", "run.validate_every=2"]
    figures = [0.9, 0.9, 0.9, 0.3, *[0.5] * 16]
    bad, make = {11, 12, 13}, told(figures)

    def begun(name, listener=None):
        return poisoned(start(catalog, alien_recipe(*options), tmp_path / name, None, listener, False, make), bad)

    going = begun("whole")
    whole = going.run()
    assert going.loop.returns == 1
    assert going.monitor.validating.stale == len([6, 8, 10, 12, 14, 16, 18, 20])
    assert whole.best()["step"] == 4
    assert 4 in checkpoints(whole)
    with pytest.raises(Interrupted):
        begun("part", new_notes(17)).run()
    part = poisoned(resume(catalog, tmp_path / "part", validation=make), bad).run()
    assert identical(*(newest_checkpoint(run.checkpoints) for run in (whole, part)))


def test_a_best_that_was_lost_with_the_newest_checkpoint_is_not_named_any_more(
    catalog, alien_recipe, tmp_path, new_notes
):
    figures = told([0.5, 0.4, 0.6, 0.6, 0.2, 0.6, 0.6, 0.6])
    keeping = [*OFTEN, "run.keep=5"]
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*keeping), tmp_path / "run", listener=new_notes(5), validation=figures).run()
    run = RunFolder.open(tmp_path / "run")
    assert run.best()["step"] == 5
    (run.checkpoints / "step-0000005" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(I2IError, match=r"step-0000005: the best checkpoint, weights.safetensors was altered; "):
        run.best_weights()
    resume(catalog, run.path, validation=figures).occupation.end()
    assert run.best()["step"] == 2
    assert Weights.load(run.best_weights()).step == 2
    shutil.rmtree(run.checkpoints / "step-0000002")
    with pytest.raises(I2IError, match=r"step-0000002: the best checkpoint, is missing; leave --best out"):
        run.best_weights()


def test_a_best_whose_checkpoint_went_before_the_newest_was_damaged_is_sought_afresh(
    catalog, alien_recipe, tmp_path, new_notes
):
    figures = told([0.5, 0.4, 0.6, 0.6, 0.2, 0.6, 0.6, 0.3])
    keeping = [*OFTEN, "run.keep=2", "run.checkpoint_every=1"]
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*keeping), tmp_path / "run", listener=new_notes(5), validation=figures).run()
    run, notes = RunFolder.open(tmp_path / "run"), new_notes()
    assert checkpoints(run) == [4, 5]  # step 2, the best until 5 was, has gone
    (run.checkpoints / "step-0000005" / "weights.safetensors").write_bytes(b"")
    going = resume(catalog, run.path, listener=notes, validation=figures)
    assert "the best checkpoint, of step 2: state.json is missing; the best is sought afresh" in notes.lines
    assert run.best() is None
    going.run()
    assert run.best()["step"] == 5


def test_a_best_json_that_cannot_be_read_keeps_no_checkpoint_from_being_saved(catalog, alien_recipe, tmp_path):
    going = start(catalog, alien_recipe(), tmp_path / "run")
    (tmp_path / "run" / "best.json").write_text("{")
    assert checkpoints(going.run())[-1] == going.steps


def test_killed_between_the_checkpoint_and_the_name_of_the_best_it_has_both_afterwards(
    catalog, alien_recipe, tmp_path, monkeypatch
):
    class PowerCut(BaseException):
        pass

    def cut(folder, found):
        if found["step"] == 3:
            raise PowerCut
        written(folder, found)

    figures, written = told([0.5, 0.6, 0.3, 0.6, 0.6, 0.6, 0.6, 0.6]), RunFolder.write_best
    going = start(catalog, alien_recipe(*OFTEN), tmp_path / "run", validation=figures)
    monkeypatch.setattr(RunFolder, "write_best", cut)
    with pytest.raises(PowerCut):
        going.run()
    monkeypatch.undo()
    assert Weights.load(going.folder.best_weights()).step == 1  # which best.json still names
    run = resume(catalog, tmp_path / "run", validation=figures).run()
    assert (checkpoints(run), run.best()["step"]) == ([3, 8], 3)


def test_a_fork_seeks_its_own_best(catalog, alien_recipe, tmp_path, new_notes):
    figures = [0.5, 0.1, 0.6, 0.6, 0.5, 0.4, 0.6, 0.6]
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*OFTEN), tmp_path / "run", listener=new_notes(4), validation=told(figures)).run()
    run = fork(catalog, tmp_path / "run", tmp_path / "fork", ["run.metric_features=random"],
               validation=told(figures)).run()  # fmt: skip
    assert (run.best()["step"], Weights.load(run.best_weights()).step) == (6, 6)
    assert RunFolder.open(tmp_path / "run").best()["step"] == 2


def test_how_often_and_how_long_may_change_and_what_is_measured_may_not(catalog, alien_recipe, tmp_path, new_notes):
    with pytest.raises(Interrupted):
        start(catalog, alien_recipe(*OFTEN), tmp_path / "run", listener=new_notes(4), validation=validation).run()
    file = tmp_path / "run" / "recipe.yaml"
    recipe = yaml.safe_load(file.read_text())
    recipe["run"] |= {"validate_every": 3, "patience": 9}
    file.write_text(yaml.safe_dump(recipe))
    resume(catalog, tmp_path / "run", validation=validation).occupation.end()
    recipe["run"] |= {"validation_pictures": 7, "metric": "fid"}
    file.write_text(yaml.safe_dump(recipe))
    with pytest.raises(UsageError, match=r"run\.metric auto → fid, run\.validation_pictures 64 → 7; put it back"):
        resume(catalog, tmp_path / "run", validation=validation)


def test_nobody_who_said_how_to_validate_is_told(catalog, alien_recipe, tmp_path):
    with pytest.raises(UsageError, match=r"run\.validate_every=2: nobody said how to validate; `i2i fit` does, in"):
        start(catalog, alien_recipe("run.validate_every=2"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(RecipeError, match="patience 3 counts validations, of which there are none: set validate_every"):
        alien_recipe("run.patience=3")
    with pytest.raises(RecipeError, match="metric"):
        alien_recipe("run.metric=beauty")


def test_every_metric_of_evaluate_may_be_named():
    assert set(get_args(MetricName)) == {"auto", *OF_SETS, *METRICS}


def test_the_pictures_are_held_out_ones_the_same_ones_every_time_or_training_ones_where_none_are(
    catalog, alien_recipe, tmp_path, monkeypatch, new_notes
):
    drawn = []

    def make(recipe, loop, pictures):
        drawn.append(pictures)
        return Validation("told", True, lambda loop: Measured(0.5))

    for share, name in ((0.5, "held-out"), (0.0, "training")):
        notes = new_notes()
        monkeypatch.setattr(notes, "said", notes.lines.append)
        recipe = alien_recipe(f"dataset.validation={share}", "run.validate_every=2")
        for _ in range(2):
            going = start(catalog, recipe, listener=notes, dry_run=True, validation=make)
        assert equal(*drawn[-2:])
        part = going.dataset.validation or going.dataset
        assert len(drawn[-1]["source"]) == len(part)
        assert going.monitor.validating.basis == Basis(len(part), share > 0)
        line = next(line for line in notes.lines if line.startswith("validation every 2 steps: told, on "))
        assert f" on {len(part)} {name} pictures" in line
        assert ("as none are held out" in line) == (share == 0)
        assert line.endswith("; few: dataset.validation=0.1 holds out more")


def features(pictures):
    return light_features(pictures).double()


def test_kid_is_that_of_torch_fidelity_over_the_whole_sets():
    fidelity = pytest.importorskip("torch_fidelity.metric_kid")
    chance = torch.Generator().manual_seed(0)
    ours, theirs = (features(torch.rand(20, 3, 32, 32, generator=chance) ** power) for power in (1, 1.2))
    how = {"kid_subsets": 1, "kid_subset_size": 20, "rng_seed": 0, "verbose": False}
    found = fidelity.kid_features_to_metric(ours, theirs, **how)["kernel_inception_distance_mean"]
    assert kid(ours, theirs) == pytest.approx(found, rel=1e-9)


@pytest.mark.skipif(not (DATA / "monet").is_dir(), reason="needs monet of I2I_TEST_DATA")
def test_light_kid_knows_photos_from_paintings_and_sharp_from_blurred():
    def some(folder, first, count=64):
        paths = sorted((DATA / "monet" / folder).glob("*"))[first : first + count]
        pictures = [to_tensor(open_picture(path)).float()[None] / 255 for path in paths]
        shrink = partial(torch.nn.functional.interpolate, size=(64, 64), mode="bilinear", antialias=True)
        return torch.cat([shrink(picture) for picture in pictures])

    photos, others, paintings = some("photos", 0), some("photos", 64), some("paintings", 0)
    same = abs(kid(features(others), features(photos)))
    blurred = torch.nn.functional.avg_pool2d(others, 3, 1, 1, count_include_pad=False)
    grainy = (others + 0.05 * torch.randn(others.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    for worse in (blurred, grainy, paintings):
        assert kid(features(worse), features(photos)) > 3 * same


def begun(catalog, recipe):
    going = start(catalog, recipe, dry_run=True)
    held = going.dataset.validation or going.dataset
    return going.loop, {key: value.cpu() for key, value in going.batches.fixed(held, 4).tensors.items()}


@pytest.mark.parametrize(
    ("name", "overrides", "metric"),
    [
        ("srresnet", ["model.blocks=1", "model.width=8", "dataset.crop=48"], "psnr_y"),
        ("dcgan-digits", ["model.width=4"], "kid"),
        ("vae-digits", ["model.width=4"], "kid"),
        ("vae-digits", ["model.width=4", "run.metric=ssim_rgb"], "ssim_rgb"),
        ("pix2pix-holes-light", ["model.width=4", "model.discriminator_width=4"], "psnr_y"),
    ],
)
def test_every_kind_of_plugin_is_measured(folders, name, overrides, metric):
    catalog, folder = discover(), folders / "large"
    folder.mkdir()
    for place in range(3):
        noise = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(place))
        smooth = torch.nn.functional.interpolate(noise[None], (96, 96), mode="bilinear")[0]
        write_picture(to_image(smooth), folder / f"{place}.png")
    recipe = load_recipe(catalog, name, overrides=[*overrides, "run.precision=fp32", "run.batch=2",
                         "run.validation_pictures=4"], folders={"src": [str(folder)]})  # fmt: skip
    loop, pictures = begun(catalog, recipe)
    found = validation(recipe, loop, pictures)
    assert (found.metric, found.lower_is_better) == (metric, metric == "kid")
    value = found.measure(loop).value
    assert math.isfinite(value)
    assert found.measure(loop).value == value
    with torch.no_grad():
        for parameter in loop.model.parameters():
            parameter.fill_(math.nan)
        loop.ema.restart()
    assert math.isnan(found.measure(loop).value)


def test_psnr_is_what_evaluate_finds_of_the_files(folders, tmp_path):
    catalog = discover()
    recipe = load_recipe(catalog, "srresnet", folders={"src": [str(folders / "large")]}, overrides=[
        "model.blocks=1", "model.width=8", "dataset.crop=48", "run.precision=fp32", "run.batch=2"])  # fmt: skip
    (folders / "large").mkdir()
    for place in range(4):
        chance = torch.Generator().manual_seed(place)
        write_picture(to_image(torch.rand(3, 64, 64, generator=chance)), folders / "large" / f"{place}.png")
    loop, pictures = begun(catalog, recipe)
    made, pairs = answers(loop, pictures["low"]), []
    for place, (ours, target) in enumerate(zip(made, pictures["high"], strict=True)):
        pair = Pair(str(place), tmp_path / f"made-{place}.png", tmp_path / f"target-{place}.png")
        write_picture(to_image(ours), pair.picture)
        write_picture(to_image(target), pair.target)
        pairs.append(pair)
    told = evaluate_pairs(pairs, Ruler(scale=4, border=4))
    for metric in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb"):
        run = recipe.run.model_copy(update={"metric": metric})
        found = validation(replaced(recipe, run=run), loop, pictures)
        assert found.measure(loop).value == pytest.approx(told.mean(metric), rel=1e-9)


def replaced(recipe, **changes):
    from dataclasses import replace

    return replace(recipe, **changes)


def test_the_direction_that_is_translated_is_the_one_that_is_measured(folders):
    catalog = discover()
    found = {}
    for direction in ("source-to-target", "target-to-source"):
        recipe = load_recipe(catalog, "cyclegan-light", overrides=[
            "model.width=4", f"translate.direction={direction}", "dataset.resize=36", "dataset.crop=32",
            "run.precision=fp32", "run.metric=kid"],
            folders={"src": [str(folders / "photos")], "target": [str(folders / "paintings")]})  # fmt: skip
        loop, pictures = begun(catalog, recipe)
        _, wanted = direction.split("-to-")
        made = loop.preview(pictures)[f"as {wanted}"]
        expected = [(values.clamp(0, 1) * 255).round() / 255 for values in (made, pictures[wanted])]
        found[direction] = validation(recipe, loop, pictures).measure(loop).value
        assert found[direction] == pytest.approx(kid(*map(features, expected)), rel=1e-4)
    assert len(set(found.values())) == 2


def test_a_metric_that_does_not_fit_is_refused_in_words(catalog, alien_recipe, digits):
    def refused(catalog, recipe, match):
        with pytest.raises(RecipeError, match=match):
            start(catalog, recipe, dry_run=True, validation=validation)

    every = "run.validate_every=2"
    refused(catalog, alien_recipe(every, "run.metric=psnr_y"),
            r"run\.metric: psnr_y compares pairs, and the dataset 'unpaired' has none; take kid")  # fmt: skip
    refused(discover(), digits(every, "run.metric=ssim_y"),
            r"run\.metric: ssim_y compares pairs, and 'dcgan' makes pictures out of nothing; take kid")  # fmt: skip


@pytest.mark.parametrize(("metric", "name"), [("kid", "light"), ("kid", "random"), ("fid", "random")])
def test_kid_and_fid_in_features_without_weights(catalog, alien_recipe, metric, name):
    pytest.importorskip("torch_fidelity")
    recipe = alien_recipe(f"run.metric={metric}", f"run.metric_features={name}")
    loop, pictures = begun(catalog, recipe)
    found = validation(recipe, loop, pictures)
    assert found.in_words == f"{metric} of 4 answers to source, {name} features"
    assert math.isfinite(found.measure(loop).value)


def test_the_command_line_validates_ends_early_and_says_so(folders, tmp_path, run_i2i):
    out = tmp_path / "run"
    arguments = [
        "fit",
        "--plugin",
        "dcgan-digits",
        "--src",
        str(folders / "photos"),
        "--out",
        str(out),
        "--steps",
        "60",
    ]
    options = ["model.width=4", "run.batch=2", "run.validate_every=1", "run.patience=1", "run.validation_pictures=8",
               "dataset.validation=0.5", "run.checkpoint_every=1000", "run.precision=fp32"]  # fmt: skip
    done = run_i2i(*arguments, *(word for option in options for word in ("--set", option)))
    assert (done.returncode, done.stderr) == (0, "")
    assert "validation every 1 step: kid of 8 samples, light features, on " in done.stdout
    assert "is the last: kid is no better than the " in done.stdout
    run = RunFolder.open(out)
    last = int(newest_checkpoint(run.checkpoints).name.removeprefix("step-"))
    found = metrics(run, "kid")
    assert last == max(found) == run.best()["step"] + 1 < 60
    assert run.best()["value"] == min(found.values())
