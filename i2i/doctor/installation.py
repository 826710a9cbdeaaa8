"""What is installed: i2i, plugins, recipes with weights, extras; and what the environment says."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from i2i.doctor.variables import relevant
from i2i.errors import I2IError
from i2i.plugins import Catalog, core_version, discover, installed
from i2i.recipe import load_recipe

EXTRAS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "evaluate": {"torch_fidelity": "torch-fidelity>=0.4,<0.5"},
        "heic": {"pillow_heif": "pillow-heif>=1.1"},
        "hub": {"huggingface_hub": "huggingface_hub>=2.0"},
        "onnx": {"onnx": "onnx>=1.17", "onnxruntime": "onnxruntime>=1.20", "onnxscript": "onnxscript>=0.5"},
        "openvino": {"onnx": "onnx>=1.17", "onnxscript": "onnxscript>=0.5", "openvino": "openvino>=2025.1"},
        "remote": {"fsspec": "fsspec>=2024.2", "upath": "universal_pathlib>=0.3"},
        "serve": {
            "fastapi": "fastapi>=0.115",
            "python_multipart": "python-multipart>=0.0.18",
            "uvicorn": "uvicorn>=0.32",
        },
        "tensorboard": {"tensorboard": "tensorboard>=2.18"},
        "tensorrt": {
            "onnx": "onnx>=1.17",
            "onnxruntime": "onnxruntime-gpu>=1.20",
            "onnxscript": "onnxscript>=0.5",
            "tensorrt": "tensorrt>=10",
        },
    }
)
"""What each extra of pyproject.toml needs: module → what to give pip. Installed metadata may be older than the code."""


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
    return Installation(
        version=core_version(),
        python=platform.python_version(),
        plugins=tuple(_plugins(catalog)) if not problem else (),
        problem=problem,
        recipes=tuple(catalog.names("recipe")),
        weights=tuple(_weights(catalog)),
        extras=tuple(extras()),
        environment=relevant(environment),
    )


def extras(needs: Mapping[str, Mapping[str, str]] = EXTRAS) -> Iterator[Extra]:
    """What each extra lacks here."""
    for name, modules in needs.items():
        yield Extra(name, tuple(package for module, package in modules.items() if find_spec(module) is None))


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
