"""`i2i plugins install` and `uninstall`: pip in this environment, and what came of it."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from i2i.cli.saying import answer, is_quiet, report
from i2i.errors import I2IError, UsageError
from i2i.plugins import HOOKS, LIMIT, canonical, installed, no_such_plugin


@click.command(short_help="Install plugins with pip, into this environment.")
@click.argument("requirements", nargs=-1, metavar="[REQUIREMENT]...")
@click.option("-e", "--editable", multiple=True, metavar="DIR", help="Folder of a package that you work on.")
@click.option("-U", "--upgrade", is_flag=True, help="Take the newest version.")
def install(requirements: tuple[str, ...], editable: tuple[str, ...], upgrade: bool) -> None:
    """Install plugins with pip, into this environment, and say what they bring.

    What follows -- goes to pip as it is. Ends with exit code 1 when what was installed is broken, or no plugin.

    \b
    i2i plugins install i2i-cyclegan
    i2i plugins install -e ./i2i-lumen
    i2i plugins install i2i-lumen -- --no-index --find-links wheels/
    """
    if not requirements and not editable:
        raise UsageError("say what to install: a requirement such as i2i-cyclegan, or --editable PATH")
    words = [*(["--upgrade"] if upgrade else []), *(word for path in editable for word in ("--editable", path))]
    with TemporaryDirectory() as folder:
        found = Path(folder) / "report.json"
        _pip("install", "--report", str(found), *words, *requirements)
        came = _came_in(found) or _named(requirements)
    if not came:
        report("nothing was installed: it is all there already")
        return
    listing = _listed_afresh()
    plugins = [plugin for plugin in listing["installed"] if canonical(plugin["distribution"]) in came]
    if not plugins:
        names = ", ".join(came.values())
        raise I2IError(f"installed, but no plugin of i2i: {names}; a plugin has an entry point in the group i2i")
    for package in dict.fromkeys(plugin["distribution"] for plugin in plugins):
        for line in _brought(package, listing):
            answer(line)
    packages = {plugin["distribution"] for plugin in plugins}
    if any(broken["distribution"] in packages for broken in listing["broken"]):
        raise SystemExit(1)


@click.command(short_help="Remove plugins with pip.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-y", "--yes", is_flag=True, help="Remove them without asking.")
def uninstall(names: tuple[str, ...], yes: bool) -> None:
    """Remove plugins with pip, which asks first. NAME is a package or its entry point.

    \b
    i2i plugins uninstall i2i-lumen
    """
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here whether to remove; --yes does it")
    there = installed()
    for name in names:
        if not any(plugin.known_as(name) for plugin in there):
            raise UsageError(no_such_plugin(name, there))
    chosen = {plugin.distribution: plugin for plugin in there if any(plugin.known_as(name) for name in names)}
    _pip("uninstall", *(["--yes"] if yes else []), *chosen)
    importlib.invalidate_caches()
    left = {plugin.distribution for plugin in installed()} & chosen.keys()
    for package, plugin in chosen.items():
        answer(f"{package} {plugin.version}: {'still installed' if package in left else 'removed'}")
    if left:
        raise SystemExit(1)


def _pip(*words: str) -> None:
    """Run pip in this environment; its output is passed through. Raises `I2IError` where there is none or it fails."""
    if find_spec("pip") is None:
        raise I2IError(
            f"this environment has no pip ({sys.prefix}): run `{sys.executable} -m ensurepip`, or use the tool that "
            "made the environment"
        )
    done = subprocess.run([sys.executable, "-P", "-m", "pip", *(["--quiet"] if is_quiet() else []), *words])
    if done.returncode:
        raise I2IError(f"pip {words[0]} ended with exit code {done.returncode}; what it printed says why")


def _came_in(report: Path) -> dict[str, str]:
    """Canonical name → name and version of each package that pip installed now, as its report says."""
    items = json.loads(report.read_text(encoding="utf-8"))["install"]
    packages = [(item["metadata"]["name"], item["metadata"]["version"]) for item in items]
    return {canonical(name): f"{name} {version}" for name, version in packages}


def _named(requirements: Sequence[str]) -> dict[str, str]:
    """The plugins among the requirements that were there already, as `_came_in`."""
    beginnings = [re.match(r"[A-Za-z0-9][\w.-]*", word) for word in requirements]
    names = {canonical(found[0]) for found in beginnings if found}
    there = {canonical(plugin.distribution): plugin for plugin in installed()}
    return {name: f"{there[name].distribution} {there[name].version}" for name in names & there.keys()}


def _listed_afresh() -> Mapping[str, Any]:
    """What `i2i plugins list --json` says in a process of its own, which alone sees what pip has changed."""
    environment = {name: value for name, value in os.environ.items() if name != LIMIT}
    command = [sys.executable, "-P", "-m", "i2i", "plugins", "list", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise I2IError(f"installed, but `i2i plugins list` fails now: {' '.join(done.stderr.split())}")
    listing: Mapping[str, Any] = json.loads(done.stdout)
    return listing


def _brought(package: str, listing: Mapping[str, Any]) -> Iterator[str]:
    """Its names by kind, or why it is broken."""
    version = next(plugin["version"] for plugin in listing["installed"] if plugin["distribution"] == package)
    entries = [entry for entry in listing["entries"] if entry["distribution"] == package]
    reasons = [broken["reason"] for broken in listing["broken"] if broken["distribution"] == package]
    named = {kind: [entry["name"] for entry in entries if entry["kind"] == kind] for kind, _ in HOOKS.values()}
    kinds = [f"{kind} {', '.join(names)}" for kind, names in named.items() if names]
    if kinds or not reasons:
        yield f"{package} {version}: {'; '.join(kinds) or 'brings nothing'}"
    yield from (f"{click.style('broken', fg='red')}  {package} {version}: {reason}" for reason in reasons)
