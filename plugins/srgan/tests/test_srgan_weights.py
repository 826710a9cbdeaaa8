from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

import i2i

FOLDER = Path(str(files("i2i_srgan"))) / "weights"
SHIPPED = sorted(FOLDER.glob("*.safetensors"))
BROUGHT = ("srgan", "srgan-compact", "srgan-relativistic", "srresnet", "srresnet-compact", "srresnet-compact-x2",
           "srresnet-photographs")  # fmt: skip


def test_weights_for_two_and_four_times_are_shipped() -> None:
    assert [path.name for path in SHIPPED] == ["compact-x2.safetensors", "compact-x4.safetensors"]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_file_names_whose_pictures_it_learned_from(path: Path) -> None:
    note = i2i.Weights.load(path).note
    assert all(name in note for name in ("CC0", "Aitzol Berasategi", "danielbuechele", "Noto"))


@pytest.mark.parametrize(("name", "scale"), [("srgan", 4), ("srresnet-compact", 4), ("srresnet-compact-x2", 2)])
def test_a_recipe_that_ships_weights_ships_those_of_its_scale(catalog: i2i.Catalog, name: str, scale: int) -> None:
    recipe = i2i.load_recipe(catalog, name)
    assert recipe.weights is not None
    assert i2i.load(recipe.weights).geometry.scale == scale
    assert recipe.model.options.model_dump()["scale"] == scale


@pytest.mark.parametrize("name", ["srgan-compact", "srgan-relativistic", "srresnet", "srresnet-photographs"])
def test_a_recipe_whose_network_was_not_trained_ships_none(catalog: i2i.Catalog, name: str) -> None:
    assert i2i.load_recipe(catalog, name).weights is None


def test_the_package_brings_its_recipes_models_and_trainers(catalog: i2i.Catalog) -> None:
    brought = {(entry.kind, entry.name) for entry in catalog if entry.distribution == "i2i-srgan"}
    parts = {(kind, name) for kind in ("model", "trainer") for name in ("srresnet", "srgan")}
    assert brought == parts | {("recipe", name) for name in BROUGHT}
