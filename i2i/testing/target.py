"""Which plugin is meant: an installed distribution, anything it brought, or a project folder that is not installed."""

from __future__ import annotations

import importlib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from i2i.errors import UsageError
from i2i.hookspecs import GROUP
from i2i.plugins import CORE, Catalog, canonical, core_version, discover, suggestion

NAME = re.compile(r"[\w.-]+")


class ProjectDistribution(metadata.Distribution):
    """A project folder as it would be if it were installed: its name, version and entry points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        file = folder / "pyproject.toml"
        try:
            written = tomllib.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise UsageError(f"{folder}: no plugin's project folder (no pyproject.toml in it)") from error
        except OSError as error:
            raise UsageError(f"{file}: cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise UsageError(f"{file}: no TOML ({error})") from error
        self.project = _of_kind(dict, written.get("project"), file, "project")
        self.project["name"] = _of_kind(str, self.project.get("name"), file, "project.name")
        self.project["version"] = _of_kind(str, self.project.get("version", "0+unknown"), file, "project.version")
        key = "project.entry-points"
        groups = _of_kind(dict, self.project.get("entry-points", {}), file, key)
        key = f"{key}.{GROUP}"
        self.points: dict[str, str] = _of_kind(dict, groups.get(GROUP, {}), file, key)
        for name, value in self.points.items():
            if not NAME.fullmatch(name):
                raise UsageError(f"{file}: {key}: {name!r} is no name of an entry point")
            if not metadata.EntryPoint.pattern.match(_of_kind(str, value, file, f"{key}.{name}")):
                raise UsageError(f"{file}: {key}.{name}: {value!r} is no 'package' or 'package.module'")

    def read_text(self, filename: str) -> str | None:
        """The two files of its metadata that anybody asks for."""
        if filename == "METADATA":
            name, version = self.project["name"], self.project["version"]
            return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        if filename == "entry_points.txt":
            return "\n".join([f"[{GROUP}]", *(f"{name} = {value}" for name, value in self.points.items())]) + "\n"
        return None

    def locate_file(self, path: Any) -> Any:
        """Where a file of it lies."""
        return self.root / path

    @property
    def root(self) -> Path:
        """The folder that its packages lie in."""
        inside = self.folder / "src"
        names = [re.split(r"\W", value)[0] for value in self.points.values()]
        there = any((inside / name).is_dir() or (inside / f"{name}.py").is_file() for name in names)
        return inside if there else self.folder


@dataclass(frozen=True)
class Target:
    """The distribution that is examined."""

    distribution: str
    version: str
    points: tuple[metadata.EntryPoint, ...]
    root: Path | None = None
    """What has to be on `sys.path`, where it is not installed."""
    folder: Path | None = None
    """Its project folder, likewise."""

    @property
    def packages(self) -> set[str]:
        """Its top-level packages, those that its entry points name among them."""
        named = {point.module.partition(".")[0] for point in self.points}
        if self.root is not None:
            return named | {path.parent.name for path in self.root.glob("*/__init__.py")} - {"tests"}
        owners = metadata.packages_distributions().items()
        return (named or {CORE}) | {package for package, distributions in owners if self.distribution in distributions}

    def catalog(self, alone: bool = False) -> Catalog:
        """Everything installed, with this in the place of what is installed of it; or this and the core alone."""
        others = [] if alone else [point for point in installed() if not _same(owner(point), self.distribution)]
        return discover([*others, *self.points])

    def enter(self) -> Callable[[], None]:
        """Make its packages the ones that are imported; what is returned takes that back."""
        if self.root is None:
            return lambda: None
        root = str(self.root)
        taken_out = {name: module for name, module in self._loaded().items() if not _lies_in(module, root)}
        known = self._loaded().keys() - taken_out.keys()
        for name in taken_out:
            del sys.modules[name]
        sys.path.insert(0, root)
        importlib.invalidate_caches()

        def leave() -> None:
            for name in self._loaded().keys() - known:
                del sys.modules[name]
            sys.modules.update(taken_out)
            if root in sys.path:
                sys.path.remove(root)

        return leave

    def _loaded(self) -> dict[str, Any]:
        own = self.packages
        return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in own}


def find(name: str) -> Target:
    """The plugin of that name, or in that folder. Raises `UsageError` with the nearest name and all plugins."""
    if os.sep in name or name in (".", "..") or (os.altsep and os.altsep in name):
        return _project(Path(name))
    points = installed()
    known = sorted({owner(point) for point in points})
    chosen = next((own for own in known if _same(own, name)), None)
    chosen = chosen or next((owner(point) for point in points if point.name == name), None)
    if chosen is None and (Path(name) / "pyproject.toml").is_file():
        return _project(Path(name))
    if chosen is None:
        catalog = discover(installed())
        chosen = next((entry.distribution for entry in catalog if entry.name == name), None)
        if chosen is None and name != CORE:
            names = [*known, *(point.name for point in points), *(entry.name for entry in catalog)]
            there = ", ".join(known) or "none installed"
            raise UsageError(f"unknown plugin '{name}'{suggestion(name, names)} (known: {there}; or name its folder)")
    if chosen in (None, CORE):
        return Target(CORE, core_version(), ())
    own = tuple(point for point in points if owner(point) == chosen)
    return Target(str(chosen), own[0].dist.version if own[0].dist else "unknown", own)


def installed() -> Sequence[metadata.EntryPoint]:
    """Every entry point of the group `i2i`."""
    return sorted(set(metadata.entry_points(group=GROUP)), key=lambda point: (owner(point), point.name))


def owner(point: metadata.EntryPoint) -> str:
    """The name of the distribution that an entry point belongs to."""
    return point.dist.name if point.dist and point.dist.name else point.value


def _project(folder: Path) -> Target:
    project = ProjectDistribution(folder.expanduser().resolve())
    return Target(
        project.name, project.version, tuple(project.entry_points.select(group=GROUP)), project.root, project.folder
    )


def _of_kind(kind: type, value: Any, file: Path, key: str) -> Any:
    """The value. Raises `UsageError` where it is another kind of thing, or not there."""
    if not isinstance(value, kind) or value == "":
        found = "nothing" if value is None else repr(value)
        raise UsageError(f"{file}: {key}: expected {'a table' if kind is dict else 'text'}, found {found}")
    return value


def _same(one: str, other: str) -> bool:
    """As package indexes compare names."""
    return canonical(one) == canonical(other)


def _lies_in(module: Any, root: str) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and Path(file).resolve().is_relative_to(root)
