"""Finds installed plugins, isolates broken ones and makes the Catalog: every name, its spec and where it comes from."""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.resources.abc import Traversable
from itertools import chain
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pluggy
from pydantic import TypeAdapter, ValidationError

from i2i import datasets, hookspecs, losses, trackers
from i2i.contracts import API_VERSION, DatasetSpec, LossSpec, ModelSpec, Spec, TrackerSpec, TrainerSpec
from i2i.errors import I2IError, UsageError

Value = TypeVar("Value")
CORE = "i2i"
LIMIT = "I2I_PLUGINS"
"""The environment variable that names the plugins to load, by entry point or distribution; without it, all are."""
HOOKS: Mapping[str, tuple[str, type]] = MappingProxyType(
    {
        "i2i_models": ("model", ModelSpec),
        "i2i_losses": ("loss", LossSpec),
        "i2i_trainers": ("trainer", TrainerSpec),
        "i2i_datasets": ("dataset", DatasetSpec),
        "i2i_trackers": ("tracker", TrackerSpec),
        "i2i_recipes": ("recipe", Traversable),
    }
)


@dataclass(frozen=True)
class Entry(Generic[Value]):
    """One name: what it stands for and which distribution brought it."""

    name: str
    kind: str
    value: Value
    distribution: str
    version: str


@dataclass(frozen=True)
class Installed:
    """A plugin that is there, be it loaded or not: one entry point of the group `i2i`."""

    name: str
    """The entry point's."""
    module: str
    distribution: str
    version: str

    def known_as(self, name: str) -> bool:
        """Whether that is its entry point or its distribution, as package indexes compare names."""
        return canonical(name) in {canonical(self.name), canonical(self.distribution)}


@dataclass(frozen=True)
class BrokenPlugin:
    """A distribution that is left out, and why."""

    distribution: str
    version: str
    reason: str


