"""A new plugin: the complete package `i2i-lumen`, which lies beside this file, laid out under another name."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from i2i.errors import UsageError
from i2i.plugins import CORE, Catalog, Entry, Installed, canonical

PREFIX = "i2i-"
PATTERN = "i2i-lumen"
LEFT_BEHIND = ("__pycache__", ".pytest_cache")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SPELLINGS = re.compile("Lumen|_lumen|lumen")


@dataclass(frozen=True)
class PluginName:
    """What a new plugin is called: `soft-focus`, in each of the ways in which its files spell it."""

    name: str

    @property
    def distribution(self) -> str:
        """`i2i-soft-focus`, its folder too."""
        return PREFIX + self.name

    def spelled(self, text: str) -> str:
        """The pattern's text with this name: `i2i_soft_focus`, `SoftFocus`, and `soft-focus` elsewhere."""
        words = self.name.split("-")
        spellings = {
            "Lumen": "".join(word.capitalize() for word in words),
            "_lumen": "_".join(["", *words]),
            "lumen": self.name,
        }
        return _SPELLINGS.sub(lambda found: spellings[found[0]], text)


def named(text: str) -> PluginName:
    """The name that a user means. Raises `UsageError` where it is none, with one that would do.

    >>> named("i2i-lumen").name, named("soft_focus").name
    ('lumen', 'soft-focus')
    """
    name = text.removeprefix(PREFIX).replace("_", "-")
    if name == CORE:
        raise UsageError(f"'{text}' is the core itself; name what the plugin does, such as 'lumen'")
    if not _NAME.fullmatch(name):
        near = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-0123456789")
        example = f", such as '{near}'" if _NAME.fullmatch(near) and near != CORE else ", such as 'lumen'"
        raise UsageError(
            f"'{text}' cannot name a plugin: lower-case letters, digits and hyphens, the first a letter{example}"
        )
    return PluginName(name)


def refuse_taken(plugin: PluginName, catalog: Catalog, installed: tuple[Installed, ...]) -> None:
    """Raise `UsageError` where a name in the catalog, or a plugin that is installed, is called so already."""
    for entry in catalog:
        if canonical(entry.name) == plugin.name:
            raise _taken(plugin, f"a {entry.kind}", entry)
    for other in installed:
        if other.known_as(plugin.name) or other.known_as(plugin.distribution):
            raise _taken(plugin, "a plugin", other)


def _taken(plugin: PluginName, what: str, owner: Entry[Any] | Installed) -> UsageError:
    package = f"{owner.distribution} {owner.version}"
    return UsageError(f"'{plugin.name}' is the name of {what} already, from {package}; choose another")


def lay_out(plugin: PluginName, folder: Path) -> Path:
    """Write the package into `folder`, whole or not at all; answers where it lies.

    Raises `UsageError` where something lies there.
    """
    root = folder / plugin.distribution
    if root.exists():
        raise UsageError(f"{root}: lies there already; choose another name or --dst")
    try:
        for place, text in _texts(files(__name__) / PATTERN, Path()):
            path = root / plugin.spelled(place.as_posix())
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(plugin.spelled(text), encoding="utf-8")
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)  # else the next try finds half a plugin in its way
        raise
    return root


def _texts(folder: Traversable, below: Path) -> Iterator[tuple[Path, str]]:
    """Every file of the pattern: its path and its text."""
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name in LEFT_BEHIND:
            continue
        if item.is_dir():
            yield from _texts(item, below / item.name)
        else:
            yield below / item.name, item.read_text(encoding="utf-8")
