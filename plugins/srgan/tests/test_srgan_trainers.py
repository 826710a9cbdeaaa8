from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import safetensors.torch
import torch
from i2i_srgan import SRGANTrainerOptions, SRResNetTrainerOptions
from i2i_srgan.trainers import SRGANTrainer, SRResNetTrainer, psnr
from PIL import Image, ImageDraw
from torch import nn

import i2i
from i2i.training.checkpoints import identical, newest_checkpoint
from i2i.training.run_folder import RunFolder

SMALL = (
    "model.blocks=1", "model.width=4", "model.scale=2", "dataset.crop=16", "run.batch=2", "run.log_every=1",
    "run.precision=fp32",
)  # fmt: skip
ADVERSARIAL = ("model.discriminator_width=4", "losses.content={use: mse}")

Trained = Callable[..., Path]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    chance = numpy.random.default_rng(0)
    for number in range(4):
        picture = Image.new("RGB", (24, 20), "navy")
        for left, top, side in chance.integers(0, 16, (6, 3)).tolist():
            colour = tuple(chance.integers(0, 255, 3).tolist())
            ImageDraw.Draw(picture).rectangle((left, top, left + side, top + side), fill=colour)
        picture.save(root / f"{number}.png")
    return root


@pytest.fixture
def trained(catalog: i2i.Catalog, pictures: Path, tmp_path: Path) -> Trained:
    """`trained(name, *overrides, steps=…, out=…, init=…)`: the run folder of a few real steps."""

    def train(name: str, *overrides: str, steps: int = 2, out: str = "run", init: Path | None = None) -> Path:
        adversarial = ADVERSARIAL if name.startswith("srgan") else ()
        extra = (f"dataset.source={pictures}", f"run.steps={steps}")
        recipe = i2i.load_recipe(catalog, name, overrides=[*SMALL, *adversarial, *extra, *overrides])
        return i2i.start(catalog, recipe, tmp_path / out, init).run().path

    return train


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_stage_one_says_its_loss_and_its_psnr(trained: Trained) -> None:
    (first, _) = logged(trained("srresnet"))
    assert first["psnr"] == pytest.approx(-10 * math.log10(first["content"]), abs=1.5)  # that is clipped to [0, 1]


def test_stage_one_comes_closer_to_the_original(trained: Trained) -> None:
    overrides = ("model.generator=compact", "trainer.learning_rate=1e-2", "losses.content={use: l1}")
    losses = [line["content"] for line in logged(trained("srresnet", *overrides, steps=60))]
    assert sum(losses[-10:]) < 0.95 * sum(losses[:10])


def test_stage_two_starts_from_the_generator_of_stage_one(trained: Trained) -> None:
    first = trained("srresnet", out="a")
    second = trained("srgan", "trainer.learning_rate=1e-30", out="b", init=first)
    ours, theirs = (safetensors.torch.load_file(RunFolder.open(run).newest_weights()) for run in (second, first))
    learned = [name for name in theirs if "running" not in name and "tracked" not in name]
    assert learned
    assert all(torch.equal(ours[name], theirs[name]) for name in learned)


def test_stage_two_says_how_both_sides_do(trained: Trained) -> None:
    scalars = {"content", "adversarial", "psnr", "discriminator", "real_accuracy", "fake_accuracy"}
    assert scalars <= logged(trained("srgan"))[0].keys()
    regularised = trained("srgan", "losses.regulariser={use: r1}", out="regularised")
    assert "penalty" in logged(regularised)[0]


def test_the_relativistic_game_is_played_with_pixels_beside_features(trained: Trained) -> None:
    run = trained("srgan-relativistic")
    assert math.isfinite(logged(run)[-1]["adversarial"])
    alone = trained("srgan-relativistic", "losses.pixel=null", out="alone")
    assert logged(run)[0]["content"] > logged(alone)[0]["content"]


@pytest.mark.parametrize("name", ["srresnet", "srgan", "srresnet-photographs"])
def test_two_steps_and_two_more_are_four(catalog: i2i.Catalog, trained: Trained, name: str) -> None:
    whole = trained(name, steps=4, out="whole")
    parts = trained(name, steps=2, out="parts")
    i2i.resume(catalog, parts, steps=4).run()
    ends = [newest_checkpoint(run / "checkpoints", lambda said: None) for run in (whole, parts)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert identical(*ends)


def test_a_run_writes_pictures_of_how_it_does(trained: Trained) -> None:
    (sheet,) = (trained("srresnet") / "samples").iterdir()
    assert Image.open(sheet).width > 3 * 16


class Likeness(nn.Module):
    """A loss in its role."""

    weight, needs_real_logits, every = 1.0, False, 1


def test_the_learning_rate_rises_falls_and_drops() -> None:
    model = nn.Module()
    options = SRResNetTrainerOptions(warm_up=10, decay_from=100, decay_to=200)
    first = SRResNetTrainer(model, {"content": None}, options)
    rates = [first.learning_rate("generator", step) for step in (0, 4, 9, 50, 150, 200)]
    assert rates == pytest.approx([0.1, 0.5, 1, 1, 0.5, 0])
    losses = {"adversarial": Likeness(), "regulariser": None}
    second = SRGANTrainer(model, losses, SRGANTrainerOptions(drop_at=100))
    assert [second.learning_rate("generator", step) for step in (0, 99, 100, 10**6)] == [1, 1, 0.1, 0.1]


def test_psnr_is_that_of_the_clipped_picture() -> None:
    original = torch.ones(1, 3, 4, 4)
    assert psnr(original - 0.1, original) == pytest.approx(20, abs=1e-3)
    assert psnr(original - 0.1 + torch.tensor([0.0, 0.1, 5.0])[:, None, None], original) == pytest.approx(
        20 + 10 * math.log10(3), abs=1e-3
    )


def test_a_scale_of_data_other_than_the_models_is_refused(trained: Trained) -> None:
    with pytest.raises(i2i.UsageError, match=r"dataset\.scale: 4, the model's is 2; leave out dataset\.scale"):
        trained("srresnet", "dataset.scale=4")


def test_a_crop_that_the_models_scale_does_not_divide_is_refused(trained: Trained) -> None:
    with pytest.raises(i2i.RecipeError, match=r"dataset.*crop 17 cannot be divided by the scale, 2; 16 can"):
        trained("srresnet", "dataset.crop=17")


def test_a_crop_too_small_for_the_discriminator_is_refused(trained: Trained) -> None:
    said = r"16×16 pixels or more, found 14×14: set dataset\.crop to 16 or more"
    with pytest.raises(i2i.I2IError, match=said):
        trained("srgan", "dataset.crop=14")


def test_a_batch_too_small_for_batch_norm_is_refused(trained: Trained) -> None:
    said = r"one square of 16×16 pixels leaves .* a single number: set run\.batch to 2 or more"
    with pytest.raises(i2i.I2IError, match=said):
        trained("srgan", "dataset.crop=16", "run.batch=1")


def test_weights_of_another_network_are_refused_with_the_options_that_fit(trained: Trained) -> None:
    first = trained("srresnet", out="a")
    said = r"; these are weights of model 'srresnet'; norm is batch there, none here: the same with --set model\.NAME="
    with pytest.raises(i2i.I2IError, match=said):
        trained("srgan-relativistic", out="b", init=first)
