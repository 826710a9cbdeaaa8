"""Training without optimizers: a scheme that walks the data once and adds up into buffers."""

import hashlib
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from i2i import Dataset, I2IError, RecipeError, Weights, load, load_recipe, resume, start
from i2i.errors import Interrupted
from i2i.training.building import with_steps
from i2i.training.checkpoints import identical

WEAK, STRONG = b"0.25\n", b"0.75\n"


@pytest.fixture
def recipe(etcher, tmp_path):
    """The etcher on five small pictures; call it with overrides."""
    rng = numpy.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for index in range(5):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=numpy.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{index}.png")

    def recipe(*overrides):
        return load_recipe(etcher, "etcher", overrides=[f"dataset.source=[{tmp_path / 'photos'}]", *overrides])

    return recipe


def test_one_pass_over_the_data_is_as_many_steps_as_batches_and_its_weights_translate(etcher, recipe, tmp_path):
    run = start(etcher, recipe("run.batch=5"), tmp_path / "run").run()
    pixels = [numpy.asarray(Image.open(path), float) / 255 for path in sorted((tmp_path / "photos").iterdir())]
    weights = Weights.load(run.newest_weights())
    assert (weights.step, int(weights.tensors["seen"])) == (1, 5)
    assert weights.tensors.keys() == {"colour_sum", "seen"}
    assert numpy.allclose(weights.tensors["colour_sum"], numpy.sum(pixels, axis=0).mean((0, 1)), atol=1e-5)
    translator = load(run.path, {"strokes": 60}, catalog=etcher)
    made = translator.translate(torch.zeros(3, 16, 16)).mean((1, 2))
    assert numpy.allclose(made, numpy.mean(pixels, axis=(0, 1, 2)) / 2, atol=0.02)


def test_the_number_of_steps_is_written_down_and_another_may_be_given(etcher, recipe, tmp_path):
    run = start(etcher, recipe(), tmp_path / "run")
    assert (run.steps, run.recipe.run.steps) == (3, 3)  # two, two and one more: the last batch begins the next pass
    assert "steps: 3\n" in run.folder.recipe_file.read_text()
    assert start(etcher, recipe("run.steps=7"), dry_run=True).steps == 7
    run.run()
    assert resume(etcher, tmp_path / "run", steps=4).run().newest_weights().parent.name == "step-0000004"


class Endless(Dataset):
    pass


class Unsaid(Dataset):
    def __len__(self):
        return None


@pytest.mark.parametrize("dataset", [Endless(), Unsaid()])
def test_a_dataset_of_unknown_length_wants_a_number_of_steps(recipe, dataset):
    with pytest.raises(RecipeError) as failure:
        with_steps(recipe(), dataset)
    assert str(failure.value) == (
        "run.steps: null is one pass over the data, and 'pictures' does not say how long that is; give --steps N"
    )
    assert with_steps(recipe("run.steps=7"), dataset).run.steps == 7


def test_a_resumed_run_equals_one_never_stopped_bit_for_bit(etcher, recipe, tmp_path, new_notes):
    whole = start(etcher, recipe(), tmp_path / "whole").run()
    with pytest.raises(Interrupted, match="stopped at step 2, saved"):
        start(etcher, recipe(), tmp_path / "part", listener=new_notes(stop_at=2)).run()
    part = resume(etcher, tmp_path / "part").run()
    assert identical(*(folder.newest_weights().parent for folder in (whole, part)))


@pytest.mark.parametrize("extra", [["run.accumulate=2"], ["run.precision=bf16"], ["run.ema=0.9"], ["run.clip=1"]])
def test_what_concerns_optimizers_changes_nothing(etcher, recipe, tmp_path, extra):
    sums = [
        Weights.load(start(etcher, recipe(*more), tmp_path / name).run().newest_weights()).tensors["colour_sum"]
        for name, more in (("plain", []), ("other", extra))
    ]
    assert torch.allclose(*sums, atol=1e-9)


def test_a_dry_run_tells_and_writes_nothing(etcher, recipe, tmp_path):
    before = set(tmp_path.rglob("*"))
    dry = start(etcher, recipe(), dry_run=True).try_one_step()
    assert (dry.parameters, list(dry.scalars)) == (0, ["brightness"])
    assert set(tmp_path.rglob("*")) == before


