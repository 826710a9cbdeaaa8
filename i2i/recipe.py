"""YAML and overrides become one validated, frozen Recipe; whatever is wrong with them is said here, all at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import yaml
from pydantic import Field, ValidationError, model_validator

from i2i.contracts import Options, Role
from i2i.errors import RecipeError, UsageError
from i2i.plugins import Catalog, Entry, suggestion

SECTIONS = ("name", "model", "dataset", "losses", "trainer", "run")
MISPLACED: Mapping[str, str] = MappingProxyType(
    {
        "base": "only a recipe file names what it is based on",
        "weights": "only a recipe inside a package ships weights",
    }
)
Keys = tuple[str, ...]
OptionsT = TypeVar("OptionsT", bound=Options)


class RunOptions(Options):
    """How long, how large, on what: the part of a recipe that the loop itself reads."""

    steps: int = Field(10_000, ge=1, description="optimizer steps in all")
    batch: int = Field(1, ge=1, description="pictures per optimizer step, over all micro-batches and ranks")
    accumulate: int = Field(1, ge=1, description="micro-batches that a batch is computed in, to save memory")
    seed: int = Field(0, ge=0, lt=2**63, description="of all chance: initial weights, order, augmentation, noise")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to compute; auto: cuda, mps, cpu")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 where the device has it")
    ema: float = Field(0.0, ge=0, lt=1, description="decay of the moving average of the weights; 0: none")
    clip: float | None = Field(None, gt=0, description="largest gradient norm of a turn; null: no clipping")
    workers: int | None = Field(None, ge=0, description="loader processes; null: as many as the device can use")
    log_every: int = Field(10, ge=1, description="steps between two lines of metrics.jsonl")
    sample_every: int = Field(500, ge=1, description="steps between two sample grids")
    checkpoint_every: int = Field(1000, ge=1, description="steps between two checkpoints; the last step always has one")
    keep: int = Field(3, ge=1, description="newest checkpoints that are kept")

    note: str = Field("", description="kept in the weights file: on what data, under which licence")

    @model_validator(mode="after")
    def _micro_batches_are_equal(self) -> RunOptions:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} does not divide into accumulate = {self.accumulate} equal parts")
        return self


@dataclass(frozen=True)
class Part:
    """A name that a recipe uses, what is behind it and its validated options."""

    entry: Entry[Any]
    options: Options

    def as_dict(self) -> dict[str, Any]:
        """`use` and every option, defaults included, as plain data."""
        return {"use": self.entry.name, **self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class LossPart(Part):
    """A loss in its role."""

    weight: float

    def as_dict(self) -> dict[str, Any]:
        """As `Part.as_dict`, with the weight."""
        return {"use": self.entry.name, "weight": self.weight, **self.options.model_dump(mode="json")}


@dataclass(frozen=True)
class Recipe:
    """Everything a run is: the same recipe and the same data give the same weights."""

    name: str
    model: Part
    dataset: Part
    losses: Mapping[str, LossPart | None]
    trainer: Part
    run: RunOptions
    weights: Path | None = None
    """Shipped weights; the YAML says where, relative to the package that holds the folder `recipes`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain data that `recipe_from_data` takes back."""
        return {
            "name": self.name,
            "model": self.model.as_dict(),
            "dataset": self.dataset.as_dict(),
            "losses": {role: part and part.as_dict() for role, part in self.losses.items()},
            "trainer": self.trainer.as_dict(),
            "run": self.run.model_dump(mode="json"),
        }

    def versions(self, catalog: Catalog) -> dict[str, str]:
        """Distribution → version of everything the recipe uses."""
        parts = [self.model, self.dataset, self.trainer, *filter(None, self.losses.values())]
        return catalog.versions(*(part.entry for part in parts))

    def require_data(self) -> None:
        """Raise `RecipeError` for every folder that the dataset needs and nobody named."""
        missing = [
            f"dataset.{option}: not given; use --{flag} DIR"
            for flag, option in self.dataset.entry.value.cli.items()
            if self.dataset.options.model_dump().get(option) is None
        ]
        if missing:
            raise RecipeError(missing)


def load_recipe(
    catalog: Catalog,
    name: str | None = None,
    config: Path | None = None,
    overrides: Iterable[str] = (),
    extra: Iterable[tuple[str, str, Any]] = (),
) -> Recipe:
    """The recipe `name`, overlaid by the file `config`, by `overrides` (`key=value`) and by `extra`.

    `extra` are (label for messages, dotted key, value). Raises `RecipeError` with every mistake found.
    """
    draft = _Draft(catalog)
    if config is not None:
        text = _read(config)
        data = _mapping(text, str(config))
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
    for text in overrides:
        key, found, value = text.partition("=")
        if not found or not all(key.strip().split(".")):
            raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set run.batch=4")
        draft.set("--set", key.strip(), _value(text, value))
    for label, key, value in extra:
        draft.set(label, key, value)
    return draft.validated(name)


def read_recipe(catalog: Catalog, path: Path, extra: Iterable[tuple[str, str, Any]] = ()) -> Recipe:
    """A recipe file that `i2i fit` wrote."""
    return recipe_from_data(catalog, _mapping(_read(path), str(path)), str(path), extra)


def recipe_from_data(
    catalog: Catalog, data: Mapping[str, Any], source: str, extra: Iterable[tuple[str, str, Any]] = ()
) -> Recipe:
    """A recipe that a run folder or a weights file holds; `extra` as in `load_recipe`."""
    draft = _Draft(catalog)
    draft.overlay(source, data)
    for label, key, value in extra:
        draft.set(label, key, value)
    return draft.validated(source)


def model_from_data(catalog: Catalog, data: Mapping[str, Any], source: str) -> Part:
    """The model alone, as a weights file names it: how it was trained need not be installed to use it."""
    draft = _Draft(catalog)
    draft.overlay(source, {"model": data})
    return draft.model()


def validate_options(options: type[OptionsT], data: Mapping[str, Any], where: str) -> OptionsT:
    """Options from plain data; raises `RecipeError`, each line beginning with `where`."""
    try:
        return options.model_validate(dict(data))
    except ValidationError as error:
        mistakes = (_mistake(options, item) for item in error.errors())
        raise RecipeError([f"{where}{'.'.join(keys)}: {text}" for keys, text in mistakes]) from error


def translate_overrides(overrides: Iterable[str]) -> dict[str, Any]:
    """A model's translate options from `translate.KEY=VALUE` lines."""
    data = {}
    for text in overrides:
        key, found, value = text.partition("=")
        prefix, _, option = key.strip().partition(".")
        if prefix != "translate" or not option or not found:
            raise UsageError(f"--set {text}: weights carry their own recipe; only translate.KEY=VALUE can be set")
        data[option] = _value(text, value)
    return data


