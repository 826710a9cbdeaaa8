"""Weights become files that others' code loads."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from i2i.contracts import Options, Weights
from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import UsageError
from i2i.inference.loading import model_entry
from i2i.inference.translator import laid_over
from i2i.plugins import Catalog, resolve
from i2i.recipe import model_from_data, validate_options
from i2i.runtimes.files import SUFFIXES, refuse
from i2i.training.building import migrated
from i2i.training.run_folder import weights_at

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Published:
    """What was written."""

    path: Path
    bytes: int
    name: str
    """Of the recipe that made the weights."""
    step: int
    options: Options
    """Of the translation, which may say which of several networks it is."""
    tensors: int


def export_published(
    catalog: Catalog, source: Path, form: str, path: Path, options: Mapping[str, Any] | None = None, force: bool = False
) -> Published:
    """Write the network in a weights file or run folder to `path`, in a form that its model declares.

    The file is a dict of float32 tensors as torch saves it. `options` are translate options, laid over those of the
    weights. Raises `UsageError` where `path` has another suffix or exists without `force`, or where the model has no
    such form or cannot be told in it; `I2IError` where the weights are damaged or of a model that is not installed.
    """
    refuse(path, form, force)
    source = weights_at(source)
    weights = Weights.load(source)
    weights = migrated(weights, model_entry(weights, catalog, str(source)), str(source))
    model = model_from_data(catalog, weights.recipe["model"], str(source))
    spec, recorded = model.entry.value, weights.recipe.get("translate", {})
    if form not in spec.write_foreign:
        forms = ", ".join((*SUFFIXES, *spec.write_foreign))
        raise UsageError(f"--to {form}: the model '{spec.name}' of {source} has no such form; it has {forms}")
    translate = laid_over(validate_options(spec.translate_options, recorded, f"{source}: translate."), options)
    write = resolve(spec.write_foreign[form])
    try:
        tensors = write(model.options.model_dump(), dict(weights.tensors), translate.model_dump())
    except UsageError as error:
        raise UsageError(f"--to {form}: {source}: {error}") from error
    with complete_or_not_at_all(path) as stream:
        stream.write(_saved(tensors))
    return Published(path, path.stat().st_size, weights.recipe["name"], weights.step, translate, len(tensors))


def _saved(tensors: Mapping[str, Tensor]) -> memoryview:
    held = io.BytesIO()
    torch.save({name: _plain(tensor) for name, tensor in tensors.items()}, held)
    return held.getbuffer()


def _plain(tensor: Tensor) -> Tensor:
    """As torch of any age holds it, and no more of memory than it is."""
    wide = tensor.float() if tensor.is_floating_point() else tensor
    return wide.detach().cpu().contiguous().clone()
