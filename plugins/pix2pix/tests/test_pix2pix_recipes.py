from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from i2i_pix2pix import ModelOptions, TrainerOptions

import i2i

PAPER = ("pix2pix", "pix2pix-colours", "pix2pix-edges", "pix2pix-holes", "pix2pix-restore")
LIGHT = ("pix2pix-colours-light", "pix2pix-holes-light")
RECIPES = (*PAPER, *LIGHT)
TINY = (
    "model.generator=unet-32",
    "model.width=4",
    "model.discriminator_width=4",
    "model.discriminator_layers=2",
    "dataset.resize=36",
    "dataset.crop=32",
    "dataset.validation=0.25",
    "run.steps=3",
    "run.batch=2",
    "run.log_every=1",
    "run.device=cpu",
    "run.precision=fp32",
    "run.workers=0",
)


def plain(catalog: i2i.Catalog, name: str) -> dict[str, Any]:
    return i2i.load_recipe(catalog, name).as_dict()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """`source` and `target`: as many small pictures of the same names."""
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
        for number in range(4):
            picture = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 5), (40, 48), mode="bilinear")[0]
            i2i.write_picture(i2i.to_image(picture), tmp_path / name / f"{number}.png")
    return tmp_path


def test_the_package_brings_its_recipes_its_model_and_its_trainer(catalog: i2i.Catalog) -> None:
    brought = {(entry.kind, entry.name) for entry in catalog if entry.distribution == "i2i-pix2pix"}
    assert brought == {("model", "pix2pix"), ("trainer", "pix2pix"), *(("recipe", name) for name in RECIPES)}


@pytest.mark.parametrize("name", RECIPES)
def test_learning_rate_reaches_zero_when_the_recipe_ends(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert data["trainer"]["decay_to"] == data["run"]["steps"]
    assert data["trainer"]["decay_from"] == data["run"]["steps"] // 2


@pytest.mark.parametrize("name", RECIPES)
def test_crop_fits_both_networks(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    kind, number = data["model"]["generator"].split("-")
    assert data["dataset"]["crop"] % (int(number) if kind == "unet" else 4) == 0
    assert data["dataset"]["crop"] >= 3 * 2 ** data["model"]["discriminator_layers"]


@pytest.mark.parametrize("name", RECIPES)
def test_the_dataset_makes_what_the_model_answers(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    makes = {thing["use"] for thing in data["dataset"].get("make", [])}
    assert data["model"]["answers"] == {"grey": "colours", "holes": "holes"}.get("".join(makes), "picture")


def test_pix2pix_has_the_papers_numbers(catalog: i2i.Catalog) -> None:
    data = plain(catalog, "pix2pix")
    assert (data["model"]["generator"], data["model"]["width"], data["model"]["dropout"]) == ("unet-256", 64, True)
    assert (data["model"]["discriminator_width"], data["model"]["discriminator_layers"]) == (64, 3)  # 70×70 patches
    assert data["model"]["upsampling"] == "transposed"
    assert (data["dataset"]["resize"], data["dataset"]["crop"], data["dataset"]["flip"]) == (286, 256, True)
    assert (data["losses"]["adversarial"]["use"], data["losses"]["adversarial"]["weight"]) == ("nonsaturating", 1)
    assert (data["losses"]["reconstruction"]["use"], data["losses"]["reconstruction"]["weight"]) == ("l1", 100)  # λ
    trainer = data["trainer"]
    assert (trainer["learning_rate"], trainer["beta1"], trainer["beta2"]) == (2e-4, 0.5, 0.999)  # section 3.3
    assert trainer["discriminator_learning_rate"] is None
    assert (data["run"]["batch"], data["run"]["steps"]) == (1, 200 * 400)  # section 6.2, facades


def test_the_models_defaults_are_those_of_the_paper(catalog: i2i.Catalog) -> None:
    assert i2i.load_recipe(catalog, "pix2pix").model.options == ModelOptions()


@pytest.mark.parametrize("name", ["pix2pix-colours", "pix2pix-holes", "pix2pix-edges", "pix2pix-restore"])
def test_recipes_that_make_their_own_sources_have_the_papers_batch(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert data["dataset"]["use"] == "self-paired"
    assert data["run"]["batch"] == 4


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_recipe_is_small_enough_for_two_cores(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert data["dataset"]["crop"] == 64
    assert data["model"]["width"] <= 32
    assert data["run"]["steps"] * data["run"]["batch"] <= 50_000
    assert data["losses"]["adversarial"] == {"use": "nonsaturating", "weight": 0.1, "smoothing": 0, "flipping": 0}


@pytest.mark.parametrize("name", LIGHT)
def test_what_a_light_recipe_makes_has_no_noise(catalog: i2i.Catalog, name: str) -> None:
    data = plain(catalog, name)
    assert not (data["model"]["dropout"] and data["translate"]["dropout"])


@pytest.mark.parametrize("name", ["pix2pix-colours-light", "pix2pix-holes-light", "pix2pix-edges", "pix2pix-restore"])
def test_a_run_on_one_folder_learns_and_its_weights_translate(
    catalog: i2i.Catalog, folder: Path, tmp_path: Path, name: str
) -> None:
    recipe = i2i.load_recipe(catalog, name, overrides=TINY, folders={"src": [str(folder / "source")]})
    i2i.start(catalog, recipe, tmp_path / "run").run()
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    translator = i2i.load(tmp_path / "run", device="cpu")
    picture = torch.rand(3, 33, 47)
    masks = torch.ones(1, 33, 47) if "holes" in name else None
    assert translator.translate(picture, masks=masks).shape == picture.shape


def test_a_run_on_two_folders_goes_on_as_if_it_had_never_stopped(
    catalog: i2i.Catalog, folder: Path, tmp_path: Path
) -> None:
    folders = {"src": [str(folder / "source")], "target": [str(folder / "target")]}
    recipe = i2i.load_recipe(catalog, "pix2pix", overrides=TINY, folders=folders)
    whole = i2i.start(catalog, recipe, tmp_path / "whole")
    whole.run()
    half = i2i.load_recipe(catalog, "pix2pix", overrides=[*TINY, "run.steps=1"], folders=folders)
    i2i.start(catalog, half, tmp_path / "half").run()
    resumed = i2i.resume(catalog, tmp_path / "half", steps=3)
    resumed.run()
    for key, tensor in whole.loop.model.state_dict().items():
        assert torch.equal(tensor, resumed.loop.model.state_dict()[key]), key


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("model.generator=unet-100", "model.generator"),
        ("model.width=0", "model.width"),
        ("model.answers=edges", "'picture', 'colours' or 'holes'"),
        ("trainer.decay_to=5", "trainer: decay_to 5 is before decay_from 40000"),
        ("trainer.leaning_rate=1", "did you mean 'learning_rate'?"),
        ("losses.reconstruction=null", "losses.reconstruction: missing; what is generated is near the target"),
        ("losses.adversarial.use=l1", "'l1' is of kind image; this role takes kind adversarial"),
        (
            "trainer.augment=[colour, translation]",
            "augment: translation would move a picture away from its source; take colour or cutout",
        ),
    ],
)
def test_a_mistaken_option_is_refused_by_name(catalog: i2i.Catalog, override: str, complaint: str) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        i2i.load_recipe(catalog, "pix2pix", overrides=[override])
    assert complaint in str(refusal.value)


def test_the_trainers_defaults_are_the_papers() -> None:
    options = TrainerOptions()
    assert (options.learning_rate, options.beta1, options.decay_from) == (2e-4, 0.5, None)
