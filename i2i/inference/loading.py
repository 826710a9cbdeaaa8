"""A translator from a weights file, a run folder or a recipe."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from i2i.contracts import API_VERSION, Options, Weights
from i2i.contracts.weights import is_ours
from i2i.errors import I2IError, UsageError
from i2i.images.decode import parsed_colour
from i2i.images.limits import LIMITS, Limits
from i2i.images.whole import Colours
from i2i.inference.computation import WITHIN_MEMORY, Tiles
from i2i.inference.folding import merge
from i2i.inference.importing import imported
from i2i.inference.translator import Asked, Translator, laid_over
from i2i.plugins import Catalog, Entry, discover
from i2i.recipe import Recipe, load_recipe, model_from_data, validate_options
from i2i.runtimes.engines import ENGINES, require
from i2i.runtimes.exported import open_exported
from i2i.runtimes.trial import TORCH
from i2i.training.building import load_inference_model, loaded_by, migrated, standalone_model
from i2i.training.run_folder import weights_at
from i2i.training.runtime import Runtime, laid_out

PRECISIONS = ("fp32", "bf16")


def load(
    source: Path | str | Recipe,
    options: Mapping[str, Any] | None = None,
    *,
    plugin: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    runtime: str = "torch",
    background: str | None = None,
    colours: Colours = "source",
    self_ensemble: bool = False,
    tiles: Tiles = WITHIN_MEMORY,
    limits: Limits = LIMITS,
    catalog: Catalog | None = None,
) -> Translator:
    """A translator from a weights file, a run folder, or a recipe whose model needs no weights.

    With `plugin`, a recipe whose model `reads_pickle`, the file may also be one that others published; it is read as
    `i2i import` would read it.

    `options` are the model's translate options, such as `{"direction": "target-to-source"}`, laid over those of the
    recipe. With `background`, a Pillow colour, transparent pictures are laid over it before they are translated; else
    transparency is carried over. `colours` says what becomes of colour profiles, as in `open_whole`. With
    `self_ensemble` each picture is translated in its 8 flips and rotations and answered by the mean: eight times the
    time for a little more fidelity. `tiles` says from when on and how a picture is translated in tiles, `limits` what
    a file may be. `precision` is `fp32`, `bf16` or `auto`, `runtime` `torch`, an engine's name or `auto`: what is the
    fastest here by a trial on the first picture, with pictures of more than 8 bits in fp32. A file that
    `i2i export --to onnx` wrote is computed by an engine. Raises `I2IError` where the file is damaged, its plugin is
    missing, an option is unknown or the model needs weights.
    """
    if background is not None:
        parsed_colour(background)  # refused now, not at the first transparent picture
    common: dict[str, Any] = {
        "background": background,
        "colours": colours,
        "self_ensemble": self_ensemble,
        "tiles": tiles,
        "limits": limits,
    }
    computing = Runtime.choose(device, _first(precision))
    if not isinstance(source, Recipe) and Path(source).suffix.lower() == ".onnx":
        return _exported(Path(source), options, computing, runtime, **common)
    catalog = catalog or discover()
    ready = _of_recipe(source, catalog) if isinstance(source, Recipe) else _of_file(Path(source), catalog, plugin)
    translate_options = laid_over(ready.options, options)
    name = ready.weights.recipe["name"]
    if not hasattr(ready.model, "translate"):
        _refuse_without_pictures(name, self_ensemble, runtime)
    if runtime not in (TORCH, "auto"):
        require(runtime, str(computing.device), computing.precision)
    precision = _within(getattr(ready.model, "precisions", PRECISIONS), precision, name)
    merge(ready.model)
    model = ready.model.to(computing.device)
    if computing.device.type == "cpu":  # where it is the faster order: docs/guide/speed.md
        laid_out(model, torch.channels_last)
    return Translator(
        model,
        ready.weights.header(),
        computing,
        translate_options,
        fingerprint=ready.fingerprint,
        asked=Asked(runtime, precision),
        **common,
    )


class _Ready(NamedTuple):
    """A model that can translate."""

    model: nn.Module
    weights: Weights
    """Those it holds; of one that needs none, without tensors."""
    options: Options
    """Translate options as its recipe says."""
    fingerprint: str


def _of_recipe(recipe: Recipe, catalog: Catalog) -> _Ready:
    model = standalone_model(recipe)
    weights = _no_weights(recipe, model, catalog)
    fingerprint = replace(weights, tensors=model.state_dict()).fingerprint()  # with what it read, such as a style
    return _Ready(model, weights, recipe.translate, fingerprint)


def _of_file(source: Path, catalog: Catalog, plugin: str | None) -> _Ready:
    path = str(source := weights_at(source))
    asked = load_recipe(catalog, plugin).model.entry if plugin is not None else None
    reads_theirs = asked is not None and asked.value.reads_pickle
    weights = imported(catalog, source, plugin) if reads_theirs and not is_ours(source) else Weights.load(source)
    entry = model_entry(weights, catalog, path)
    if reads_theirs and entry != asked:
        raise UsageError(f"{path}: holds weights of model '{entry.name}', not of --plugin {plugin}; leave --plugin out")
    weights = migrated(weights, entry, path)
    part = model_from_data(catalog, weights.recipe["model"], path)
    recorded = weights.recipe.get("translate", {})
    options = validate_options(part.entry.value.translate_options, recorded, f"{path}: translate.")
    return _Ready(load_inference_model(part, weights, path), weights, options, weights.fingerprint())


def _within(precisions: Collection[str], asked: str, name: str) -> str:
    """The precision, or the only one that a model can be computed in. Raises `UsageError` where it is another."""
    if asked in precisions:
        return asked
    if asked == "auto":
        return asked if set(PRECISIONS) <= set(precisions) else next(iter(precisions))
    raise UsageError(f"precision {asked}: {name} can be computed in {', '.join(precisions)} alone; take that, or auto")


def _refuse_without_pictures(name: str, self_ensemble: bool, runtime: str) -> None:
    """Raise `UsageError` where a model that makes pictures out of nothing is asked for what takes some."""
    if self_ensemble:
        raise UsageError(f"self-ensemble: {name} makes pictures out of nothing and has none to flip and rotate")
    if runtime not in (TORCH, "auto"):
        raise UsageError(f"runtime {runtime}: {name} makes pictures out of nothing; take torch")


def _first(precision: str) -> str:
    """In what to begin, before a trial."""
    return "fp32" if precision == "auto" else precision


def _exported(
    path: Path, options: Mapping[str, Any] | None, computing: Runtime, runtime: str, **common: Any
) -> Translator:
    """A translator from a file that `i2i export` wrote."""
    if runtime == TORCH:
        engines = " or ".join(ENGINES)
        raise UsageError(f"{path}: torch computes no exported file; take --runtime {engines}, or auto")
    opened = open_exported(path, runtime, str(computing.device), computing.precision)
    defaults = laid_over(opened.options, options)
    fingerprint, asked = opened.fingerprint, Asked(TORCH, computing.precision)
    return Translator(opened.model, opened.header, computing, defaults, fingerprint=fingerprint, asked=asked, **common)


def _no_weights(recipe: Recipe, model: nn.Module, catalog: Catalog) -> Weights:
    return Weights(
        recipe=recipe.as_dict(),
        tensors={},
        step=0,
        model_version=recipe.model.entry.value.version,
        api_version=API_VERSION,
        versions=recipe.versions(catalog),
        loaded=loaded_by(model),
    )


def model_entry(weights: Weights, catalog: Catalog, source: str) -> Entry[Any]:
    """The installed model that a weights file names. Raises `I2IError` that says what made the weights."""
    try:
        _, name = weights.recipe["name"], str(weights.recipe["model"]["use"])
        dict(weights.recipe.get("translate", {}))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise I2IError(f"{source}: its header holds no recipe with a name and a model") from error
    if name not in catalog.entries["model"]:
        made_by = ", ".join(f"{distribution} {version}" for distribution, version in weights.versions.items())
        raise I2IError(f"{source}: {catalog.unknown('model', name)}; the weights were made by {made_by}")
    return catalog.find("model", name)
