"""A run made ready: a new one, or one that goes on."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i.contracts import Weights
from i2i.contracts.weights import read_header
from i2i.disk.locking import Occupation
from i2i.errors import I2IError, RecipeError, UsageError
from i2i.plugins import Catalog
from i2i.ranks.group import from_first, is_first
from i2i.recipe import Recipe, read_recipe, recipe_from_data
from i2i.training.batches import Batches
from i2i.training.broken import Broken
from i2i.training.building import (
    build_dataset,
    build_model,
    build_trainer,
    migrated,
    refuse_other_files,
    refuse_other_shapes,
    remarks_of,
    start_from,
    with_classes,
    with_scale,
    with_steps,
)
from i2i.training.chance import seed_torch
from i2i.training.changing import changes, differing, flat
from i2i.training.checkpoints import load_checkpoint, newest_checkpoint
from i2i.training.fit import ADVICE, Fit
from i2i.training.layout import CHECKPOINTS, RECIPE, RUNS, WEIGHTS, checkpoints_in
from i2i.training.listener import Listener
from i2i.training.logbook import Logbook
from i2i.training.loop import Loop
from i2i.training.monitoring import Monitor
from i2i.training.run_folder import RunFolder, plain, weights_at
from i2i.training.runtime import Runtime, memory_explained
from i2i.training.tracking import Tracking
from i2i.training.validation import MakesValidation, refuse_without


def start(
    catalog: Catalog,
    recipe: Recipe,
    out: Path | None = None,
    init: Path | None = None,
    listener: Listener | None = None,
    dry_run: bool = False,
    validation: MakesValidation | None = None,
) -> Fit:
    """A new run, ready for `run()`; with `dry_run` no folder is made and only `try_one_step()` works.

    `validation` says how to validate where `run.validate_every` is set; `i2i fit` takes the metrics of `i2i evaluate`.
    """
    listener = listener or Listener()
    path = from_first(out or RUNS / f"{recipe.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}")
    if not dry_run and is_first():
        RunFolder.refuse_existing(path)  # before the data is looked through
    fit = _assemble(catalog, recipe, listener, validation)
    if init is not None:
        source = weights_at(init)
        weights = migrated(Weights.load(source), recipe.model.entry, str(source))
        start_from(fit.loop.model, fit.recipe.model, weights, str(source))
        fit.loop.ema.restart()
    if not dry_run:
        _make_folder(fit, path, _environment(fit, catalog))
    return fit


def resume(
    catalog: Catalog,
    path: Path,
    steps: int | None = None,
    listener: Listener | None = None,
    validation: MakesValidation | None = None,
) -> Fit:
    """A run that goes on from its newest intact checkpoint; `steps` is the one thing that may change.

    Raises `UsageError` where its recipe was changed in what decides the numbers, `I2IError` where no checkpoint is
    intact or another process works on it.
    """
    listener = listener or Listener()
    folder = RunFolder.open(path)
    occupation = Occupation(path) if is_first() else None
    recipe = read_recipe(catalog, folder.recipe_file, [("--steps", "run.steps", steps)] if steps is not None else [])
    checkpoint = _newest(folder, listener)
    if changed := changes(_as_of_today(catalog, checkpoint / WEIGHTS), recipe.as_dict()):
        again = f"put it back, or go on elsewhere with --resume {shlex.quote(str(path))} --fork NEW_RUN"
        raise UsageError(f"{folder.recipe_file}: changed since {checkpoint.name}: {', '.join(changed)}; {again}")
    fit = _continued(catalog, recipe, checkpoint, listener, validation)
    if steps is not None and fit.steps < fit.loop.step:
        raise UsageError(f"--steps {steps}: {path} is at step {fit.loop.step} already")
    fit.folder, fit.occupation = replace(folder, writes=is_first()), occupation
    fit.folder.forget_after(fit.loop.step)
    fit.folder.write_recipe(fit.recipe)
    fit.monitor.forget_lost_best(fit.folder)
    return fit


def _as_of_today(catalog: Catalog, weights: Path) -> dict[str, Any]:
    """The recipe in a header, with the defaults of options that there were none of when it was written."""
    recipe: dict[str, Any] = read_header(weights)["recipe"]
    try:
        return recipe_from_data(catalog, recipe, str(weights)).as_dict()
    except RecipeError:  # of options that there are none of any more: the difference is told
        return recipe


def fork(
    catalog: Catalog,
    path: Path,
    out: Path,
    overrides: Sequence[str] = (),
    extra: Sequence[tuple[str, str, Any]] = (),
    listener: Listener | None = None,
    validation: MakesValidation | None = None,
) -> Fit:
    """A new run folder that goes on from another's newest checkpoint with a changed recipe.

    Its best checkpoint is sought afresh. `overrides` and `extra` as in `load_recipe`.
    Raises `I2IError` where the checkpoint does not fit what changed.
    """
    listener = listener or Listener()
    if is_first():
        RunFolder.refuse_existing(out, "--fork")
    folder = RunFolder.open(path)
    recipe = read_recipe(catalog, folder.recipe_file, extra, overrides)
    checkpoint = _newest(folder, listener)
    fit = _continued(catalog, recipe, checkpoint, listener, validation, Loop.fork_state_dict)
    if fit.monitor.validating is not None:
        fit.monitor.validating.restart()
    if fit.steps < fit.loop.step:
        raise UsageError(f"run.steps {fit.steps}: {path} is at step {fit.loop.step} already")
    origin = {"forked": {"from": str(path), "step": fit.loop.step}}
    _make_folder(fit, out, {**_environment(fit, catalog), **origin})
    assert fit.folder is not None
    fit.folder.take_past(folder, fit.loop.step)
    fit.saved_step = -1  # nothing of it lies there yet
    return fit


def begun(catalog: Catalog, path: Path, recipe: Recipe) -> bool:
    """Whether a run of this recipe can go on in a folder, as every rank is told.

    What was begun there and has no checkpoint yet is removed. Raises `UsageError` where another run lies there.
    """
    return bool(from_first(is_first() and _begun(catalog, path, recipe)))


def _begun(catalog: Catalog, path: Path, recipe: Recipe) -> bool:
    if not (path / RECIPE).is_file():
        return False
    there, asked = read_recipe(catalog, path / RECIPE).as_dict(), with_scale(recipe).as_dict()
    if others := {name: values for name, values in differing(there, asked).items() if values[1] is not None}:
        raise UsageError(f"{path}: another run lies there ({', '.join(others)} differ); choose another --out")
    if not checkpoints_in(path / CHECKPOINTS):
        Occupation(path).end()  # where another process works on it, that is said
        RunFolder(path).discard()
        return False
    return True


def _make_folder(fit: Fit, path: Path, environment: dict[str, Any]) -> None:
    """The run folder, which the first rank makes and writes to."""
    if not is_first():
        fit.folder = RunFolder(path, writes=False)
        return
    RunFolder.refuse_existing(path)
    RunFolder.make(path)
    fit.occupation = Occupation(path)
    try:
        fit.folder = RunFolder.create(path, fit.recipe, environment)
    except BaseException as error:
        if not isinstance(error, UsageError):  # what lies there is another's then
            RunFolder(path).discard()
        fit.occupation.end()
        raise


def _newest(folder: RunFolder, listener: Listener) -> Path:
    checkpoint = newest_checkpoint(folder.checkpoints, listener.warned)
    if checkpoint is None:
        raise I2IError(f"{folder.path}: holds no intact checkpoint to go on from; start again with another --out")
    return checkpoint


def _continued(
    catalog: Catalog,
    recipe: Recipe,
    checkpoint: Path,
    listener: Listener,
    validation: MakesValidation | None,
    load: Callable[[Loop, dict[str, Any]], None] = Loop.load_state_dict,
) -> Fit:
    """A run as it was when a checkpoint was made; says what of its surroundings has changed."""
    fit = _assemble(catalog, recipe, listener, validation)
    refuse_other_files(fit.loop.model, read_header(checkpoint / WEIGHTS).get("loaded", {}), str(checkpoint))
    state: Any = load_checkpoint(checkpoint)
    refuse_other_files(fit.loop.trainer, state.get("loaded", {}), str(checkpoint))
    refuse_other_shapes(fit.loop.model, recipe.model, Weights.load(checkpoint / WEIGHTS), str(checkpoint))
    try:
        load(fit.loop, state["loop"])
    except (RuntimeError, KeyError, ValueError) as error:
        why = " ".join(str(error).split())
        raise I2IError(f"{checkpoint}: does not fit the recipe and the installed plugins: {why}") from error
    fit.monitor.load_state_dict(state)
    fit.saved_step, fit.explosions.masked = fit.loop.step, fit.loop.turns.guard.skipped
    now = {**fit.runtime.describe(), "data": plain(fit.dataset.describe())}
    for key in ("device", "precision", "ranks", "threads", "torch", "data"):
        before, after = (flat({key: found.get(key)}) for found in (state["environment"], now))
        names = [name for name in after if before.get(name) != after[name]]
        if other := ", ".join(f"{name} was {before.get(name)}, is {after[name]}" for name in names):
            listener.warned(f"{other}: the run goes on, but not bit for bit as it would have")
    return fit


def _assemble(catalog: Catalog, recipe: Recipe, listener: Listener, validation: MakesValidation | None = None) -> Fit:
    refuse_without(validation, recipe)
    runtime = Runtime.choose(recipe.run.device, recipe.run.precision)
    tracking = Tracking.of(recipe, listener.warned) if runtime.is_first else Tracking({}, listener.warned)
    recipe = with_scale(recipe)
    dataset = build_dataset(recipe)
    recipe = with_steps(with_classes(recipe, dataset), dataset)
    run = recipe.run
    seed_torch("init", run.seed)
    with memory_explained(ADVICE):
        model = build_model(recipe.model)
        if run.sync_batch_norm:
            model = runtime.synchronised(model)
        trainer = build_trainer(recipe, model)
        loop = Loop(trainer, runtime, run, recipe.trainer.entry.value.ema, recipe.translate)
    for remark in (*remarks_of(model), *remarks_of(trainer)):
        listener.said(remark)
    if run.recompute:
        listener.said(
            f"run.recompute: {loop.recomputed or 'no'} repeated blocks are computed again for their gradients"
        )
    batches = Batches(dataset, runtime, run.seed, run.batch, run.accumulate, run.workers)
    logbook = Logbook(loop, recipe, listener, tracking)
    broken = Broken(logbook, run.max_bad)
    broken.note(dataset.broken)
    monitor = Monitor(recipe, dataset, batches, loop, broken, logbook)
    with memory_explained(ADVICE):
        monitor.open(validation)
    if run.accumulate * runtime.ranks > 1:
        each = run.batch // run.accumulate // runtime.ranks
        listener.said(f"{run.accumulate} micro-batches of {each} on {runtime.ranks} ranks make a batch of {run.batch}")
    return Fit(catalog, recipe, runtime, dataset, loop, batches, listener, logbook, monitor, broken)


def _environment(fit: Fit, catalog: Catalog) -> dict[str, Any]:
    return {
        **fit.runtime.describe(),
        "versions": fit.recipe.versions(catalog),
        "data": plain(fit.dataset.describe()),
        "broken": [str(picture) for picture in fit.dataset.broken],
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }
