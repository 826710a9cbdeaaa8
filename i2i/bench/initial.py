"""Weights that were never trained: for speed they are as good as any."""

from __future__ import annotations

from pathlib import Path

from i2i.contracts import API_VERSION, Weights
from i2i.plugins import Catalog
from i2i.recipe import Recipe
from i2i.training.building import build_model, loaded_by


def write_initial(catalog: Catalog, recipe: Recipe, path: Path) -> Path:
    """The weights file of a recipe's model as it begins."""
    spec, model = recipe.model.entry.value, build_model(recipe.model)
    tensors = {key: value for key, value in model.state_dict().items() if key.split(".")[0] in spec.inference}
    Weights(
        recipe=recipe.as_dict(),
        tensors=tensors,
        step=0,
        model_version=spec.version,
        api_version=API_VERSION,
        versions=recipe.versions(catalog),
        loaded=loaded_by(model),
    ).save(path)
    return path
