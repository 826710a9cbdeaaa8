"""`fit`: a recipe and its data become a run folder with weights."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from i2i.contracts import API_VERSION, Dataset, Geometry, Weights
from i2i.errors import BrokenPicture, I2IError, Interrupted, RecipeError, UsageError
from i2i.images.decode import to_image
from i2i.images.encode import write_picture
from i2i.images.sheet import contact_sheet
from i2i.plugins import Catalog
from i2i.recipe import Recipe, read_recipe
from i2i.training.batches import Batches, MicroBatch
from i2i.training.building import build_dataset, build_model, build_trainer, start_from
from i2i.training.chance import seed_torch
from i2i.training.checkpoints import load_checkpoint, newest_checkpoint, save_checkpoint
from i2i.training.loop import Loop
from i2i.training.run_folder import RunFolder, weights_at
from i2i.training.runtime import Runtime, memory_explained

PREVIEW_ROWS = 4
ADVICE = "lower run.batch or dataset.crop, raise run.accumulate, use run.precision=bf16, or choose a smaller model"


class Listener:
    """Hears what happens during a run; the command line shows it."""

    def said(self, text: str) -> None:
        """One line worth telling."""

    def started(self, first_step: int, steps: int) -> None:
        """The loop begins."""

    def stepped(self, step: int) -> None:
        """An optimizer step is done."""

    def logged(self, step: int, scalars: Mapping[str, float]) -> None:
        """Scalars were read, `images_per_second` among them."""

    def should_stop(self) -> int | None:
        """Asked after every step: the signal that wants the run to save and end, or None."""
        return None


@dataclass(frozen=True)
class DryRun:
    """What one step told."""

    data: Mapping[str, object]
    environment: Mapping[str, object]
    parameters: int
    seconds: float
    total_seconds: float
    memory: int
    """Peak bytes."""
    scalars: Mapping[str, float]


@dataclass
class Fit:
    """One run in progress."""

    catalog: Catalog
    recipe: Recipe
    runtime: Runtime
    dataset: Dataset
    loop: Loop
    batches: Batches
    listener: Listener
    folder: RunFolder | None = None
    broken: dict[Path, BrokenPicture] = field(default_factory=dict)
    saved_step: int = -1

    def run(self) -> RunFolder:
        """Train to the last step. Raises `Interrupted` after saving when the listener asks to stop."""
        assert self.folder is not None
        run, first = self.recipe.run, self.loop.step
        if first >= run.steps:
            self.listener.said(f"already at step {first} of {run.steps}; --steps N goes further")
            return self.folder
        self._tell_of_idle_steps()
        self.listener.started(first, run.steps)
        preview = self._preview_batch()
        if self.saved_step < first:
            self._save()  # a disk that is full or read-only is found now, and a run killed early can go on
        batches = self.batches.from_step(first)
        clock, clock_step = time.perf_counter(), first
        while self.loop.step < run.steps:
            scalars = self._advance(next(batches))
            step = self.loop.step
            last = step == run.steps
            self.listener.stepped(step)
            if last or step % run.log_every == 0:
                speed = run.batch * (step - clock_step) / max(time.perf_counter() - clock, 1e-9)
                self._log({**self._read(scalars), "images_per_second": round(speed, 3)})
                clock, clock_step = time.perf_counter(), step
            if last or step % run.sample_every == 0:
                self._sample(preview)
            if last or step % run.checkpoint_every == 0:
                self._save()
            if not last and (signal_number := self.listener.should_stop()) is not None:
                if self.saved_step < step:
                    self._save()
                text = f"stopped at step {step}, saved; go on with: i2i fit --resume {self.folder.path}"
                raise Interrupted(text, signal_number)
        if self.broken:
            self.listener.said(f"broken pictures left out: {len(self.broken)} ({_listed(list(self.broken))})")
        return self.folder

    def _tell_of_idle_steps(self) -> None:
        """Schedules are absolute: a run that is made longer does not stretch them."""
        rate, run = self.loop.trainer.learning_rate, self.recipe.run
        if idle := [name for name in self.loop.optimizers if not rate(name, run.steps - 1)]:
            text = f"the schedule of {', '.join(idle)} ends before step {run.steps}: the last steps teach nothing"
            self.listener.said(f"{text}; to go further, start a new run with --init and a longer schedule")

    def try_one_step(self) -> DryRun:
        """One step without a run folder: what was found, how long it takes, how much memory."""
        started = time.perf_counter()
        scalars = self._advance(next(self.batches.from_step(0)))
        numbers = self._read(scalars)
        seconds = time.perf_counter() - started
        parameters = sum(parameter.numel() for parameter in self.loop.model.parameters())
        total, memory = seconds * self.recipe.run.steps, self.runtime.memory()
        return DryRun(self.dataset.describe(), self.runtime.describe(), parameters, seconds, total, memory, numbers)

    def _advance(self, batch: list[MicroBatch]) -> Mapping[str, Tensor]:
        for micro_batch in batch:
            _check_size(micro_batch.tensors, self.loop.model)
            for picture in micro_batch.broken:
                self.note_broken(picture)
        with memory_explained(ADVICE):
            return self.loop.advance(batch)

    def note_broken(self, picture: BrokenPicture) -> None:
        """Name a broken picture once."""
        if picture.path not in self.broken:
            self.broken[picture.path] = picture
            self.listener.said(f"skipped: {picture}")

    def _read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        numbers = {name: float(value.detach()) for name, value in scalars.items()}
        for name, value in numbers.items():
            if not math.isfinite(value):
                raise I2IError(
                    f"step {self.loop.step}: {name} is {value}; the last checkpoint is intact; "
                    "try a lower trainer.learning_rate, run.clip=1 or run.precision=fp32"
                )
        return numbers

    def _log(self, numbers: Mapping[str, float]) -> None:
        assert self.folder is not None
        self.folder.log(self.loop.step, numbers)
        self.listener.logged(self.loop.step, numbers)

    def _preview_batch(self) -> dict[str, Tensor]:
        """Held-out samples; where none of them can be read, training samples."""
        try:
            preview = self.batches.fixed(self.dataset.validation or self.dataset, PREVIEW_ROWS)
        except I2IError:
            preview = self.batches.fixed(self.dataset, PREVIEW_ROWS)
        for picture in preview.broken:
            self.note_broken(picture)
        return preview.tensors

    def _sample(self, preview: dict[str, Tensor]) -> None:
        assert self.folder is not None
        with memory_explained(ADVICE):
            columns = self.loop.preview(preview)
        if columns:
            images = {title: [to_image(picture) for picture in pictures] for title, pictures in columns.items()}
            write_picture(contact_sheet(images), self.folder.sample_path(self.loop.step))

    def _save(self) -> None:
        assert self.folder is not None
        spec = self.recipe.model.entry.value
        weights = Weights(
            recipe=self.recipe.as_dict(),
            tensors=self.loop.inference_tensors(spec.inference),
            step=self.loop.step,
            model_version=spec.version,
            api_version=API_VERSION,
            versions=self.recipe.versions(self.catalog),
            data=self.dataset.describe(),
            note=self.recipe.run.note,
        )
        state = {"loop": self.loop.state_dict(), "environment": self.runtime.describe()}
        save_checkpoint(self.folder.checkpoints, self.loop.step, weights, state, self.recipe.run.keep)
        self.saved_step = self.loop.step


def start(
    catalog: Catalog,
    recipe: Recipe,
    out: Path | None = None,
    init: Path | None = None,
    listener: Listener | None = None,
    dry_run: bool = False,
) -> Fit:
    """A new run, ready for `run()`; with `dry_run` no folder is made and only `try_one_step()` works."""
    listener = listener or Listener()
    fit = _assemble(catalog, recipe, listener)
    if init is not None:
        source = weights_at(init)
        start_from(fit.loop.model, Weights.load(source), str(source))
        fit.loop.ema.restart()
    if not dry_run:
        path = out or Path("runs") / f"{recipe.name}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
        fit.folder = RunFolder.create(path, recipe, _environment(fit, catalog))
    return fit


def resume(catalog: Catalog, path: Path, steps: int | None = None, listener: Listener | None = None) -> Fit:
    """A run that goes on from its newest intact checkpoint; `steps` is the one thing that may change."""
    listener = listener or Listener()
    folder = RunFolder.open(path)
    recipe = read_recipe(catalog, folder.recipe_file, [("--steps", "run.steps", steps)] if steps is not None else [])
    checkpoint = newest_checkpoint(folder.checkpoints, listener.said)
    if checkpoint is None:
        raise I2IError(f"{path}: holds no intact checkpoint to go on from; start again with another --out")
    fit = _assemble(catalog, recipe, listener)
    state: Any = load_checkpoint(checkpoint)
    fit.loop.load_state_dict(state["loop"])
    fit.saved_step = fit.loop.step
    for key, value in fit.runtime.describe().items():
        if (before := state["environment"].get(key)) != value and key in {"device", "precision", "threads", "torch"}:
            listener.said(f"{key} was {before}, is {value}: the run goes on, but not bit for bit as it would have")
    if steps is not None and recipe.run.steps < fit.loop.step:
        raise UsageError(f"--steps {steps}: {path} is at step {fit.loop.step} already")
    folder.forget_after(fit.loop.step)
    folder.write_recipe(recipe)
    fit.folder = folder
    return fit


def _assemble(catalog: Catalog, recipe: Recipe, listener: Listener) -> Fit:
    run = recipe.run
    runtime = Runtime.choose(run.device, run.precision)
    dataset = build_dataset(recipe)
    seed_torch("init", run.seed)
    with memory_explained(ADVICE):
        trainer = build_trainer(recipe, build_model(recipe.model))
        loop = Loop(trainer, runtime, run, recipe.trainer.entry.value.ema)
    batches = Batches(dataset, runtime, run.seed, run.batch, run.accumulate, run.workers)
    fit = Fit(catalog, recipe, runtime, dataset, loop, batches, listener)
    for picture in dataset.broken:
        fit.note_broken(picture)
    if run.accumulate > 1:
        listener.said(f"{run.accumulate} micro-batches of {run.batch // run.accumulate} make a batch of {run.batch}")
    return fit


def _environment(fit: Fit, catalog: Catalog) -> dict[str, Any]:
    return {
        **fit.runtime.describe(),
        "versions": fit.recipe.versions(catalog),
        "data": fit.dataset.describe(),
        "broken": [str(picture) for picture in fit.dataset.broken],
        "started": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _check_size(tensors: Mapping[str, Tensor], model: nn.Module) -> None:
    geometry: Any = getattr(model, "geometry", Geometry())
    for key, pictures in tensors.items():
        height, width = pictures.shape[-2:]
        if geometry.scale == 1 and geometry.padded(height, width) != (height, width):
            raise RecipeError(
                [
                    f"dataset: gives {key} of {width}×{height} pixels; this model learns from multiples of "
                    f"{geometry.multiple_of} from {geometry.min_size} up: set dataset.crop"
                ]
            )


def _listed(paths: list[Path], most: int = 5) -> str:
    text = ", ".join(str(path) for path in paths[:most])
    return f"{text} and {len(paths) - most} more" if len(paths) > most else text
