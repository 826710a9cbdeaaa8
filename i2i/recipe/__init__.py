"""YAML and overrides become one validated, frozen Recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from i2i.errors import UsageError
from i2i.plugins import Catalog
from i2i.recipe.draft import Draft, validate_options
from i2i.recipe.reading import key_and_value, read, sections
from i2i.recipe.values import LossPart, Part, Recipe, RunOptions

__all__ = [
    "LossPart",
    "Part",
    "Recipe",
    "RunOptions",
    "load_recipe",
    "model_from_data",
    "read_recipe",
    "recipe_from_data",
    "translate_overrides",
    "validate_options",
]


def load_recipe(
    catalog: Catalog,
    name: str | None = None,
    config: Path | None = None,
    overrides: Iterable[str] = (),
    extra: Iterable[tuple[str, str, Any]] = (),
    folders: Mapping[str, Sequence[str]] | None = None,
    needs_data: bool = False,
) -> Recipe:
    """The recipe `name`, overlaid by the file `config`, then by `overrides`, `extra` and `folders` as one layer.

    `overrides` are `key=value`; `extra` are (label for messages, dotted key, value); `folders` are what the command
    line's flags name (`{"src": ["photos"]}`), whatever the dataset calls them. Raises `RecipeError` with every
    mistake found; with `needs_data`, a folder that the dataset lacks is one.
    """
    draft = Draft(catalog)
    if config is not None:
        data = sections(read(config), str(config))
        base = data.pop("base", None)
        if name is not None and base not in (None, name):
            raise UsageError(f"{config}: based on recipe '{base}', asked for '{name}'; drop its `base` or --plugin")
        if base is not None or name is not None:
            draft.overlay_named(str(base or name), f"{config}: base: " if base else "")
        draft.overlay(str(config), data)
        name = name or config.stem
    elif name is not None:
        draft.overlay_named(name)
    else:
        raise UsageError("say which recipe: --plugin NAME or --config FILE (`i2i plugins` lists the names)")
    draft.overlay_command(overrides, extra)
    draft.overlay_folders(folders or {})
    return draft.validated(name, needs_data)


def read_recipe(catalog: Catalog, path: Path, extra: Iterable[tuple[str, str, Any]] = ()) -> Recipe:
    """A recipe file that `i2i fit` wrote."""
    return recipe_from_data(catalog, sections(read(path), str(path)), str(path), extra)


def recipe_from_data(
    catalog: Catalog, data: Mapping[str, Any], source: str, extra: Iterable[tuple[str, str, Any]] = ()
) -> Recipe:
    """A recipe that a run folder or a weights file holds; `extra` as in `load_recipe`."""
    draft = Draft(catalog)
    draft.overlay(source, data)
    draft.overlay_command((), extra)
    return draft.validated(source)


def model_from_data(catalog: Catalog, data: Mapping[str, Any], source: str) -> Part:
    """The model alone, as a weights file names it: how it was trained need not be installed to use it."""
    draft = Draft(catalog)
    draft.overlay(source, {"model": data})
    return draft.model()


def translate_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """A model's translate options from `translate.KEY=VALUE` lines."""
    data = {}
    for text in overrides:
        key, found, _ = text.partition("=")
        prefix, _, option = key.strip().partition(".")
        if prefix != "translate" or not option or not found:
            raise UsageError(f"--set {text}: weights carry their own recipe; only translate.KEY=VALUE can be set")
        _, data[option] = key_and_value(text)
    return data
