"""What a recipe does on this machine: pictures translated or made, and steps of its training."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from i2i.bench.folders import Folder
from i2i.bench.initial import write_initial
from i2i.bench.operations import gigaflops
from i2i.bench.pictures import draw
from i2i.bench.sides import Task
from i2i.contracts import Request
from i2i.errors import I2IError
from i2i.inference.loading import load
from i2i.plugins import Catalog, discover
from i2i.recipe import Recipe, load_recipe
from i2i.tiling.memory import trim
from i2i.training.building import build, prepare
from i2i.training.starting import start

TO_LEARN_FROM = 8
"""Pictures that are drawn for a training step."""
LEARNED_SIDE = 320
"""Pixels of their sides where the dataset does not say how large they are to be."""
MOST = 64
"""Pictures of one turn."""


def chosen(catalog: Catalog) -> list[str]:
    """The recipes that one would try first: each of the shipped weights, then light ones."""
    shipped, light = dict[Path, str](), list[str]()
    for name in catalog.names("recipe"):
        try:
            recipe = load_recipe(catalog, name)
        except I2IError:  # it may need a plugin that is not there
            continue
        if recipe.weights is not None:
            shipped.setdefault(recipe.weights, name)
        elif name.endswith("-light"):
            light.append(name)
    return [*shipped.values(), *light]


def translating(
    name: str, overrides: Sequence[str], size: int, folder: str, seconds: float, precision: str, device: str
) -> dict[str, Task]:
    """Files of `size` pixels from end to end, or pictures out of nothing: as many as take about so many seconds.

    With the recipe's own weights, else with those it begins with. Raises `I2IError` where they cannot be had.
    """
    catalog, place = discover(), Path(folder)
    recipe = load_recipe(catalog, name, overrides=overrides)
    source = _weights(catalog, recipe, place / f"{precision}.safetensors")
    translator = load(source, device=device, precision=precision)
    work = _operations(recipe, size)
    if not translator.translates:
        count = _enough(lambda number: translator.sample(number, batch=number), seconds)

        def drawn() -> None:
            translator.sample(count, batch=count)

        return {"draw": Task(drawn, count, _times(work, count))}
    sources, numbers = draw(place / "given", MOST, size), itertools.count()

    def translated(count: int) -> None:
        into = place / f"made-{precision}-{next(numbers)}"
        Folder(translator, sources[:count]).translated(into)
        shutil.rmtree(into)

    count = _enough(translated, seconds)
    return {"translate": Task(lambda: translated(count), count, _times(work, count))}


def training(name: str, overrides: Sequence[str], folder: str, precision: str, device: str) -> dict[str, Task]:
    """One step as `i2i fit` takes it, its pictures loaded from files. Raises `I2IError` where the recipe lacks more."""
    catalog, place = discover(), Path(folder)
    given = [*overrides, f"run.device={device}", f"run.precision={precision}", "run.validate_every=null"]
    recipe = load_recipe(catalog, name, overrides=given)
    folders = {flag: [str(place / flag)] for flag in recipe.dataset.entry.value.cli}
    for flag in folders:
        draw(place / flag, TO_LEARN_FROM, _side(recipe))
    fit = start(catalog, load_recipe(catalog, name, overrides=given, folders=folders), dry_run=True)
    batches = fit.batches.from_step(0)

    def step() -> None:
        fit.loop.advance(next(batches))

    work = gigaflops(step) if precision == "fp32" else None
    trim()
    return {"train": Task(step, fit.recipe.run.batch, work)}


def _side(recipe: Recipe) -> int:
    """Of pictures that the recipe's dataset need not shrink, where it says so."""
    options = recipe.dataset.options.model_dump()
    wanted = [options[name] for name in ("size", "resize", "crop") if isinstance(options.get(name), int)]
    return max(wanted, default=LEARNED_SIDE)


def _weights(catalog: Catalog, recipe: Recipe, path: Path) -> Path | Recipe:
    if recipe.weights is not None:
        return recipe.weights
    if recipe.lacking_to_stand_alone() is not None:
        return recipe
    return write_initial(catalog, recipe, path)


def _operations(recipe: Recipe, size: int) -> float | None:
    """Of one picture, convolutions done directly; None where the model optimises, or does not say."""
    if recipe.lacking_to_stand_alone() is not None:
        return None
    work = _counted(recipe, size)
    trim()
    return work


@torch.no_grad()
def _counted(recipe: Recipe, size: int) -> float:
    model: Any = build(recipe.model).eval()
    prepare(model)
    if not hasattr(model, "translate"):
        request = Request(options=recipe.translate, seeds=(0,))
        return gigaflops(lambda: model.sample(model.latents((0,)), request))
    height, width = model.geometry.padded(size, size)
    pictures = torch.rand(1, model.geometry.channels, height, width)
    mask = torch.ones(1, 1, height, width) if model.geometry.fills else None
    request = Request(options=recipe.translate, seeds=(0,), mask=mask)
    return gigaflops(lambda: model.translate(pictures, request))


def _enough(run: Callable[[int], object], seconds: float) -> int:
    """How many pictures take about so many seconds, found out by one after a first."""
    run(1)
    began = time.perf_counter()
    run(1)
    return max(1, min(MOST, math.floor(seconds / (time.perf_counter() - began))))


def _times(work: float | None, count: int) -> float | None:
    return None if work is None else work * count
