"""What several core tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from i2i import Catalog, discover

PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="session")
def install_plugin() -> Callable[[Path, Path], None]:
    """`install_plugin(folder, site)`: lay the package in `folder` into `site` as an installer would, without one.

    Copies its modules and makes a `dist-info` out of its pyproject.toml: name, version, entry points of the group i2i.
    With `site` on `sys.path` or `PYTHONPATH` the plugin is installed.
    """
    return _install_plugin


@pytest.fixture(scope="session")
def run_i2i(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`run_i2i(*arguments, site=None)`: the command line in a process of its own, with what is installed in `site`."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    def run(*arguments: str | Path, site: Path | None = None) -> subprocess.CompletedProcess[str]:
        paths = [str(site)] if site else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", "i2i", *map(str, arguments)]
        return subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture
def plugin_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Catalog]]:
    """`plugin_alone("etcher")`: a catalog of that one of `tests/plugins` and of the core, forgotten afterwards."""
    packages = []

    def alone(name: str) -> Catalog:
        packages.append(f"i2i_{name}")
        monkeypatch.syspath_prepend(str(PLUGINS / name))
        catalog = discover([EntryPoint(name, f"i2i_{name}", "i2i")])
        assert not catalog.broken
        return catalog

    yield alone
    for module in [module for module in sys.modules if module.partition(".")[0] in packages]:
        del sys.modules[module]


@pytest.fixture
def etcher(plugin_alone: Callable[[str], Catalog]) -> Catalog:
    """The etcher alone: it optimises each picture, needs no weights where a plate is given, and fits by adding up."""
    return plugin_alone("etcher")


def _install_plugin(folder: Path, site: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for package in folder.glob("*/__init__.py"):
        ignored = shutil.ignore_patterns("__pycache__", "tests")
        shutil.copytree(package.parent, site / package.parent.name, ignore=ignored, dirs_exist_ok=True)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    points = project["entry-points"]["i2i"].items()
    lines = ["[i2i]", *(f"{name} = {value}" for name, value in points)]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
