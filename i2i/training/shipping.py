"""Weights made ready for others: smaller, with a note, and without what names this machine's folders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from i2i.contracts import Weights
from i2i.plugins import Catalog


def for_others(weights: Weights, catalog: Catalog, half: bool = False, note: str | None = None) -> Weights:
    """The same without the names of the folders that they were trained on; their dataset is told by `catalog`.

    `half` has every floating-point tensor in float16; `note` takes the place of the recipe's own.
    """
    recipe: dict[str, Any] = dict(weights.recipe)
    dataset = catalog.entries["dataset"].get(recipe["dataset"]["use"])
    folders = () if dataset is None else dataset.value.cli.values()
    recipe["dataset"] = {key: None if key in folders else value for key, value in recipe["dataset"].items()}
    note = weights.note if note is None else note
    recipe["run"] = {**recipe["run"], "note": note}
    tensors = weights.tensors
    if half:
        tensors = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in tensors.items()}
    return replace(weights, recipe=recipe, tensors=tensors, note=note)
