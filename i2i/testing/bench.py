"""Where a plugin is examined: its own entries, its recipes made quick, and a few pictures to learn from."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.errors import UsageError
from i2i.plugins import Catalog, Entry, suggestion
from i2i.recipe import Part, Recipe, load_recipe
from i2i.recipe.draft import Draft
from i2i.recipe.reading import key_and_value
from i2i.testing.asking import data_refuse, wants_more
from i2i.testing.checks import Skipped, one_line
from i2i.testing.target import Target

if TYPE_CHECKING:
    from i2i.testing.observing import Observed
    from i2i.training.fit import Fit

SIZES = ((72, 72), (104, 80), (76, 112), (96, 72), (72, 88), (120, 120))
"""(width, height) of the pictures that are drawn: no two proportions alike but squares, and none too small to crop."""
PATIENCE = 8
"""Steps in which every parameter must have moved: lazy turns may be skipped a few times."""
QUICK = (
    "run.device=cpu",
    "run.precision=fp32",
    "run.batch=2",
    "run.workers=0",
    "run.steps=4",
    "run.log_every=1",
    "run.sample_every=1000",
    "run.checkpoint_every=1000",
    "run.collapse_below=0",
    "run.report=false",
)
"""What makes any recipe short; what makes its networks small is the caller's to say."""


def draw_pictures(folder: Path, flag: str) -> None:
    """A few small pictures into a folder: colours that run into each other, with a little noise.

    Those of different flags differ, but their names and sizes are the same, as paired datasets want.
    """
    import numpy
    from PIL import Image

    folder.mkdir(parents=True)
    rng = numpy.random.default_rng(list(flag.encode()))
    for number, size in enumerate(SIZES):
        coarse = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=numpy.uint8))
        smooth = numpy.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=numpy.int16)
        noisy = smooth + rng.integers(-12, 13, smooth.shape, dtype=numpy.int16)
        Image.fromarray(noisy.clip(0, 255).astype(numpy.uint8)).save(folder / f"{number}.png")


