"""Networks that others published become weights files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.contracts import API_VERSION, Weights
from i2i.contracts.weights import is_ours
from i2i.disk.digests import sha256_of
from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import I2IError, UsageError
from i2i.foreign import read_tensors
from i2i.plugins import Catalog, Entry, resolve
from i2i.recipe import Part, Recipe, load_recipe, validate_options

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
FIRST = 4
"""Keys of a file that are told where no model knows it."""


@dataclass(frozen=True)
class Found:
    """What a model read out of a file."""

    model: Entry[Any]
    options: Mapping[str, Any]
    state: Mapping[str, Tensor]


def import_weights(catalog: Catalog, file: Path, out: Path, plugin: str | None = None, note: str = "") -> Weights:
    """Write to `out` what an installed model reads out of `file`, as a weights file of the recipe `plugin`.

    Raises what `imported` raises, and `UsageError` where `out` exists or is no .safetensors file.
    """
    _refuse(out)
    weights = imported(catalog, file, plugin)
    weights = replace(weights, note=f"{weights.note}; {note}" if note else weights.note)
    with complete_or_not_at_all(out) as stream:
        stream.write(weights.as_bytes())
    return weights


def imported(catalog: Catalog, file: Path, plugin: str | None = None) -> Weights:
    """What an installed model reads out of `file`, as weights of the recipe `plugin`; nothing is written.

    Without `plugin` every model is asked, and the recipe is one of its own distribution. Raises `UsageError` where no
    model can be asked or several know the file; `I2IError` where the file cannot be read, none knows it, or it does
    not fit.
    """
    if is_ours(file):
        raise UsageError(f"{file}: is a weights file of i2i already; use it as it is, by --weights")
    recipe = load_recipe(catalog, plugin) if plugin is not None else None
    readers = _readers(catalog, recipe)
    digest = sha256_of(file) if file.is_file() else None  # what is none is refused by who reads it
    found = _recognised(file, readers, asked=plugin is not None)
    weights = _fitting(catalog, recipe or _recipe_of(catalog, found.model), found, file)
    if digest != sha256_of(file):
        raise I2IError(f"{file}: was changed while it was read; import it again")
    return replace(
        weights,
        data={"imported": {"file": file.name, "sha256": digest}},
        note=f"imported from {file.name}, SHA-256 {digest}",
    )


def _refuse(out: Path) -> None:
    if out.suffix != SUFFIX:
        raise UsageError(f"--out {out}: a weights file is named NAME{SUFFIX}")
    if out.exists():
        raise UsageError(f"{out}: exists; choose another --out")


def _readers(catalog: Catalog, recipe: Recipe | None) -> list[Entry[Any]]:
    """The models to ask."""
    able = [entry for entry in catalog.entries["model"].values() if entry.value.read_foreign is not None]
    if recipe is None:
        if not able:
            raise UsageError("no installed model reads what others published; `i2i plugins` lists what is installed")
        return able
    if recipe.model.entry not in able:
        name, others = recipe.model.entry.name, ", ".join(entry.name for entry in able) or "none"
        raise UsageError(
            f"{recipe.name}: its model '{name}' reads nothing that others published; models that do: {others}"
        )
    return [recipe.model.entry]


def _recognised(file: Path, readers: list[Entry[Any]], asked: bool) -> Found:
    """`asked`: somebody said whom to ask."""
    tensors = read_tensors(file)
    found = _answers(file, tensors, [entry for entry in readers if not entry.value.reads_pickle])
    found = found or _answers(file, tensors, [entry for entry in readers if entry.value.reads_pickle])
    if not found:
        first = ", ".join(list(tensors)[:FIRST]) + (", …" if len(tensors) > FIRST else "")
        names = ", ".join(f"'{entry.name}'" for entry in readers)
        others = "; without --plugin every installed model is asked" if asked else ""
        raise I2IError(
            f"{file}: not recognised: its {len(tensors)} tensors begin with {first}; asked {names}; needed is a plugin "
            f"whose model knows these names (`read_foreign`){others}"
        )
    if len(found) > 1:
        names = ", ".join(one.model.name for one in found)
        raise UsageError(f"{file}: recognised by several models, {names}; say which with --plugin NAME")
    return found[0]


def _answers(file: Path, tensors: Mapping[str, Tensor], readers: list[Entry[Any]]) -> list[Found]:
    try:
        answers = [(entry, resolve(entry.value.read_foreign)(tensors)) for entry in readers]
    except I2IError as error:  # of a kind that a model knows and cannot use
        raise I2IError(f"{file}: {error}") from error
    return [Found(entry, *answer) for entry, answer in answers if answer is not None]


def _recipe_of(catalog: Catalog, model: Entry[Any]) -> Recipe:
    """The recipe named as the model, else the first, of those of its distribution that use it."""
    recipes = list(_recipes_with(catalog, model))
    if not recipes:
        raise UsageError(f"no recipe of {model.distribution} uses its model '{model.name}'; name one with --plugin")
    return min(recipes, key=lambda recipe: (recipe.name != model.name, recipe.name))


def _recipes_with(catalog: Catalog, model: Entry[Any]) -> Iterator[Recipe]:
    for entry in catalog.entries["recipe"].values():
        if entry.distribution == model.distribution:
            recipe = load_recipe(catalog, entry.name)
            if recipe.model.entry == model:
                yield recipe


def _fitting(catalog: Catalog, recipe: Recipe, found: Found, file: Path) -> Weights:
    """The weights as the model itself holds them. Raises `I2IError` where they do not fit it."""
    from i2i.training.building import loaded_by, prepared_model

    spec = found.model.value
    given = {**recipe.model.options.model_dump(), **found.options}
    model = Part(found.model, validate_options(spec.options, given, f"{file}: model."))
    recipe = replace(recipe, model=model)
    weights = Weights(
        recipe=recipe.as_dict(),
        tensors=found.state,
        step=0,
        model_version=spec.version,
        api_version=API_VERSION,
        versions=recipe.versions(catalog),
    )
    built = prepared_model(model, weights, str(file))
    held = built.state_dict()
    return replace(weights, tensors={key: held[key] for key in found.state}, loaded=loaded_by(built))
