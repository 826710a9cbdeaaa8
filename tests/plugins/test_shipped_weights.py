"""Weights that our plugins ship: small, described by a card, and saying where they are from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

import i2i

SHIPPED = sorted((Path(__file__).parents[2] / "plugins").glob("*/i2i_*/weights/*.safetensors"))
MEGABYTES = 8


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
class TestShippedWeights:
    def test_the_card_names_the_file_as_it_is(self, path: Path) -> None:
        card, weights = (path.parent / "README.md").read_text(encoding="utf-8"), i2i.Weights.load(path)
        parameters = sum(tensor.numel() for tensor in weights.tensors.values())
        assert f"`{path.name}`" in card
        assert f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`" in card
        assert f"| {parameters:,} | {weights.step:,} |" in card

    def test_the_file_is_small_says_where_it_is_from_and_names_no_folder(self, path: Path) -> None:
        weights = i2i.Weights.load(path)
        assert "Apache-2.0" in weights.note
        assert not weights.recipe["dataset"].get("source")
        assert not weights.recipe["dataset"].get("target")
        assert {tensor.dtype for tensor in weights.tensors.values() if tensor.is_floating_point()} == {torch.float16}
        assert path.stat().st_size < MEGABYTES * 1e6

    def test_a_recipe_brings_it(self, path: Path) -> None:
        catalog = i2i.discover()
        names = [entry.name for entry in catalog if entry.kind == "recipe"]
        assert path in [i2i.load_recipe(catalog, name).weights for name in names]


def test_there_are_some() -> None:
    assert {path.parts[-3] for path in SHIPPED} >= {"i2i_srgan", "i2i_cyclegan", "i2i_dcgan"}
