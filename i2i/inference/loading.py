"""A translator from a weights file, a run folder or a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from i2i.contracts import API_VERSION, Weights
from i2i.errors import I2IError, UsageError
from i2i.images.decode import parsed_colour
from i2i.images.limits import LIMITS, Limits
from i2i.images.whole import Colours
from i2i.inference.computation import WITHIN_MEMORY, Tiles
from i2i.inference.folding import merge
from i2i.inference.translator import Asked, Translator, laid_over
from i2i.plugins import Catalog, Entry, discover
from i2i.recipe import Recipe, model_from_data, validate_options
from i2i.runtimes.engines import ENGINES, require
from i2i.runtimes.exported import open_exported
from i2i.runtimes.trial import TORCH
from i2i.training.building import load_inference_model, loaded_by, migrated, standalone_model
from i2i.training.run_folder import weights_at
from i2i.training.runtime import Runtime, laid_out


def load(
    source: Path | str | Recipe,
    options: Mapping[str, Any] | None = None,
    *,
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
    }
    if not isinstance(source, Recipe) and Path(source).suffix.lower() == ".onnx":
        return _exported(Path(source), options, device, precision, runtime, limits=limits, **common)
    catalog = catalog or discover()
    if isinstance(source, Recipe):
        translate_options = laid_over(source.translate, options)
        computing = Runtime.choose(device, _first(precision))
        model = standalone_model(source)
        weights = _no_weights(source, model, catalog)
        fingerprint = replace(weights, tensors=model.state_dict()).fingerprint()  # with what it read, such as a style
    else:
        path = str(source := weights_at(Path(source)))
        weights = Weights.load(source)
        weights = migrated(weights, model_entry(weights, catalog, path), path)
        part = model_from_data(catalog, weights.recipe["model"], path)
        recorded = weights.recipe.get("translate", {})
        defaults = validate_options(part.entry.value.translate_options, recorded, f"{path}: translate.")
        translate_options = laid_over(defaults, options)
        computing = Runtime.choose(device, _first(precision))
        model = load_inference_model(part, weights, path)
        fingerprint = weights.fingerprint()
    if self_ensemble and not hasattr(model, "translate"):
        name = weights.recipe["name"]
        raise UsageError(f"self-ensemble: {name} makes pictures out of nothing and has none to flip and rotate")
    merge(model)
    model = model.to(computing.device)
    if computing.device.type == "cpu":  # where it is the faster order: docs/guide/speed.md
        laid_out(model, torch.channels_last)
    if runtime not in (TORCH, "auto"):
        if not hasattr(model, "translate"):
            raise UsageError(f"runtime {runtime}: {weights.recipe['name']} makes pictures out of nothing; take torch")
        require(runtime, str(computing.device), computing.precision)
    return Translator(
        model,
        weights.header(),
        computing,
        translate_options,
        limits=limits,
        fingerprint=fingerprint,
        asked=Asked(runtime, precision),
        **common,
    )


def _first(precision: str) -> str:
    """In what to begin, before a trial."""
    return "fp32" if precision == "auto" else precision


def _exported(
    path: Path, options: Mapping[str, Any] | None, device: str, precision: str, runtime: str, **common: Any
) -> Translator:
    """A translator from a file that `i2i export` wrote."""
    if runtime == TORCH:
        engines = " or ".join(ENGINES)
        raise UsageError(f"{path}: torch computes no exported file; take --runtime {engines}, or auto")
    computing = Runtime.choose(device, _first(precision))
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
