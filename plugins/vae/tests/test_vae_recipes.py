from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, ImageDraw

import i2i
from i2i.training.checkpoints import identical, newest_checkpoint

RECIPES = ("vae", "vae-digits", "vae-perceptual")
SMALL = (
    "model.size=16", "dataset.size=16", "model.width=4", "model.latent=8", "run.batch=4", "run.log_every=1",
)  # fmt: skip
RANDOM_FEATURES = "losses.perceptual={use: features, weight: 5, features: {use: random}}"

Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 small pictures of one rectangle each."""
    root = tmp_path_factory.mktemp("pictures")
    chance = numpy.random.default_rng(0)
    for number in range(24):
        picture = Image.new("RGB", (20, 20), "navy")
        left, top, side = chance.integers(1, 10, 3).tolist()
        ImageDraw.Draw(picture).rectangle((left, top, left + side, top + side), fill="gold")
        picture.save(root / f"{number}.png")
    return root


@pytest.fixture
def trained(catalog: i2i.Catalog, pictures: Path, tmp_path: Path) -> Trained:
    """`trained(*overrides, name=…, steps=…, out=…)`: the run folder of a few real steps."""

    def train(*overrides: str, name: str = "vae", steps: int = 2, out: str = "run") -> Path:
        extra = (f"dataset.source={pictures}", f"run.steps={steps}")
        recipe = i2i.load_recipe(catalog, name, overrides=[*SMALL, *extra, *overrides])
        return i2i.start(catalog, recipe, tmp_path / out).run().path

    return train


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_package_brings_its_recipes_its_model_and_its_trainer(catalog: i2i.Catalog) -> None:
    brought = {(entry.kind, entry.name) for entry in catalog if entry.distribution == "i2i-vae"}
    assert brought == {("model", "vae"), ("trainer", "vae"), *(("recipe", name) for name in RECIPES)}


@pytest.mark.parametrize("name", RECIPES)
def test_the_data_has_the_size_of_the_model(catalog: i2i.Catalog, name: str) -> None:
    data = i2i.load_recipe(catalog, name).as_dict()
    assert data["dataset"]["size"] == data["model"]["size"]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.size=256", "model.size"),
        ("trainer.beta=-1", "trainer.beta"),
        ("trainer.decay_to=5", "trainer: decay_from and decay_to go together"),
        ("translate.temperature=-1", "translate.temperature"),
        ("losses.reconstruction.use=hinge", "'hinge' is of kind adversarial; this role takes kind image"),
        ("losses.reconstruction=null", "losses.reconstruction"),
    ],
)
def test_a_mistaken_option_is_refused_by_name(catalog: i2i.Catalog, override: str, complaint: str) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        i2i.load_recipe(catalog, "vae", overrides=[override])
    assert complaint in str(refusal.value)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_its_steps(trained: Trained, name: str) -> None:
    random = ("model.size=32", "dataset.size=32", RANDOM_FEATURES) if name == "vae-perceptual" else ()
    run = trained(*random, name=name)
    assert {"reconstruction", "kl", "active", "psnr"} <= set(logged(run)[0])
    assert ("perceptual" in logged(run)[0]) == (name == "vae-perceptual")
    assert (run / "samples" / "step-0000002.png").exists()


def test_it_learns(trained: Trained) -> None:
    lines = logged(trained("run.batch=16", "trainer.learning_rate=3.0e-3", "trainer.beta_warm_up=0", steps=60))
    first, last = ([line["psnr"] for line in part] for part in (lines[:5], lines[-5:]))
    assert sum(last) > sum(first) + 5 * 2


@pytest.mark.parametrize("use", ["mse", "l1"])
def test_either_distance_reconstructs(trained: Trained, use: str) -> None:
    assert logged(trained(f"losses.reconstruction.use={use}"))[-1]["reconstruction"] > 0


def test_pictures_are_drawn_and_brought_there_and_back(trained: Trained, pictures: Path) -> None:
    model = i2i.load(trained(steps=4))
    drawn, likelier = model.sample(3, seed=7, batch=2), model.with_options(temperature=0.1).sample(3, seed=7)
    assert {picture.size for picture in drawn} == {(16, 16)}
    assert [picture.tobytes() for picture in drawn] == [picture.tobytes() for picture in model.sample(3, seed=7)]
    assert spread(likelier) < spread(drawn)
    original = Image.open(pictures / "0.png").resize((16, 16))
    again = model.translate(original, seed=1)
    assert again.size == (16, 16)
    assert again.tobytes() == model.translate(original, seed=2).tobytes()


def spread(pictures: list[Image.Image]) -> float:
    return float(numpy.stack([numpy.asarray(picture, float) for picture in pictures]).std(0).mean())


@pytest.mark.parametrize(
    "options",
    ["model.norm=batch", "model.upsampling=resize", "trainer.beta_warm_up=3", "run.accumulate=2", RANDOM_FEATURES],
)
def test_a_resumed_run_is_the_run_that_was_never_stopped(trained: Trained, catalog: i2i.Catalog, options: str) -> None:
    size = ("model.size=32", "dataset.size=32") if options == RANDOM_FEATURES else ()
    whole, first = trained(options, *size, steps=5, out="whole"), trained(options, *size, steps=2, out="stopped")
    resumed = i2i.resume(catalog, first, steps=5).run().path
    one, other = newest_checkpoint(whole / "checkpoints"), newest_checkpoint(resumed / "checkpoints")
    assert one is not None
    assert other is not None
    assert identical(one, other)


def test_results_come_from_the_averages_of_both_networks(trained: Trained, catalog: i2i.Catalog) -> None:
    run = trained(steps=4)
    loop = i2i.resume(catalog, run).loop
    saved = i2i.load(run).model.state_dict()
    assert {key.split(".")[0] for key in loop.ema.averages} == {"encoder", "decoder"}
    assert all(torch.equal(saved[key], average) for key, average in loop.ema.averages.items())
    learned = loop.model.state_dict()
    assert not torch.equal(saved["decoder.layers.0.weight"], learned["decoder.layers.0.weight"])


def test_in_bfloat16_it_learns_without_surprises(trained: Trained) -> None:
    lines = logged(trained("run.precision=bf16", "run.batch=16", "trainer.learning_rate=3.0e-3", steps=40))
    assert lines[-1]["psnr"] > lines[0]["psnr"]


def test_one_channel_learns_from_colour_pictures_and_answers_grey_ones(trained: Trained) -> None:
    model = i2i.load(trained("model.channels=1"))
    for picture in (*model.sample(1), model.translate(Image.new("RGB", (16, 16), "red"))):
        pixels = numpy.asarray(picture)
        assert pixels.shape == (16, 16, 3)
        assert (pixels[..., 0] == pixels[..., 1]).all()


def test_data_of_another_size_than_the_models_is_refused(trained: Trained) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        trained("dataset.size=20")
    assert str(refusal.value) == (
        "dataset: gives picture of 20×20 pixels; this model makes 16×16: set dataset.size or the model's size"
    )
