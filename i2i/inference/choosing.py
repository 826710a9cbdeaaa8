"""What a translation takes when only a name is given: weights, or a recipe that needs none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from i2i.errors import I2IError, UsageError
from i2i.hub.addresses import Remote
from i2i.hub.fetching import fetched
from i2i.plugins import Catalog
from i2i.recipe import Recipe, Settings, load_recipe
from i2i.training.layout import RUNS

if TYPE_CHECKING:
    from i2i.inference.translator import Translator
    from i2i.training.run_folder import RunFolder

NO_SETTINGS = Settings((), ())


def choose_weights(
    catalog: Catalog,
    plugin: str | None,
    weights: Path | Remote | None,
    run: Path | None,
    config: Path | None = None,
    settings: Settings = NO_SETTINGS,
    extra: Iterable[tuple[str, str, Any]] = (),
    best: bool = False,
) -> tuple[Path | Recipe, str]:
    """(weights file, or a recipe that needs none; why this one).

    `weights`, fetched where they lie on the web, else the newest of `run`, or its `best` by what validations found,
    else the recipe of `plugin` and `config` where it needs no weights, else the newest finished run, else the shipped
    weights. `settings` and `extra` (as in `load_recipe`) are laid over the recipe.
    """
    if weights is not None and run is not None:
        raise UsageError("give either --weights FILE or --run DIR, not both")
    if best and run is None:
        raise UsageError("--best: chooses among the checkpoints of a run folder; also give --run DIR")
    own = [*(f"--set {text}" for text in settings.model), *([f"--config {config}"] if config is not None else [])]
    if own and (weights is not None or run is not None):
        raise UsageError(_carried(own[0]))
    if isinstance(weights, Remote):
        if plugin is None or not load_recipe(catalog, plugin).model.entry.value.reads_pickle:
            weights.refuse_pickle()
        found = fetched(weights)
        return found.path, found.origin
    if weights is not None:
        return weights, "as given"
    if run is not None:
        from i2i.training.run_folder import RunFolder

        folder = RunFolder.open(run)
        _refuse_other(folder, plugin)
        return (folder.best_weights(), f"best of {run}") if best else (folder.newest_weights(), f"newest of {run}")
    if plugin is None and config is None:
        raise UsageError("say with what: --plugin NAME, --run DIR or --weights FILE")
    everything = (*settings.model, *settings.translate)
    recipe = load_recipe(catalog, plugin, config, everything, extra) if own else load_recipe(catalog, plugin)
    lacking = recipe.lacking_to_stand_alone()
    if lacking == []:
        return recipe if own else load_recipe(catalog, plugin, None, everything, extra), "needs no weights"
    to_do_without = " ".join(f"--set model.{name}=…" for name in lacking or ())
    if own and lacking:
        raise UsageError(f"{own[0]}: weights carry their own recipe; to do without them also give {to_do_without}")
    if own:
        raise UsageError(_carried(own[0]))
    assert plugin is not None  # else it is a --config, and that was refused
    return _weights_for(recipe, plugin, to_do_without)


def require_scale(translator: Translator, scale: int, catalog: Catalog) -> None:
    """Raise `UsageError` where the model enlarges by another factor.

    It names the recipes of the model's plugin that fit: those with shipped weights where there are any.
    """
    if (found := translator.geometry.scale) == scale:
        return
    does = f"enlarges ×{found}" if found > 1 else "keeps pictures' size (×1)"
    model = catalog.entries["model"].get(
        translator.header["recipe"]["model"]["use"]
    )  # a file may do without its plugin
    recipes = () if model is None else _recipes_of(model.distribution, catalog)
    fitting = [recipe for recipe in recipes if _scale_of(recipe) == scale]
    names = [recipe.name for recipe in fitting if recipe.weights is not None] or [recipe.name for recipe in fitting]
    instead = f"; ×{scale} is what --plugin {' or '.join(names)} does" if names else ""
    raise UsageError(f"--scale {scale}: {translator.name} {does}, as its weights were trained{instead}")


def _recipes_of(distribution: str, catalog: Catalog) -> Iterator[Recipe]:
    """Those that it brought and that can be read: they may need plugins that are not there."""
    for name in catalog.names("recipe"):
        if catalog.find("recipe", name).distribution == distribution:
            with suppress(I2IError):
                yield load_recipe(catalog, name)


def _scale_of(recipe: Recipe) -> Any:
    return recipe.model.options.model_dump().get("scale")


def _weights_for(recipe: Recipe, plugin: str, to_do_without: str) -> tuple[Path, str]:
    from i2i.training.run_folder import RunFolder, newest_finished_run

    if (newest := newest_finished_run(RUNS, plugin)) is not None:
        return RunFolder.open(newest).newest_weights(), f"newest finished run of {plugin} under {RUNS}/"
    if recipe.weights is not None:
        return recipe.weights, f"shipped with {plugin}"
    if recipe.model.entry.value.reads_pickle:
        raise UsageError(f"no weights for {plugin}: none are shipped; give --weights FILE, as somebody published it")
    flags = " ".join(f"--{flag} DIR" for flag in recipe.dataset.entry.value.cli)
    alternative = f"; or do without weights: {to_do_without}" if to_do_without else ""
    raise UsageError(
        f"no weights for {plugin}: none are shipped and no finished run lies under {RUNS}/; "
        f"train some with `i2i fit --plugin {plugin} {flags}`, or give --run DIR or --weights FILE{alternative}"
    )


def _carried(flag: str) -> str:
    return f"{flag}: weights carry their own recipe; only translate.KEY=VALUE can be set"


def _refuse_other(folder: RunFolder, plugin: str | None) -> None:
    if plugin is None:
        return
    try:
        made_by = yaml.safe_load(folder.recipe_file.read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder.recipe_file}: damaged, names no recipe; leave --plugin out to use the run"
        ) from error
    if made_by != plugin:
        raise UsageError(f"{folder.path}: a run of {made_by}, not of {plugin}; leave --plugin out to use it")
