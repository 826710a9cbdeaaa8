from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import safetensors.torch
import torch
from i2i_dcgan import ModelOptions, TrainerOptions
from PIL import Image

import i2i
from i2i.training.checkpoints import identical, newest_checkpoint
from i2i.training.run_folder import RunFolder

RECIPES = ("dcgan", "dcgan-128", "dcgan-digits", "dcgan-emoji", "dcgan-small-data")
SMALL = ("model.size=16", "dataset.size=16", "model.width=4", "model.latent=8", "run.batch=4", "run.log_every=1")

Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of 12 small pictures: light ones and dark ones."""
    root = tmp_path_factory.mktemp("pictures")
    chance = numpy.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 156)):
        (root / name).mkdir()
        for number in range(12):
            pixels = chance.integers(low, low + 100, (20, 20, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def trained(catalog: i2i.Catalog, pictures: Path, tmp_path: Path) -> Trained:
    """`trained(*overrides, name=…, steps=…, out=…)`: the run folder of a few real steps."""

    def train(*overrides: str, name: str = "dcgan", steps: int = 2, out: str = "run") -> Path:
        extra = (f"dataset.source={pictures}", f"run.steps={steps}")
        recipe = i2i.load_recipe(catalog, name, overrides=[*SMALL, *extra, *overrides])
        return i2i.start(catalog, recipe, tmp_path / out).run().path

    return train


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_package_brings_its_recipes_its_model_and_its_trainer(catalog: i2i.Catalog) -> None:
    brought = {(entry.kind, entry.name) for entry in catalog if entry.distribution == "i2i-dcgan"}
    assert brought == {("model", "dcgan"), ("trainer", "dcgan"), *(("recipe", name) for name in RECIPES)}


@pytest.mark.parametrize("name", RECIPES)
def test_the_data_has_the_size_of_the_model(catalog: i2i.Catalog, name: str) -> None:
    data = i2i.load_recipe(catalog, name).as_dict()
    assert data["dataset"]["size"] == data["model"]["size"]


def test_dcgan_has_the_papers_numbers(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "dcgan")
    assert (recipe.model.options, recipe.trainer.options) == (ModelOptions(), TrainerOptions())
    model, trainer, run = ModelOptions(), TrainerOptions(), recipe.run
    assert (model.size, model.width, model.kernel, model.latent, model.distribution) == (64, 128, 5, 100, "uniform")
    assert (trainer.learning_rate, trainer.beta1, run.batch) == (2e-4, 0.5, 128)  # section 4
    assert recipe.as_dict()["losses"]["adversarial"]["use"] == "nonsaturating"


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.size=48", "model.size"),
        ("model.channels=2", "model.channels"),
        ("trainer.decay_to=5", "trainer: decay_from and decay_to go together"),
        ("trainer={decay_from: 9, decay_to: 5}", "trainer: decay_to 5 is before decay_from 9"),
        ("trainer.augment=[color]", "trainer.augment"),
        ("losses.adversarial.use=r1", "'r1' is of kind regulariser; this role takes kind adversarial"),
        ("losses.regulariser.use=hinge", "'hinge' is of kind adversarial; this role takes kind regulariser"),
    ],
)
def test_a_mistaken_option_is_refused_by_name(catalog: i2i.Catalog, override: str, complaint: str) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        i2i.load_recipe(catalog, "dcgan", overrides=[override])
    assert complaint in str(refusal.value)


def names_of(kind: str) -> list[str]:
    losses = i2i.discover().entries["loss"]
    return sorted(name for name, entry in losses.items() if entry.value.kind == kind)


@pytest.mark.parametrize("loss", names_of("adversarial"))
def test_any_adversarial_loss_plays_by_its_name_alone(trained: Trained, loss: str) -> None:
    run = trained(f"losses.adversarial.use={loss}")
    assert [line["step"] for line in logged(run)] == [1, 2]
    assert {"discriminator", "generator", "real_accuracy", "fake_accuracy"} <= set(logged(run)[-1])


@pytest.mark.parametrize("loss", names_of("regulariser"))
def test_any_regulariser_is_added_by_its_name_alone(trained: Trained, loss: str) -> None:
    plain, smooth = trained(out="plain"), trained(f"losses.regulariser={{use: {loss}, weight: 10, every: 2}}")
    assert ["penalty" in line for line in logged(smooth)] == [False, True]
    for without, line in zip(logged(plain), logged(smooth), strict=True):
        assert line.get("penalty", 1) > 0
        assert line["discriminator"] == without["discriminator"], "the game alone; no later step has felt the penalty"


def test_augmentation_changes_what_the_discriminator_sees(trained: Trained) -> None:
    plain, augmented = trained(out="plain"), trained("trainer.augment=[colour, translation, cutout]")
    assert logged(plain)[0]["discriminator"] != logged(augmented)[0]["discriminator"]


def test_the_generator_may_learn_less_often(trained: Trained) -> None:
    run = trained("trainer.generator_every=3", steps=4)
    assert ["generator" in line for line in logged(run)] == [False, False, True, False]


def test_the_learning_rate_falls_where_it_is_told_to(catalog: i2i.Catalog, pictures: Path, tmp_path: Path) -> None:
    overrides = [*SMALL, f"dataset.source={pictures}", "trainer={decay_from: 10, decay_to: 20}"]
    trainer = i2i.start(catalog, i2i.load_recipe(catalog, "dcgan", overrides=overrides), tmp_path / "run").loop.trainer
    assert [trainer.learning_rate("generator", step) for step in (0, 10, 15, 20)] == [1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    "options",
    [
        "model.upsampling=resize",
        "losses.regulariser={use: r1, every: 2}",
        "model={spectral_norm: true, discriminator_norm: none}",
        "trainer.augment=[colour, translation, cutout]",
        "dataset.classes=true",
        "run.accumulate=2",
    ],
)
def test_a_resumed_run_is_the_run_that_was_never_stopped(
    trained: Trained, catalog: i2i.Catalog, tmp_path: Path, options: str
) -> None:
    whole, first = trained(options, steps=5, out="whole"), trained(options, steps=2, out="stopped")
    resumed = i2i.resume(catalog, first, steps=5).run().path
    one, other = newest_checkpoint(whole / "checkpoints"), newest_checkpoint(resumed / "checkpoints")
    assert one is not None
    assert other is not None
    assert identical(one, other)


def test_samples_are_drawn_by_the_averaged_generator(trained: Trained, catalog: i2i.Catalog, pictures: Path) -> None:
    run = trained(steps=4)
    loop = i2i.resume(catalog, run).loop
    saved = safetensors.torch.load_file(RunFolder.open(run).newest_weights())
    assert all(torch.equal(saved[key], average) for key, average in loop.ema.averages.items())
    learned = loop.model.state_dict()
    assert not torch.equal(saved["generator.layers.0.weight"], learned["generator.layers.0.weight"])
    norm = "generator.layers.1.running_mean"
    assert torch.equal(saved[norm], learned[norm])


def test_the_diversity_of_samples_is_logged_when_they_are_drawn(trained: Trained) -> None:
    run = trained("run.sample_every=2", steps=4)
    measured = [line.get("diversity") for line in logged(run)]
    assert [value is not None for value in measured] == [False, True, False, True]
    assert 0 < measured[-1] < 0.5  # type: ignore[operator]  # an untrained generator's pictures hardly differ
    assert (run / "samples" / "step-0000004.png").exists()


def test_one_channel_learns_from_colour_pictures_and_draws_grey_ones(trained: Trained) -> None:
    run = trained("model.channels=1")
    (picture,) = i2i.load(run).sample(1)
    pixels = numpy.asarray(picture)
    assert pixels.shape == (16, 16, 3)
    assert (pixels[..., 0] == pixels[..., 1]).all()


def test_data_of_another_size_than_the_models_is_refused(trained: Trained) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        trained("dataset.size=20")
    assert str(refusal.value) == (
        "dataset: gives picture of 20×20 pixels; this model makes 16×16: set dataset.size or the model's size"
    )


def test_subfolders_become_classes_that_the_weights_know(trained: Trained) -> None:
    run = trained("dataset.classes=true")
    translator = i2i.load(run)
    assert translator.header["recipe"]["model"]["classes"] == ["dark", "light"]
    assert translator.with_options(class_name="light").sample(2)


def test_classes_are_learned_apart(trained: Trained) -> None:
    """After a few dozen steps the light class is lighter than the dark one: the labels reach both networks."""
    steps = ("dataset.classes=true", "run.batch=16", "run.ema=0", "trainer.learning_rate=2.0e-3", "model.width=8")
    translator = i2i.load(trained(*steps, steps=80))

    def brightness(name: str) -> Any:
        return numpy.mean([numpy.asarray(picture) for picture in translator.with_options(class_name=name).sample(16)])

    assert brightness("light") > brightness("dark") + 60


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            "model.classes=[a, b]",
            "model.classes: a, b; the data has no classes (dataset.classes=true makes",
        ),
        ("{}", "model.classes: a, b; the data has dark, light"),
    ],
)
def test_classes_that_the_data_does_not_have_are_refused(trained: Trained, options: str, complaint: str) -> None:
    overrides = [options] if options != "{}" else ["dataset.classes=true", "model.classes=[a, b]"]
    with pytest.raises(i2i.UsageError) as refusal:
        trained(*overrides)
    assert str(refusal.value).startswith(complaint)


@pytest.mark.parametrize("name", ["dcgan-digits", "dcgan-small-data", "dcgan-128"])
def test_every_recipe_takes_its_steps(trained: Trained, name: str) -> None:
    size = () if name != "dcgan-128" else ("model.size=128", "dataset.size=128")
    assert (trained(*size, name=name) / "checkpoints" / "step-0000002" / "weights.safetensors").exists()


class Notes(i2i.Listener):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def said(self, text: str) -> None:
        self.lines.append(text)


def test_a_generator_that_ignores_its_latents_is_told_of_once(
    catalog: i2i.Catalog, pictures: Path, tmp_path: Path
) -> None:
    extra = ["run.steps=6", "run.sample_every=2", "run.ema=0", "trainer.learning_rate=1.0e-9"]
    recipe = i2i.load_recipe(catalog, "dcgan", overrides=[*SMALL, f"dataset.source={pictures}", *extra])
    notes = Notes()
    run = i2i.start(catalog, recipe, tmp_path / "run", listener=notes)
    assert run.monitor.watch is not None
    run.monitor.watch.was_diverse = True
    with torch.no_grad():
        run.loop.model.generator.layers[0].weight.zero_()  # type: ignore[union-attr, operator, index]
    run.run()
    assert [line.split(":")[0] for line in notes.lines if "collapsing" in line] == ["step 2"]
    assert logged(tmp_path / "run")[-1]["diversity"] < 0.05


def test_diversity_is_logged_even_where_nobody_wants_to_be_warned(trained: Trained) -> None:
    run = trained("run.collapse_below=0", "run.sample_every=1")
    assert all(line["diversity"] >= 0 for line in logged(run))


def test_a_resumed_run_does_not_warn_again(catalog: i2i.Catalog, trained: Trained, pictures: Path) -> None:
    run = i2i.resume(catalog, trained(steps=1), steps=2)
    assert run.monitor.watch is not None
    assert run.monitor.watch.state_dict() == {"was_diverse": False, "warned": False}
    run.monitor.watch.load_state_dict({"was_diverse": True, "warned": True})
    again = i2i.resume(catalog, run.run().path, steps=3)
    assert again.monitor.watch is not None
    assert again.monitor.watch.state_dict() == {"was_diverse": True, "warned": True}


def test_weights_of_other_classes_are_no_start(trained: Trained, catalog: i2i.Catalog, pictures: Path) -> None:
    first = trained("dataset.classes=true")
    weights = first / "checkpoints" / "step-0000002" / "weights.safetensors"
    recipe = i2i.load_recipe(catalog, "dcgan", overrides=[*SMALL, f"dataset.source={pictures}"])
    with pytest.raises(i2i.UsageError) as refusal:
        i2i.start(catalog, recipe, init=first, dry_run=True)
    assert str(refusal.value) == f"{weights}: its classes are dark, light; here they are none: start without --init"


def test_a_model_that_knows_no_classes_refuses_a_dataset_that_does(catalog: i2i.Catalog, pictures: Path) -> None:
    recipe = i2i.load_recipe(catalog, "dcgan", overrides=[*SMALL, f"dataset.source={pictures}", "dataset.classes=true"])
    other = i2i.load_recipe(catalog, "cyclegan-digits")
    with pytest.raises(i2i.UsageError) as refusal:
        i2i.start(catalog, replace(recipe, model=other.model), dry_run=True)
    assert str(refusal.value) == "model 'cyclegan' knows no classes; leave out dataset.classes"


def test_a_dry_run_does_in_its_one_step_what_is_done_now_and_then(catalog: i2i.Catalog, pictures: Path) -> None:
    rarely = ["trainer.generator_every=5", "losses.regulariser={use: r1, every: 16}"]
    recipe = i2i.load_recipe(catalog, "dcgan", overrides=[*SMALL, f"dataset.source={pictures}", *rarely])
    tried = i2i.start(catalog, recipe, dry_run=True).try_one_step()
    assert {"generator", "penalty"} <= set(tried.scalars)
