"""What can be chosen: shipped weights, recipes that need none, finished runs, and files that the command line names."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from i2i.contracts import Options, Weights
from i2i.contracts.weights import read_header
from i2i.errors import I2IError
from i2i.inference.loading import model_entry
from i2i.plugins import Catalog
from i2i.recipe import Part, Recipe, load_recipe, model_from_data, validate_options
from i2i.serving.describing import Option, described
from i2i.serving.labels import short
from i2i.serving.refusals import Refused
from i2i.training.building import build, migrated
from i2i.training.layout import CHECKPOINTS, WEIGHTS, name_of
from i2i.training.runs import FINISHED, Run, runs_in

Origin = Literal["shipped", "recipe", "run", "weights"]
LOOK_SECONDS = 5.0
"""Between two looks for new runs."""


@dataclass(frozen=True)
class Choice:
    """A model with its weights, or a recipe that needs none."""

    id: str
    origin: Origin
    title: str
    summary: str
    source: Path | Recipe
    """Never told to anybody."""
    defaults: Options
    options: tuple[Option, ...]
    translates: bool
    samples: bool
    scale: int = 1
    fills: bool = False
    step: int | None = None
    note: str = ""
    mark: float = 0.0
    """When the weights were written: others have another."""

    def view(self) -> dict[str, Any]:
        """What is told of it."""
        names = ("id", "origin", "title", "summary", "translates", "samples", "scale", "fills", "step", "note")
        told = {name: getattr(self, name) for name in names} | {"written": self.mark or None}
        return {**told, "options": [vars(option) for option in self.options]}


class Choices:
    """All that there are, by their ids; runs are looked for again now and then."""

    def __init__(
        self, catalog: Catalog, runs: Path | None = None, weights: Sequence[Path] = (), configs: Sequence[Path] = ()
    ) -> None:
        """Raises `I2IError` where one of `weights` or `configs` cannot be used; runs and recipes that cannot are left
        out."""
        self.catalog, self.runs = catalog, runs
        self.given = self._numbered([*map(self._of_config, configs), *(self._of_file(path) for path in weights)])
        self.shipped = {choice.id: choice for choice in self._shipped()}
        self.left_out: dict[str, str] = {}
        """Name of a run → why it is not offered."""
        self._found: dict[str, Choice] = {}
        self._looked = -LOOK_SECONDS
        self._lock = threading.Lock()

    def all(self) -> Mapping[str, Choice]:
        """By id, in the order to show them."""
        with self._lock:
            if time.monotonic() - self._looked >= LOOK_SECONDS:
                self.left_out.clear()
                self._found = {choice.id: choice for choice in self._of_runs()}
                self._looked = time.monotonic()
            return {**self.given, **self.shipped, **self._found}

    def find(self, name: str) -> Choice:
        """The one of that id. Raises `Refused`."""
        found = self.all()
        if name not in found:
            known = ", ".join(list(found)[:20]) or "none"
            raise Refused(422, f"model: there is no '{short(name)}'; there are: {known}")
        return found[name]

    def _shipped(self) -> Iterator[Choice]:
        for name in self.catalog.names("recipe"):
            with suppress(I2IError, OSError):
                recipe = load_recipe(self.catalog, name)
                if recipe.weights is not None:
                    yield self._of_weights(recipe.weights, name, name, "shipped")
                elif recipe.lacking_to_stand_alone() == []:
                    yield self._of_recipe(recipe, name)

    def _of_runs(self) -> Iterator[Choice]:
        if self.runs is None or not self.runs.is_dir():
            return
        with suppress(OSError):
            for run in runs_in([self.runs]):
                weights = run.path / CHECKPOINTS / name_of(run.step) / WEIGHTS
                title, known = short(run.path.name), self._found.get(f"run:{run.path.name}")
                if run.state != FINISHED or not weights.is_file():
                    self.left_out[title] = _unfinished(run)
                    continue
                try:
                    if known is not None and (known.source, known.mark) == (weights, weights.stat().st_mtime):
                        yield known
                    else:
                        yield self._of_weights(weights, f"run:{run.path.name}", title, "run")
                except (I2IError, OSError) as error:
                    self.left_out[title] = short(str(error).removeprefix(f"{weights}: "), 300)

    def _of_file(self, path: Path) -> Choice:
        return self._of_weights(path, f"weights:{path.stem}", path.stem, "weights")

    def _of_config(self, path: Path) -> Choice:
        recipe = load_recipe(self.catalog, None, path)
        if (lacking := recipe.lacking_to_stand_alone()) != []:
            needs = ", ".join(f"model.{name}" for name in lacking or ())
            way = f"also give {needs} in it" if lacking else "give --weights FILE, which carries its own recipe"
            raise I2IError(f"--config {path}: its model needs weights; {way}")
        return self._of_recipe(recipe, f"config:{path.stem}")

    def _of_recipe(self, recipe: Recipe, name: str) -> Choice:
        return self._choice(name, "recipe", recipe.name, recipe, recipe.model, recipe.translate)

    def _of_weights(self, path: Path, name: str, title: str, origin: Origin) -> Choice:
        mark, header = _written(path), read_header(path)
        header.pop("sha256", None)
        weights = Weights(**{key: header[key] for key in _NEEDED}, tensors={})
        entry = model_entry(weights, self.catalog, str(path))
        if weights.model_version != entry.value.version:
            weights = migrated(Weights.load(path), entry, str(path))
        part = model_from_data(self.catalog, weights.recipe["model"], str(path))
        recorded = weights.recipe.get("translate", {})
        defaults = validate_options(part.entry.value.translate_options, recorded, f"{path}: translate.")
        more = {"step": int(header["step"]), "note": str(header.get("note") or ""), "mark": mark}
        return self._choice(name, origin, title, path, part, defaults, **more)

    def _choice(
        self, name: str, origin: Origin, title: str, source: Path | Recipe, part: Part, defaults: Options, **more: Any
    ) -> Choice:
        model = _built(part)
        geometry = model.geometry
        classes = tuple(part.options.model_dump().get("classes") or ())
        return Choice(
            id=name,
            origin=origin,
            title=title,
            summary=part.entry.value.summary,
            source=source,
            defaults=defaults,
            options=described(defaults, classes),
            translates=hasattr(model, "translate"),
            samples=hasattr(model, "sample"),
            scale=geometry.scale,
            fills=geometry.fills,
            **more,
        )

    @staticmethod
    def _numbered(choices: Sequence[Choice]) -> dict[str, Choice]:
        """By id; a second one of the same gets a number."""
        numbered: dict[str, Choice] = {}
        for choice in choices:
            name, number = choice.id, 1
            while name in numbered:
                name = f"{choice.id}-{(number := number + 1)}"
            numbered[name] = Choice(**{**vars(choice), "id": name})
        return numbered


_NEEDED = ("recipe", "step", "model_version", "api_version")


def _built(part: Part) -> Any:
    """The model without memory for its weights, where that works, to be looked at only."""
    try:
        with torch.device("meta"):
            return build(part)
    except Exception:  # whatever it does with its numbers while it is built
        with torch.random.fork_rng(devices=[]):
            return build(part)


def _unfinished(run: Run) -> str:
    of = "" if run.steps is None else f" of {run.steps}"
    return run.problem or f"{run.state if run.state != FINISHED else 'without weights'} at step {run.step}{of}"


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
