from __future__ import annotations

from typing import Any

import pytest
from i2i_cyclegan import TrainerOptions

import i2i

RECIPES = ("cyclegan", "cyclegan-light", "cyclegan-digits")


def plain(catalog: i2i.Catalog, name: str) -> dict[str, Any]:
    return i2i.load_recipe(catalog, name).as_dict()


def test_the_package_brings_its_three_recipes_its_model_and_its_trainer(catalog: i2i.Catalog) -> None:
    brought = {(entry.kind, entry.name) for entry in catalog if entry.distribution == "i2i-cyclegan"}
    assert brought == {("model", "cyclegan"), ("trainer", "cyclegan"), *(("recipe", name) for name in RECIPES)}


@pytest.mark.parametrize("name", RECIPES)
def test_learning_rate_reaches_zero_when_the_recipe_ends(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert data["trainer"]["decay_to"] == data["run"]["steps"]
    assert data["trainer"]["decay_from"] == data["run"]["steps"] // 2


@pytest.mark.parametrize("name", RECIPES)
def test_crop_fits_the_generator(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert data["dataset"]["crop"] % 4 == 0
    assert data["dataset"]["crop"] >= 3 * 2 ** data["model"]["discriminator_layers"]


def test_cyclegan_has_the_papers_numbers(catalog: i2i.Catalog) -> None:
    data = plain(catalog, "cyclegan")
    assert (data["model"]["generator"], data["model"]["width"]) == ("resnet-9", 64)  # appendix 7.2
    assert (data["model"]["discriminator_width"], data["model"]["discriminator_layers"]) == (64, 3)  # 70×70 patches
    assert data["model"]["upsampling"] == "transposed"
    assert (data["dataset"]["resize"], data["dataset"]["crop"], data["dataset"]["flip"]) == (286, 256, True)
    assert (data["losses"]["adversarial"]["use"], data["losses"]["adversarial"]["weight"]) == ("lsgan", 1)  # section 4
    assert (data["losses"]["cycle"]["use"], data["losses"]["cycle"]["weight"]) == ("l1", 10)  # λ
    assert (data["losses"]["identity"]["use"], data["losses"]["identity"]["weight"]) == ("l1", 5)  # 0.5 λ, section 5.2
    trainer = data["trainer"]
    assert (trainer["learning_rate"], trainer["beta1"], trainer["beta2"]) == (2e-4, 0.5, 0.999)
    assert (trainer["decay_from"], trainer["decay_to"], trainer["replay"]) == (100_000, 200_000, 50)
    assert (data["run"]["batch"], data["run"]["steps"]) == (1, 200_000)


def test_the_trainers_defaults_are_those_of_the_cyclegan_recipe(catalog: i2i.Catalog) -> None:
    assert i2i.load_recipe(catalog, "cyclegan").trainer.options == TrainerOptions()


def test_digits_is_small_enough_for_two_cores(catalog: i2i.Catalog) -> None:
    data = plain(catalog, "cyclegan-digits")
    assert data["dataset"]["crop"] == 32
    assert data["model"]["width"] <= 16
    assert data["run"]["steps"] <= 2000


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.generator=resnet-7", "model.generator"),
        ("model.width=0", "model.width"),
        ("model.discriminator_layers=6", "model.discriminator_layers"),
        ("trainer.replay=-1", "trainer.replay"),
        ("trainer.decay_to=5", "trainer: decay_to 5 is before decay_from 100000"),
        ("trainer.leaning_rate=1", "did you mean 'learning_rate'?"),
        ("losses.cycle=null", "losses.cycle: missing; there and back again gives the same picture"),
        ("losses.adversarial.use=l1", "'l1' is of kind image; this role takes kind adversarial"),
    ],
)
def test_a_mistaken_option_is_refused_by_name(catalog: i2i.Catalog, override: str, complaint: str) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        i2i.load_recipe(catalog, "cyclegan", overrides=[override])
    assert complaint in str(refusal.value)
