"""A run folder: recipe, environment, metrics, samples and checkpoints of one run."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from i2i.contracts import Weights
from i2i.disk.drafts import complete_or_not_at_all
from i2i.disk.locking import OCCUPIED
from i2i.errors import I2IError, UsageError
from i2i.images.decode import to_image
from i2i.images.encode import write_picture
from i2i.images.sheet import contact_sheet
from i2i.plugins import suggestion
from i2i.recipe import Recipe, RunOptions
from i2i.training import exhibition, lines
from i2i.training.checkpoints import damage, newest_checkpoint, prune, save_checkpoint
from i2i.training.layout import (
    BEST,
    CHECKPOINTS,
    ENVIRONMENT,
    EVENTS,
    METRICS,
    RECIPE,
    RUNS,
    SAMPLES,
    STATE,
    STEP,
    WEIGHTS,
    checkpoint_step,
    name_of,
)


@dataclass(frozen=True)
class RunFolder:
    """Where a run writes."""

    path: Path
    writes: bool = True
    """Whether this process does; all ranks but the first only read."""

    @classmethod
    def create(cls, path: Path, recipe: Recipe, environment: Mapping[str, Any]) -> RunFolder:
        """A new run folder. Raises `UsageError` where something lies there, `I2IError` where none can be made."""
        cls.refuse_existing(path)
        cls.make(path)
        cls(path).write_recipe(recipe)
        try:
            (path / ENVIRONMENT).write_text(json.dumps(environment, indent=2, default=str) + "\n", encoding="utf-8")
        except OSError as error:
            raise I2IError(f"{path}: the run folder cannot be written: {error.strerror}") from error
        return cls(path)

    @staticmethod
    def make(path: Path) -> None:
        """The folder itself. Raises `I2IError` where it cannot be made."""
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise I2IError(f"{path}: the run folder cannot be written: {error.strerror}") from error

    @staticmethod
    def refuse_existing(path: Path, flag: str = "--out") -> None:
        """Raise `UsageError` where something lies there already, other than who works there."""
        if path.is_file():
            raise UsageError(f"{path}: is a file; choose another {flag}")
        if path.exists() and (not path.is_dir() or any(entry.name != OCCUPIED for entry in path.iterdir())):
            hint = f"go on with --resume {shlex.quote(str(path))}, or " if (path / RECIPE).exists() else ""
            raise UsageError(f"{path}: exists and is not empty; {hint}choose another {flag}")

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder. Raises `UsageError` where it is none."""
        if not path.exists():
            found = [str(file.parent) for place in (path.parent, RUNS) for file in place.glob(f"*/{RECIPE}")]
            raise UsageError(f"{path}: no such folder{suggestion(str(path), found)}")
        if not (path / RECIPE).is_file():
            raise UsageError(f"{path}: not a run folder (no {RECIPE} in it)")
        return cls(path)

    @property
    def recipe_file(self) -> Path:
        """The recipe as it was resolved."""
        return self.path / RECIPE

    def discard(self) -> None:
        """Remove a run that never took its first step."""
        if not self.writes:
            return
        shutil.rmtree(self.path, ignore_errors=True)

    def write_recipe(self, recipe: Recipe) -> None:
        """Write the recipe, complete or not at all."""
        if not self.writes:
            return
        with complete_or_not_at_all(self.recipe_file) as stream:
            stream.write(as_yaml(recipe).encode())

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / CHECKPOINTS

    def checkpoint(self, step: int) -> Path:
        """Where that of a step lies, if it does."""
        return self.checkpoints / name_of(step)

    def newest_weights(self) -> Path:
        """The weights file of the newest intact checkpoint. Raises `I2IError` where there is none yet."""
        checkpoint = newest_checkpoint(self.checkpoints)
        if checkpoint is None:
            raise I2IError(f"{self.path}: holds no intact checkpoint")
        return checkpoint / WEIGHTS

    def best(self) -> dict[str, Any] | None:
        """What the best validation found: `step`, `metric`, `value`, `lower_is_better`; None where there was none."""
        try:
            found = json.loads((self.path / BEST).read_text(encoding="utf-8"))
            return {**found, "step": int(found["step"]), "value": float(found["value"])}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise I2IError(f"{self.path / BEST}: cannot be read ({error})") from error

    def told_best(self) -> dict[str, Any] | None:
        """As `best`; None where what tells of it is damaged."""
        with suppress(I2IError):
            return self.best()
        return None

    def write_best(self, found: Mapping[str, Any] | None) -> None:
        """Tell what the best validation found, complete or not at all; None: there is none."""
        if not self.writes:
            return
        if found is None:
            (self.path / BEST).unlink(missing_ok=True)
            return
        with complete_or_not_at_all(self.path / BEST) as stream:
            stream.write((json.dumps(found, indent=2) + "\n").encode())

    def best_weights(self) -> Path:
        """The weights file of the best checkpoint. Raises `I2IError` where none is known, or it is not intact."""
        if (found := self.best()) is None:
            raise I2IError(f"{self.path}: no validation has found a best checkpoint; fit with run.validate_every")
        checkpoint = self.checkpoint(found["step"])
        problem = damage(checkpoint) if checkpoint.is_dir() else "is missing"
        if problem is not None:
            raise I2IError(f"{checkpoint}: the best checkpoint, {problem}; leave --best out for the newest")
        return checkpoint / WEIGHTS

    def log(self, step: int, scalars: Mapping[str, float]) -> None:
        """One line of metrics."""
        if not self.writes:
            return
        lines.append(self.path / METRICS, {"step": step, **scalars})

    def take_past(self, other: RunFolder, step: int) -> None:
        """Begin with the metrics and events that another run had up to a step."""
        if not self.writes:
            return
        for name in (METRICS, EVENTS):
            if (other.path / name).exists():
                shutil.copyfile(other.path / name, self.path / name)
        self.forget_after(step)

    def forget_after(self, step: int) -> None:
        """Drop what metrics, events, samples and validation pictures tell of steps that will be taken again."""
        if not self.writes:
            return
        for name in (METRICS, EVENTS):
            lines.forget_after(self.path / name, step)
        for later in (self.path / SAMPLES).glob(f"{STEP}*.png"):
            if later.name > f"{name_of(step)}.png":
                later.unlink()
        exhibition.forget_after(self.path, step)

    def save(
        self, step: int, weights: Weights, state: dict[str, Any], run: RunOptions, best: Mapping[str, Any] | None
    ) -> None:
        """A checkpoint, and which one is the best; what `best.json` names is there at any moment."""
        if not self.writes:
            return
        named = self.told_best()
        steps = {found["step"] for found in (named, best) if found is not None}
        save_checkpoint(self.checkpoints, step, weights, state, run.keep, run.keep_every, steps)
        if best != named:  # only now may the one before go
            self.write_best(best)
            prune(self.checkpoints, step, run.keep, run.keep_every, {best["step"]} if best else ())

    def show(self, step: int, columns: Mapping[str, Tensor]) -> None:
        """A grid of samples: titles and their pictures, (B, 3, H, W) in [0, 1]."""
        if self.writes:
            images = {title: [to_image(picture) for picture in pictures] for title, pictures in columns.items()}
            write_picture(contact_sheet(images), self.sample_path(step))

    def sample_path(self, step: int) -> Path:
        """Where the sample grid of a step goes."""
        return self.path / SAMPLES / f"{name_of(step)}.png"