def test_remarks_of_the_model_are_said(etcher, recipe, new_notes):
    notes = new_notes()
    start(etcher, recipe(), listener=notes, dry_run=True)
    assert notes.lines == ["etching with strength 0.5, 0 pictures seen"]


def test_a_buffer_that_the_file_lacks_is_none(etcher, recipe, tmp_path):
    weights = Weights.load(start(etcher, recipe(), tmp_path / "run").run().newest_weights())
    class_of = etcher.find("model", "etcher").value
    object.__setattr__(class_of, "inference", ("colour_sum", "extra"))
    from i2i_etcher import etching

    class Larger(etching.Etcher):
        def __init__(self, options):
            super().__init__(options)
            self.register_buffer("extra", torch.ones(2))

    etching.Etcher = Larger
    Weights(**{**vars(weights)}).save(tmp_path / "w.safetensors")
    model = load(tmp_path / "w.safetensors", catalog=etcher).model
    assert model.extra is None
    assert model.seen == 6


def test_numbers_drawn_but_not_saved_are_those_that_it_was_fitted_with(etcher, recipe, tmp_path):
    fit = start(etcher, recipe("model.speckles=4", "run.seed=3"), tmp_path / "run")
    fit.run()
    assert torch.equal(load(tmp_path / "run", catalog=etcher).model.speckles, fit.loop.model.speckles)


@pytest.fixture
def acid(tmp_path):
    """A file that the etcher loads and no weights file holds."""
    path = tmp_path / "acid.txt"
    path.write_bytes(WEAK)
    return path


def test_what_is_merely_loaded_is_named_in_the_header(etcher, recipe, tmp_path, acid):
    run = start(etcher, recipe(f"model.acid={acid}"), tmp_path / "run").run()
    expected = {"acid": hashlib.sha256(WEAK).hexdigest()}
    assert Weights.load(run.newest_weights()).loaded == expected
    assert load(run.path, catalog=etcher).header["loaded"] == expected
    assert load(run.path, catalog=etcher).model.strength == 0.25


def short(text):
    return f"SHA-256 {hashlib.sha256(text).hexdigest()[:12]}…"


def test_weights_are_refused_where_another_file_is_loaded(etcher, recipe, tmp_path, acid):
    run = start(etcher, recipe(f"model.acid={acid}"), tmp_path / "run").run()
    acid.write_bytes(STRONG)
    refusal = (
        f"not made with what is loaded here: acid (then {short(WEAK)}, here {short(STRONG)}); "
        "put that back, or fit again"
    )
    with pytest.raises(I2IError) as failure:
        load(run.path, catalog=etcher)
    assert str(failure.value) == f"{run.newest_weights()}: {refusal}"
    with pytest.raises(I2IError) as failure:
        resume(etcher, run.path, steps=9)
    assert str(failure.value) == f"{run.newest_weights().parent}: {refusal}"
    acid.unlink()
    with pytest.raises(I2IError, match=rf"^model\.acid: {acid}: No such file or directory$"):
        load(run.path, catalog=etcher)


@pytest.mark.parametrize("then", [True, False])
def test_weights_are_refused_where_a_file_is_missing_or_new(etcher, recipe, tmp_path, acid, then):
    run = start(etcher, recipe(*[f"model.acid={acid}"] * then), tmp_path / "run").run()
    weights = Weights.load(run.newest_weights())
    model = {**weights.recipe["model"], "acid": None if then else str(acid)}
    changed = {**vars(weights), "recipe": {**weights.recipe, "model": model}}
    Weights(**changed).save(tmp_path / "w.safetensors")
    here = f"(then {short(WEAK)}, here none)" if then else f"(then none, here {short(WEAK)})"
    with pytest.raises(I2IError) as failure:
        load(tmp_path / "w.safetensors", catalog=etcher)
    assert f"not made with what is loaded here: acid {here}; put" in str(failure.value)


def test_samples_hear_the_recipes_translate_options(etcher, recipe):
    loop = start(etcher, recipe("translate.strokes=3"), dry_run=True).loop
    seen = []
    loop.model.latents = lambda seeds: torch.zeros(len(seeds), 1)
    loop.model.sample = lambda latents, request: seen.append(request.options.strokes) or torch.zeros(1, 3, 8, 8)
    loop.samples(1)
    assert seen == [3]


def test_the_plugin_is_written_with_public_names_only():
    source = (Path(__file__).parents[1] / "plugins/etcher/i2i_etcher/etching.py").read_text()
    assert "from i2i." not in source
