"""What is installed: i2i, plugins, recipes with weights, extras; and what the environment says."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from i2i.errors import I2IError
from i2i.plugins import CORE, Catalog, canonical, core_version, discover, installed
from i2i.recipe import load_recipe

VARIABLES = (
    "I2I_",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "CUDA_VISIBLE_DEVICES",
    "PYTORCH_",
    "TORCH_HOME",
    "XDG_CACHE_HOME",
    "NO_COLOR",
    "FORCE_COLOR",
)
"""Beginnings of the names of variables that change what i2i does."""
_NEED = re.compile(
    r"""(?P<name>[\w.-]+)(?:\[[^]]*\])?\s*(?P<versions>[^;]*);.*\bextra\s*==\s*['"](?P<extra>[\w-]+)['"]"""
)


@dataclass(frozen=True)
class Plugin:
    """A package that brings plugins."""

    distribution: str
    version: str
    state: str
    """`healthy`, `broken` or `left out`."""
    reason: str = ""
    """Why it is broken."""


@dataclass(frozen=True)
class ShippedWeights:
    """Weights that a recipe brings along."""

    recipe: str
    file: Path
    is_there: bool


@dataclass(frozen=True)
class Extra:
    """Something that i2i can do once more packages are there."""

    name: str
    missing: tuple[str, ...]
    """What to give pip; empty where everything is there."""


@dataclass(frozen=True)
class Installation:
    """What there is of i2i."""

    version: str
    python: str
    plugins: tuple[Plugin, ...]
    problem: str
    """Why no plugin at all could be looked for."""
    recipes: tuple[str, ...]
    weights: tuple[ShippedWeights, ...]
    extras: tuple[Extra, ...]
    environment: Mapping[str, str]
    """Variables that change what i2i does."""


def installation(environment: Mapping[str, str]) -> Installation:
    """Of this environment."""
    problem = ""
    try:
        catalog = discover()
    except I2IError as error:
        catalog, problem = discover([]), str(error)
    variables = {name: environment[name] for name in sorted(environment) if name.startswith(VARIABLES)}
    return Installation(
        version=core_version(),
        python=platform.python_version(),
        plugins=tuple(_plugins(catalog)) if not problem else (),
        problem=problem,
        recipes=tuple(catalog.names("recipe")),
        weights=tuple(_weights(catalog)),
        extras=tuple(extras(_requirements())),
        environment=variables,
    )


def extras(requirements: list[str]) -> Iterator[Extra]:
    """What each extra lacks here, from a package's requirements as its metadata has them."""
    there = {canonical(package.name) for package in metadata.distributions() if package.name}
    needs: dict[str, list[str]] = {}
    for requirement in requirements:
        if found := _NEED.match(requirement):
            lacking = needs.setdefault(found["extra"], [])
            if canonical(found["name"]) not in there:
                lacking.append(found["name"] + found["versions"].strip().strip("()"))
    yield from (Extra(name, tuple(missing)) for name, missing in sorted(needs.items()))


def _requirements() -> list[str]:
    try:
        return metadata.requires(CORE) or []
    except metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return []


def _plugins(catalog: Catalog) -> Iterator[Plugin]:
    reasons = {broken.distribution: broken.reason for broken in catalog.broken}
    left_out = {plugin.distribution for plugin in catalog.left_out}
    there = {plugin.distribution: plugin.version for plugin in installed()}
    there |= {broken.distribution: broken.version for broken in catalog.broken}
    for distribution, version in there.items():
        state = "broken" if distribution in reasons else "left out" if distribution in left_out else "healthy"
        yield Plugin(distribution, version, state, reasons.get(distribution, ""))


def _weights(catalog: Catalog) -> Iterator[ShippedWeights]:
    for name in catalog.names("recipe"):
        with suppress(I2IError):  # it may need a plugin that is not there
            if (file := load_recipe(catalog, name).weights) is not None:
                yield ShippedWeights(name, file, file.is_file())