@dataclass
class _Draft:
    """A recipe in the making: the merged tree, where each key came from, and what is wrong."""

    catalog: Catalog
    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Keys, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    weights: Path | None = None

    def overlay_named(self, name: str, asked_by: str = "", inheriting: tuple[str, ...] = ()) -> None:
        """Lay an installed recipe and everything that it is based on over the tree."""
        if name in inheriting:
            raise RecipeError([f"recipe '{name}': based on itself ({' → '.join((*inheriting, name))})"])
        if name not in self.catalog.entries["recipe"]:
            raise UsageError(asked_by + self.catalog.unknown("recipe", name))
        file = self.catalog.find("recipe", name).value
        data = _mapping(_read(file), file.name)
        if (base := data.pop("base", None)) is not None:
            self.overlay_named(str(base), f"{file.name}: base: ", (*inheriting, name))
        shipped = data.pop("weights", None)  # never the base's: those belong to the base's options
        self.weights = Path(str(file)).parent.parent / str(shipped) if shipped else None
        self.overlay(file.name, data)

    def set(self, label: str, key: str, value: Any) -> None:
        """Lay one dotted key over the tree."""
        for part in reversed(key.split(".")):
            value = {part: value}
        self.overlay(label, value)

    def overlay(self, label: str, data: Mapping[str, Any]) -> None:
        """Lay a mapping over the tree; a changed `use` drops its siblings except `weight`."""
        self._merge(self.tree, data, label, ())

    def _merge(self, into: dict[str, Any], data: Mapping[str, Any], label: str, at: Keys) -> None:
        for key, value in data.items():
            here = (*at, str(key))
            self.origins[here] = label
            if not isinstance(value, Mapping):
                into[str(key)] = copy.deepcopy(value)
                continue
            old = into.get(str(key))
            kept = old if isinstance(old, dict) else {}
            if "use" in value and value["use"] != kept.get("use"):
                kept = {name: kept[name] for name in ("weight",) if name in kept}
            into[str(key)] = kept
            self._merge(kept, value, label, here)

    def problem(self, at: Keys, text: str) -> None:
        """Note a mistake with the file or flag that made it."""
        known = [at[:length] for length in range(len(at), 0, -1) if at[:length] in self.origins]
        label = f"{self.origins[known[0]]}: " if known else ""
        self.problems.append(f"{label}{'.'.join(at)}: {text}")

    def model(self) -> Part:
        """The model, or a `RecipeError`; the other sections do not count."""
        model = self._part(("model",), "model")
        if model is None:
            raise RecipeError(self.problems)
        return model

    def validated(self, name: str) -> Recipe:
        """The recipe, or a `RecipeError` with all problems."""
        for key in self.tree:
            if key not in SECTIONS:
                self.problem((key,), MISPLACED.get(key) or f"unknown key{suggestion(key, SECTIONS)}")
        name = self._name(self.tree.get("name", name))
        model, dataset, trainer = (self._part((kind,), kind) for kind in ("model", "dataset", "trainer"))
        losses = self._losses(self._named("trainer"))
        self._batches_fit(self._named("trainer"), self._named("dataset"))
        section = self._section(("run",), self.tree.get("run", {}))
        run = self._options(("run",), RunOptions, section) if section is not None else None
        if self.problems or not (model and dataset and trainer and run):
            raise RecipeError(self.problems)
        return Recipe(name, model, dataset, MappingProxyType(losses), trainer, run, self.weights)

    def _name(self, value: Any) -> str:
        name = str(value)
        if isinstance(value, Mapping) or not name or "/" in name or "\\" in name:
            self.problem(("name",), f"expected a word that can begin a folder's name, found {value!r}")
        return name

    def _section(self, at: Keys, value: Any) -> dict[str, Any] | None:
        if isinstance(value, dict):
            return value
        self.problem(at, f"expected keys and values, found {value!r}")
        return None

    def _part(self, at: Keys, kind: str) -> Part | None:
        if at[0] not in self.tree:
            known = ", ".join(self.catalog.names(kind))
            self.problems.append(f"{kind}: missing; name one with `use` (known: {known})")
            return None
        data = self._section(at, self.tree[at[0]])
        found = self._used(at, kind, data) if data is not None else None
        return Part(*found) if found else None

    def _named(self, kind: str) -> Entry[Any] | None:
        """What a section uses, be its options right or wrong."""
        section = self.tree.get(kind)
        name = section.get("use") if isinstance(section, dict) else None
        return self.catalog.entries[kind].get(name) if isinstance(name, str) else None

    def _used(self, at: Keys, kind: str, data: Mapping[str, Any]) -> tuple[Entry[Any], Options] | None:
        name = data.get("use")
        if not isinstance(name, str):
            self.problem((*at, "use"), f"missing; name a {kind} (known: {', '.join(self.catalog.names(kind))})")
            return None
        if name not in self.catalog.entries[kind]:
            self.problem((*at, "use"), self.catalog.unknown(kind, name))
            return None
        entry = self.catalog.entries[kind][name]
        options = self._options(at, entry.value.options, {key: data[key] for key in data if key != "use"})
        return (entry, options) if options is not None else None

    def _options(self, at: Keys, options: type[OptionsT], data: Mapping[str, Any]) -> OptionsT | None:
        try:
            return options.model_validate(dict(data))
        except ValidationError as error:
            for item in error.errors():
                keys, text = _mistake(options, item)
                self.problem((*at, *keys), text)
            return None

    def _losses(self, trainer: Entry[Any] | None) -> dict[str, LossPart | None]:
        data = self._section(("losses",), self.tree.get("losses", {}))
        if trainer is None or data is None:
            return {}
        roles: Mapping[str, Role] = trainer.value.roles
        for key in data:
            if key not in roles:
                known = ", ".join(roles) or "none"
                self.problem(("losses", key), f"unknown role{suggestion(key, roles)} (known: {known})")
        return {name: self._loss(name, role, data.get(name)) for name, role in roles.items()}

    def _loss(self, name: str, role: Role, value: Any) -> LossPart | None:
        at = ("losses", name)
        if value is None:
            if not role.optional:
                self.problem(at, f"missing; {role.summary}, name one of kind {role.kind} with `use`")
            return None
        if (section := self._section(at, value)) is None:
            return None
        weight = self._weight(at, section.get("weight", 1.0))
        found = self._used(at, "loss", {key: section[key] for key in section if key != "weight"})
        if found is None or weight is None:
            return None
        if (kind := found[0].value.kind) != role.kind:
            self.problem((*at, "use"), f"'{found[0].name}' is of kind {kind}; this role takes kind {role.kind}")
        return LossPart(*found, weight)

    def _weight(self, at: Keys, value: Any) -> float | None:
        try:
            weight = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            weight = math.nan
        if math.isfinite(weight):
            return weight
        self.problem((*at, "weight"), f"expected a number, found {value!r}")
        return None

    def _batches_fit(self, trainer: Entry[Any] | None, dataset: Entry[Any] | None) -> None:
        if trainer is None or dataset is None:
            return
        lacking = [key for key in trainer.value.keys if key not in dataset.value.keys]
        if lacking:
            gives, needs = ", ".join(dataset.value.keys), ", ".join(lacking)
            text = f"'{dataset.name}' gives {gives}; the trainer '{trainer.name}' needs {needs}"
            self.problem(("dataset", "use"), text)


def _mistake(options: type[Options], item: Any) -> tuple[Keys, str]:
    """One of pydantic's errors as (keys, what is wrong)."""
    keys = tuple(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return keys, f"unknown key{suggestion(keys[-1], options.model_fields)}"
    if item["type"] == "value_error":
        return keys, str(item["ctx"]["error"])
    message = item["msg"][:1].lower() + item["msg"][1:]
    return keys, f"{message.removeprefix('input ')}, found {item['input']!r}"


def _read(path: Traversable) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a recipe ({str(error.strerror).lower()})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read as a recipe (not UTF-8 text)") from error


def _mapping(text: str, source: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError([f"{source}: not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(data, dict):
        raise RecipeError([f"{source}: expected sections such as `model:` and `run:`, found {data!r}"])
    return data


def _value(text: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {text}: not a YAML value") from error
