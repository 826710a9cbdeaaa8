from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from i2i import Geometry, Request, discover, load_recipe
from i2i.recipe import Recipe
from i2i.runtimes.exporting import Exported, export
from i2i.training.building import build_model


def _untrained(name: str, *settings: str) -> tuple[nn.Module, Recipe]:
    """The model of a recipe with first weights, and the recipe."""
    recipe = load_recipe(discover(), name, None, settings)
    torch.manual_seed(0)
    return build_model(recipe.model).eval().requires_grad_(False), recipe


def _written(path: Path, name: str, *settings: str) -> tuple[nn.Module, Recipe, Exported]:
    """The model of a recipe, exported to `path`."""
    model, recipe = _untrained(name, *settings)
    header = {"recipe": recipe.as_dict(), "step": 0, "versions": {}, "data": {}, "note": "drawn"}
    return model, recipe, export(model, header, recipe.translate, "f" * 64, path, "onnx")


class Halved(nn.Module):
    """Half as light; `geometry` and what else a test wants can be changed."""

    def __init__(self, **geometry: Any) -> None:
        super().__init__()
        self.geometry = Geometry(**{"margin": 0, "tiling": "margin"} | geometry)
        self.weight = nn.Parameter(torch.tensor(0.5), requires_grad=False)

    def translate(self, images: torch.Tensor, request: Request) -> torch.Tensor:
        return images * self.weight


@pytest.fixture(scope="session")
def cyclegan(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module, Recipe]:
    """A file with a tiny generator, its model and recipe."""
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    path = tmp_path_factory.mktemp("exported") / "monet.onnx"
    settings = ("model.width=4", "model.generator=resnet-3", "translate.direction=target-to-source")
    model, recipe, _ = _written(path, "cyclegan", *settings)
    return path, model, recipe


@pytest.fixture(scope="session")
def untrained() -> Callable[..., tuple[nn.Module, Recipe]]:
    """`untrained(name, *settings)`: the model of a recipe with first weights, and the recipe."""
    return _untrained


@pytest.fixture(scope="session")
def halving() -> type[nn.Module]:
    """A class of models that make pictures half as light, of any geometry."""
    return Halved
