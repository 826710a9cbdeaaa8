"""YAML and overrides become one validated, frozen Recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i.errors import UsageError
from i2i.plugins import Catalog
from i2i.recipe.draft import Draft
from i2i.recipe.mistakes import validate_options
from i2i.recipe.reading import key_and_value, read, sections
from i2i.recipe.values import LossPart, Part, Recipe, RunOptions

__all__ = [
    "LossPart",
    "Part",
    "Recipe",
    "RunOptions",
    "Settings",
    "load_recipe",
    "model_from_data",
    "read_recipe",
    "recipe_from_data",
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


def read_recipe(
    catalog: Catalog, path: Path, extra: Iterable[tuple[str, str, Any]] = (), overrides: Iterable[str] = ()
) -> Recipe:
    """A recipe file that `i2i fit` wrote; `extra` and `overrides` as in `load_recipe`."""
    return recipe_from_data(catalog, sections(read(path), str(path)), str(path), extra, overrides)


def recipe_from_data(
    catalog: Catalog,
    data: Mapping[str, Any],
    source: str,
    extra: Iterable[tuple[str, str, Any]] = (),
    overrides: Iterable[str] = (),
) -> Recipe:
    """A recipe that a run folder or a weights file holds; `extra` and `overrides` as in `load_recipe`."""
    draft = Draft(catalog)
    draft.overlay(source, data)
    draft.overlay_command(overrides, extra)
    return draft.validated(source)


def model_from_data(catalog: Catalog, data: Mapping[str, Any], source: str) -> Part:
    """The model alone, as a weights file names it: how it was trained need not be installed to use it."""
    draft = Draft(catalog)
    draft.overlay(source, {"model": data})
    return draft.model()


@dataclass(frozen=True)
class Settings:
    """What `--set` says when translating."""

    model: tuple[str, ...]
    """Lines `model.KEY=VALUE`, for a model that needs no weights."""
    translate: tuple[str, ...]
    """Lines `translate.KEY=VALUE`."""

    @classmethod
    def sorted(cls, overrides: Iterable[str]) -> Settings:
        """Tell them apart. Raises `UsageError` for a line that is neither."""
        lines: dict[str, list[str]] = {"model": [], "translate": []}
        for text in overrides:
            key, found, _ = text.partition("=")
            section, _, option = key.strip().partition(".")
            if section not in lines or not option or not found:
                raise UsageError(
                    f"--set {text}: when translating only translate.KEY=VALUE can be set, "
                    "and model.KEY=VALUE of a model that needs no weights"
                )
            lines[section].append(text)
        return cls(tuple(lines["model"]), tuple(lines["translate"]))

    def options(self) -> dict[str, Any]:
        """The translate options by their names. Raises `UsageError` for what is no YAML value."""
        return {text.partition("=")[0].strip().partition(".")[2]: key_and_value(text)[1] for text in self.translate}
