"""The layers of a recipe are merged and validated; whatever is wrong with them is said here, all at once."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from i2i.contracts import Options, Role
from i2i.errors import RecipeError, UsageError
from i2i.plugins import Catalog, Entry, suggestion
from i2i.recipe.mistakes import Keys, OptionsT, mistake, told
from i2i.recipe.reading import key_and_value, read, sections
from i2i.recipe.values import LossPart, Part, Recipe, RunOptions, folder_missing

SECTIONS = ("name", "model", "dataset", "losses", "trainer", "run", "translate", "trackers")
MISPLACED: Mapping[str, str] = MappingProxyType(
    {
        "base": "only a recipe file names what it is based on",
        "weights": "only a recipe inside a package ships weights",
    }
)


@dataclass
class Draft:
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
        data = sections(read(file), file.name)
        if (base := data.pop("base", None)) is not None:
            self.overlay_named(str(base), f"{file.name}: base: ", (*inheriting, name))
        shipped = data.pop("weights", None)  # never the base's: those belong to the base's options
        self.weights = Path(str(file)).parent.parent / str(shipped) if shipped else None
        self.overlay(file.name, data)

    def overlay(self, label: str, data: Mapping[str, Any]) -> None:
        """Lay a mapping over the tree; a changed `use` drops its siblings except `weight`.

        The options of `translate` are the model's: with another model those of the layers below are dropped too.
        """
        before = self._use("model")
        self._merge(self.tree, {key: data[key] for key in data if key != "translate"}, label, ())
        if self._use("model") != before:
            self.tree.pop("translate", None)
        self._merge(self.tree, {key: data[key] for key in data if key == "translate"}, label, ())

    def overlay_command(self, overrides: Iterable[str], extra: Iterable[tuple[str, str, Any]]) -> None:
        """Lay all keys of one command over the tree, in whatever order they were given; of one key the last counts."""
        leaves: dict[Keys, tuple[str, Any]] = {}
        for text in overrides:
            try:
                key, value = key_and_value(text)
            except UsageError as error:
                self.problems.append(str(error))
            else:
                leaves |= {at: ("--set", leaf) for at, leaf in _leaves(key, value)}
        for label, dotted, value in extra:
            leaves |= {at: (label, leaf) for at, leaf in _leaves(tuple(dotted.split(".")), value)}
        for at in sorted(leaves, key=lambda at: (len(at), at[-1] != "use")):  # a `use` drops what was there before it
            label, value = leaves[at]
            for part in reversed(at):
                value = {part: value}
            self.overlay(label, value)

    def overlay_folders(self, folders: Mapping[str, Sequence[str]]) -> None:
        """Lay the command line's folders over the dataset's options; absolute, as a run may go on from elsewhere."""
        dataset = self._named("dataset")
        if dataset is None:
            return
        meaning = dataset.value.cli
        for flag, paths in folders.items():
            if paths and flag not in meaning:
                takes = ", ".join(f"--{known}" for known in meaning) or "no folders"
                self.problems.append(f"--{flag}: the dataset '{dataset.name}' takes {takes}")
            elif paths:
                self.tree["dataset"][meaning[flag]] = [_absolute(path) for path in paths]
                self.origins["dataset", meaning[flag]] = f"--{flag}"

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

    def validated(self, name: str, needs_data: bool = False) -> Recipe:
        """The recipe, or a `RecipeError` with all problems; with `needs_data`, a folder that is not given is one."""
        for key in self.tree:
            if key not in SECTIONS:
                self.problem((key,), MISPLACED.get(key) or f"unknown key{suggestion(key, SECTIONS)}")
        name = self._name(self.tree.get("name", name))
        model, dataset, trainer = (self._part((kind,), kind) for kind in ("model", "dataset", "trainer"))
        if needs_data:
            self._data_is_named(self._named("dataset"))
        losses = self._losses(self._named("trainer"))
        self._batches_fit(self._named("trainer"), self._named("dataset"))
        section = self._section(("run",), self.tree.get("run", {}))
        run = self._options(("run",), RunOptions, section) if section is not None else None
        translate = self._translate(self._named("model"))
        trackers = self._trackers()
        if self.problems or not (model and dataset and trainer and run and translate):
            raise RecipeError(self.problems)
        return Recipe(name, model, dataset, MappingProxyType(losses), trainer, run, translate, self.weights, trackers)

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

    def _translate(self, model: Entry[Any] | None) -> Options | None:
        section = self._section(("translate",), self.tree.get("translate", {}))
        if model is None or section is None:
            return None
        options: type[Options] = model.value.translate_options
        return self._options(("translate",), options, section)

    def _named(self, kind: str) -> Entry[Any] | None:
        """What a section uses, be its options right or wrong."""
        name = self._use(kind)
        return self.catalog.entries[kind].get(name) if isinstance(name, str) else None

    def _use(self, kind: str) -> Any:
        section = self.tree.get(kind)
        return section.get("use") if isinstance(section, dict) else None

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
            for item in told(error):
                keys, text = mistake(options, item)
                flag = self._folder_flag((*at, *keys)) if item["type"] == "missing" else None
                if flag is not None:
                    self.problems.append(folder_missing(keys[0], flag))
                else:
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

    def _trackers(self) -> Mapping[str, Part]:
        found = {}
        for name, value in (self._section(("trackers",), self.tree.get("trackers", {})) or {}).items():
            at = ("trackers", name)
            if value is None:
                continue  # as `trackers.NAME=null` leaves one out that a layer below names
            if name not in self.catalog.entries["tracker"]:
                self.problem(at, self.catalog.unknown("tracker", name))
            elif (section := self._section(at, value)) is not None:
                entry = self.catalog.entries["tracker"][name]
                if (options := self._options(at, entry.value.options, section)) is not None:
                    found[name] = Part(entry, options)
        return MappingProxyType(found)

    def _weight(self, at: Keys, value: Any) -> float | None:
        try:
            weight = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            weight = math.nan
        if math.isfinite(weight):
            return weight
        self.problem((*at, "weight"), f"expected a number, found {value!r}")
        return None

    def _folder_flag(self, at: Keys) -> str | None:
        """The flag that gives the dataset this option, if there is one."""
        dataset = self._named("dataset")
        flags = dataset.value.cli.items() if dataset else ()
        return next((flag for flag, option in flags if at == ("dataset", option)), None)

    def _data_is_named(self, dataset: Entry[Any] | None) -> None:
        """Note every folder that the dataset needs and nobody named; options without a default note themselves."""
        if dataset is None:
            return
        fields = dataset.value.options.model_fields
        for flag, option in dataset.value.cli.items():
            default = fields[option].get_default(call_default_factory=True) if option in fields else None
            if self.tree["dataset"].get(option, default) is None:
                self.problems.append(folder_missing(option, flag))

    def _batches_fit(self, trainer: Entry[Any] | None, dataset: Entry[Any] | None) -> None:
        if trainer is None or dataset is None:
            return
        lacking = [key for key in trainer.value.keys if key not in dataset.value.keys]
        if lacking:
            gives, needs = ", ".join(dataset.value.keys), ", ".join(lacking)
            text = f"'{dataset.name}' gives {gives}; the trainer '{trainer.name}' needs {needs}"
            self.problem(("dataset", "use"), text)


def _leaves(at: Keys, value: Any) -> Iterator[tuple[Keys, Any]]:
    """Every value at the ends of a mapping, with its keys from the root."""
    if not isinstance(value, Mapping) or not value:
        yield at, value
        return
    for key, inside in value.items():
        yield from _leaves((*at, str(key)), inside)


def _absolute(place: str) -> str:
    """A path from the root; a URL as it is."""
    return place if "://" in place else str(Path(place).absolute())