def plain(description: Mapping[str, object]) -> dict[str, Any]:
    """What a dataset says of itself as JSON gives it back."""
    described: dict[str, Any] = json.loads(json.dumps(description, default=str))
    return described


def as_yaml(recipe: Recipe) -> str:
    """A recipe with every option, as `i2i fit --config` takes it."""
    return yaml.safe_dump(recipe.as_dict(), sort_keys=False, allow_unicode=True)


def newest_finished_run(runs: Path, recipe_name: str) -> Path | None:
    """The newest run of this recipe under `runs` that reached its last step, or ended early by its validations."""
    folders = [path.parent for path in runs.glob(f"*/{RECIPE}")]
    for folder in sorted(folders, key=_last_written, reverse=True):
        try:
            recipe = yaml.safe_load((folder / RECIPE).read_text(encoding="utf-8"))
            name, run, steps = recipe["name"], recipe["run"], int(recipe["run"]["steps"])
        except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
            continue  # somebody else's folder
        newest = newest_checkpoint(folder / CHECKPOINTS) if name == recipe_name else None
        if newest is not None and (checkpoint_step(newest) >= steps or _ended_early(newest, run)):
            return folder
    return None


def _ended_early(checkpoint: Path, run: Mapping[str, Any]) -> bool:
    """Whether validations found no more to gain at this intact checkpoint."""
    if (patience := run.get("patience")) is None:
        return False
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["state"]
    return bool((state.get("validating") or {}).get("stale", 0) >= patience)


def weights_at(path: Path) -> Path:
    """A weights file itself, or the newest of a run folder."""
    return RunFolder.open(path).newest_weights() if path.is_dir() else path


def _last_written(folder: Path) -> float:
    checkpoints = folder / CHECKPOINTS
    return checkpoints.stat().st_mtime if checkpoints.is_dir() else 0.0