class Bench:
    """One plugin, the catalog that it is part of, and how its recipes are made quick."""

    def __init__(
        self,
        target: Target,
        overrides: Sequence[str] = (),
        settings: Mapping[str, Sequence[str]] | None = None,
        draw: Callable[[Path, str], None] = draw_pictures,
    ) -> None:
        self.target, self.overrides, self.draw = target, tuple(overrides), draw
        self.settings = dict(settings or {})
        self.catalog: Catalog = target.catalog()
        self._runs = 0
        self._observed: dict[str, tuple[Fit, Observed]] = {}

    def entries(self, kind: str) -> list[Entry[Any]]:
        """What the plugin brings of a kind, by name."""
        entries = (self.catalog.entries[kind][name] for name in self.catalog.names(kind))
        return [entry for entry in entries if entry.distribution == self.target.distribution]

    @cached_property
    def folder(self) -> Path:
        """A temporary folder, gone with this bench."""
        folder = Path(tempfile.mkdtemp(prefix="i2i-check-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return folder

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """The plugin's recipes that are valid as they are, by name."""
        found = {}
        for entry in self.entries("recipe"):
            try:
                found[entry.name] = self.plain(entry.name)
            except UsageError:
                continue  # a check of its own says so
        return found

    def plain(self, name: str, overrides: Iterable[str] = ()) -> Recipe:
        """A recipe with folders for its dataset. Raises `RecipeError`."""
        draft = Draft(self.catalog)
        draft.overlay_named(name)
        draft.overlay_command(overrides, ())
        section = draft.tree.get("dataset")
        dataset = self.catalog.entries["dataset"].get(str(section.get("use"))) if isinstance(section, dict) else None
        folders = {flag: [str(self.pictures / flag)] for flag in (dataset.value.cli if dataset else ())}
        return load_recipe(self.catalog, name, overrides=overrides, folders=folders)

    def recipe(self, name: str, *more: str) -> Recipe:
        """A recipe made quick, laid over by what the caller set for it, and its folders full of pictures."""
        lines = [*QUICK, *self._set(name), *more, "run.accumulate=1"]  # with more, a turn would end without a step
        recipe = self.plain(name, lines)
        for flag in recipe.dataset.entry.value.cli:
            if not (self.pictures / flag).exists():
                self.draw(self.pictures / flag, flag)
        return recipe

    @property
    def pictures(self) -> Path:
        """Where the folders of pictures are, one for each flag of the command line."""
        return self.folder / "pictures"

    def recipe_with(self, kind: str, name: str) -> str | None:
        """The recipe that a model, trainer or dataset is examined in: the one named as it, else the first by name."""
        using = [key for key, recipe in self.recipes.items() if getattr(recipe, kind).entry.name == name]
        return name if name in using else next(iter(using), None)

    def start(self, recipe: Recipe, folder: bool = False) -> Fit:
        """A run of the core. Raises `Skipped` where the recipe needs what only its user can give."""
        from i2i.training.starting import start

        self._runs += 1
        out = self.folder / f"run-{self._runs}"
        try:
            return start(self.catalog, recipe, out, dry_run=not folder)
        except UsageError as error:
            if wants_more(recipe, error) or data_refuse(recipe):
                raise Skipped(f"recipe '{recipe.name}' does not start as it is: {one_line(error)}") from error
            raise

    def observed(self, name: str) -> tuple[Fit, Observed]:
        """A few steps of a recipe under observation, the same for whoever asks. Raises as `start` and as its steps."""
        if name not in self._observed:
            from i2i.testing.observing import observe

            fit = self.start(self.recipe(name))
            self._observed[name] = fit, observe(fit, PATIENCE)
        return self._observed[name]

    def part(self, kind: str, entry: Entry[Any]) -> Part:
        """The entry with the options of its recipe, else with its defaults. Raises `Skipped` where there is neither."""
        if (name := self.recipe_with(kind, entry.name)) is not None:
            part: Part = getattr(self.recipe(name), kind)
            return part
        return self.default(entry)

    def default(self, entry: Entry[Any]) -> Part:
        """The entry with its default options. Raises `Skipped` where some have none."""
        fields = entry.value.options.model_fields.items()
        if needed := [name for name, field in fields if field.is_required()]:
            raise Skipped(f"{', '.join(needed)}: without a default")
        return Part(entry, entry.value.options())

    def refuse_unknown_settings(self) -> None:
        """Raise `UsageError` for settings of no recipe, an override that fits none, and refused values."""
        names = {entry.name for entry in self.entries("recipe")}
        for name in self.settings:
            if name not in names:
                known = ", ".join(sorted(names)) or "none"
                raise UsageError(f"settings of recipe '{name}'{suggestion(name, names)} (it brings: {known})")
        for line in self.overrides:
            if not any(_fits(recipe, line) for recipe in self.recipes.values()):
                raise UsageError(f"--set {line}: no recipe of {self.target.distribution} has this option")
        for name in self.recipes:
            if lines := self._set(name):
                self.plain(name, lines)

    def _set(self, name: str) -> list[str]:
        """What the caller set for a recipe, last come last."""
        recipe = self.recipes.get(name)
        fitting = [line for line in self.overrides if recipe is not None and _fits(recipe, line)]
        return [line.replace("{pictures}", str(self.pictures)) for line in [*self.settings.get(name, ()), *fitting]]


def _fits(recipe: Recipe, line: str) -> bool:
    """Whether a recipe has the option that a line `section.option=value` sets."""
    (section, *rest), _ = key_and_value(line)
    if section == "losses":
        return bool(rest) and rest[0] in recipe.losses
    part = getattr(recipe, section, None) if section in ("model", "dataset", "trainer", "run", "translate") else None
    options = part.options if isinstance(part, Part) else part
    return options is not None and bool(rest) and (rest[0] == "use" or rest[0] in type(options).model_fields)
