"""Which weights a translation takes when only a name is given."""

from __future__ import annotations

from pathlib import Path

import yaml

from i2i.errors import UsageError
from i2i.plugins import Catalog
from i2i.recipe import load_recipe
from i2i.training.run_folder import RunFolder, newest_finished_run

RUNS = Path("runs")


def choose_weights(catalog: Catalog, plugin: str | None, weights: Path | None, run: Path | None) -> tuple[Path, str]:
    """(weights file, why this one): `weights`, else `run`, else the newest finished run, else the shipped ones."""
    if weights is not None and run is not None:
        raise UsageError("give either --weights FILE or --run DIR, not both")
    if weights is not None:
        return weights, "as given"
    if run is not None:
        folder = RunFolder.open(run)
        _refuse_other(folder, plugin)
        return folder.newest_weights(), f"newest of {run}"
    if plugin is None:
        raise UsageError("say with what: --plugin NAME, --run DIR or --weights FILE")
    recipe = load_recipe(catalog, plugin)
    if (newest := newest_finished_run(RUNS, plugin)) is not None:
        return RunFolder.open(newest).newest_weights(), f"newest finished run of {plugin} under {RUNS}/"
    if recipe.weights is not None:
        return recipe.weights, f"shipped with {plugin}"
    flags = " ".join(f"--{flag} DIR" for flag in recipe.dataset.entry.value.cli)
    raise UsageError(
        f"no weights for {plugin}: none are shipped and no finished run lies under {RUNS}/; "
        f"train some with `i2i fit --plugin {plugin} {flags}`, or give --run DIR or --weights FILE"
    )


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