@dataclass(frozen=True)
class Catalog:
    """Everything that is installed and healthy, by kind and name; what is broken; what I2I_PLUGINS leaves out."""

    entries: Mapping[str, Mapping[str, Entry[Any]]]
    broken: tuple[BrokenPlugin, ...] = ()
    left_out: tuple[Installed, ...] = ()

    def __iter__(self) -> Iterator[Entry[Any]]:
        for kind, _ in HOOKS.values():
            yield from self.entries[kind].values()

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted."""
        return sorted(self.entries[kind])

    def find(self, kind: str, name: str) -> Entry[Any]:
        """The entry of that name. Raises `UsageError` with the nearest name and the broken plugins."""
        if name not in self.entries[kind]:
            raise UsageError(self.unknown(kind, name))
        return self.entries[kind][name]

    def unknown(self, kind: str, name: str) -> str:
        """One line: there is no such name, what is near, what is broken, what was not loaded."""
        hint = suggestion(name, self.entries[kind])
        known = ", ".join(self.names(kind)) or "none installed"
        text = f"unknown {kind} '{name}'{hint} (known: {known})"
        if self.broken:
            text += f"; broken: {', '.join(plugin.distribution for plugin in self.broken)}, see `i2i plugins`"
        if self.left_out:
            text += f"; left out by {LIMIT}: {', '.join(plugin.distribution for plugin in self.left_out)}"
        return text

    def versions(self, *entries: Entry[Any]) -> dict[str, str]:
        """Distribution → version of these entries and of the core."""
        return {CORE: core_version()} | {entry.distribution: entry.version for entry in entries}


@dataclass
class _Plugin:
    """A distribution on its way into the catalog."""

    distribution: str
    version: str
    module: Any = None
    entries: list[Entry[Any]] = field(default_factory=list)


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{near[0]}'?" if near else ""


def core_version() -> str:
    """The version of the installed core."""
    try:
        return metadata.version(CORE)
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0+unknown"


def canonical(name: str) -> str:
    """A name as package indexes compare names.

    >>> canonical("I2I_Soft.Focus")
    'i2i-soft-focus'
    """
    return re.sub("[-_.]+", "-", name).lower()


def installed() -> tuple[Installed, ...]:
    """Every plugin that is installed, in the order of loading; none is loaded."""
    return tuple(_installed(point) for point in _entry_points())


def no_such_plugin(name: str, plugins: Sequence[Installed]) -> str:
    """One line: no such plugin is installed, what is near or what is there."""
    known = [name for plugin in plugins for name in (plugin.name, plugin.distribution)]
    there = f" (installed: {', '.join(sorted(plugin.name for plugin in plugins)) or 'none'})"
    return f"no plugin '{name}' is installed{suggestion(name, known) or there}"


def discover(entry_points: Iterable[metadata.EntryPoint] | None = None) -> Catalog:
    """Load the plugins of these entry points and ask their hooks; without any named, all that are installed.

    Of those that are installed, the environment variable I2I_PLUGINS=a,b loads a and b only (entry points or
    distributions), I2I_PLUGINS= none. Raises `UsageError` where it names one that is not there.

    The core comes first, then distributions named `i2i-…`, then all others, each by name: who comes first keeps a
    name, the later claimant is broken.
    """
    left_out: tuple[Installed, ...] = ()
    if entry_points is None:
        entry_points, left_out = _limited(_entry_points(), os.environ.get(LIMIT))
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    entries: dict[str, dict[str, Entry[Any]]] = {kind: {} for kind, _ in HOOKS.values()}
    broken = []
    for module in (losses, datasets, trackers):
        _admit(_Plugin(CORE, core_version(), module), manager, entries)
    for point in sorted(set(entry_points), key=_precedence):
        plugin = _Plugin(*_provenance(point))
        try:
            plugin.module = point.load()
            _admit(plugin, manager, entries)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may fail in any way at all: none may take the others with it
            broken.append(BrokenPlugin(plugin.distribution, plugin.version, _reason(error, point)))
    return Catalog(entries, tuple(broken), left_out)


def resolve(path: str) -> Any:
    """What a spec's `"package.module:Attribute"` stands for. Raises `I2IError` that names it."""
    try:
        return metadata.EntryPoint("build", path, hookspecs.GROUP).load()
    except (Exception, SystemExit) as error:  # whatever a plugin's module does when it is imported
        raise I2IError(f"{path}: cannot be imported: {type(error).__name__}: {_one_line(error)}") from error


def _entry_points() -> list[metadata.EntryPoint]:
    return sorted(set(metadata.entry_points(group=hookspecs.GROUP)), key=_precedence)


def _limited(
    points: Sequence[metadata.EntryPoint], limit: str | None
) -> tuple[Sequence[metadata.EntryPoint], tuple[Installed, ...]]:
    """The entry points that the limit lets through, and what it leaves out."""
    if limit is None:
        return points, ()
    plugins = [_installed(point) for point in points]
    names = [name.strip() for name in limit.split(",") if name.strip()]
    for name in names:
        if canonical(name) == CORE:
            raise UsageError(f"{LIMIT}: '{name}' is the core, which is always loaded; name plugins alone")
        if not any(plugin.known_as(name) for plugin in plugins):
            raise UsageError(f"{LIMIT}: {no_such_plugin(name, plugins)}")
    wanted = [any(plugin.known_as(name) for name in names) for plugin in plugins]
    kept = [point for point, is_wanted in zip(points, wanted, strict=True) if is_wanted]
    return kept, tuple(plugin for plugin, is_wanted in zip(plugins, wanted, strict=True) if not is_wanted)


def _installed(point: metadata.EntryPoint) -> Installed:
    return Installed(point.name, point.value.partition(":")[0].strip(), *_provenance(point))


def _precedence(point: metadata.EntryPoint) -> tuple[bool, str, str]:
    distribution = canonical(_provenance(point)[0])
    return not distribution.startswith("i2i-"), distribution, point.name


def _provenance(point: metadata.EntryPoint) -> tuple[str, str]:
    """Distribution and version; an installation cut short may lack either."""
    found = point.dist.metadata if point.dist else None
    name = found["Name"] if found and "Name" in found else point.value
    return name, found["Version"] if found and "Version" in found else "unknown"


def _admit(plugin: _Plugin, manager: pluggy.PluginManager, entries: dict[str, dict[str, Entry[Any]]]) -> None:
    """Ask all hooks of one plugin; its names enter together or not at all."""
    try:
        manager.register(plugin.module)
        manager.check_pending()
        if not manager.get_hookcallers(plugin.module):
            raise ValueError("answers no hook; mark its functions with i2i.hookimpl")
        for hook, (kind, expected) in HOOKS.items():
            for value in _answer(manager, hook, plugin.module):
                plugin.entries.append(_checked(plugin, hook, kind, value, expected))
        _refuse_duplicates(plugin, entries)
    except BaseException:
        if manager.is_registered(plugin.module):
            manager.unregister(plugin.module)
        raise
    for entry in plugin.entries:
        entries[entry.kind][entry.name] = entry


def _answer(manager: pluggy.PluginManager, hook: str, module: Any) -> list[Any]:
    """What this plugin alone returns from a hook; nothing where it does not implement it."""
    others = [other for other in manager.get_plugins() if other is not module]
    caller = manager.subset_hook_caller(hook, remove_plugins=others)
    try:
        answers = caller()
        values = list(chain.from_iterable(answers))
    except Exception as error:
        raise ValueError(f"{hook} failed: {type(error).__name__}: {_one_line(error)}") from error
    if len(answers) < len(caller.get_hookimpls()):  # pluggy drops what is None
        raise ValueError(f"{hook} returned None, not an iterable of {HOOKS[hook][1].__name__}")
    return values


def _checked(plugin: _Plugin, hook: str, kind: str, value: Any, expected: Any) -> Entry[Any]:
    if not isinstance(value, expected):
        raise ValueError(f"{hook} returned {value!r} among its values, which is no {expected.__name__}")
    if isinstance(value, Spec):
        _refuse_wrong_fields(kind, value, expected)
        if value.api_version > API_VERSION:
            raise ValueError(f"{kind} '{value.name}' needs i2i API {value.api_version}, this i2i offers {API_VERSION}")
    name = value.name if isinstance(value, Spec) else value.name.removesuffix(".yaml")
    return Entry(name, kind, value, plugin.distribution, plugin.version)


@functools.cache
def _fields_of(expected: Any) -> TypeAdapter[Any]:
    return TypeAdapter(expected)


def _refuse_wrong_fields(kind: str, spec: Spec, expected: Any) -> None:
    """Raise `ValueError` with the first field of a spec that is not of its type: nothing else checks a dataclass."""
    try:
        _fields_of(expected).validate_python(vars(spec))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{kind} {spec.name!r}: {where}: {first['msg']}, found {first['input']!r}") from error
    if not spec.name or not re.fullmatch(r"[\w.]+:[\w.]+", spec.build):
        raise ValueError(f"{kind} {spec.name!r}: needs a name, and a build 'package.module:Attribute', {spec.build!r}")


def _refuse_duplicates(plugin: _Plugin, entries: dict[str, dict[str, Entry[Any]]]) -> None:
    seen: set[tuple[str, str]] = set()
    for entry in plugin.entries:
        owner = entries[entry.kind].get(entry.name)
        if owner is not None or (entry.kind, entry.name) in seen:
            first = f"{owner.distribution} {owner.version}" if owner else "itself"
            raise ValueError(
                f"{entry.kind} '{entry.name}' of {plugin.distribution} {plugin.version} exists already, from {first}"
            )
        seen.add((entry.kind, entry.name))


def _reason(error: BaseException, point: metadata.EntryPoint) -> str:
    if isinstance(error, pluggy.PluginValidationError) and "unknown hook" in str(error):
        hook = str(error).split("'")[1]
        return f"{point.value}: unknown hook '{hook}'{suggestion(hook, HOOKS)}"
    text = _one_line(error)
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    return f"{point.value}: {kind}{text}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or "no explanation"
