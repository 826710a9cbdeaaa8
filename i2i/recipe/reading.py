"""YAML text becomes plain data; text that is none is refused in one line, whatever the parser makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources.abc import Traversable
from typing import Any

import yaml

from i2i.errors import RecipeError, UsageError

DEEPEST = 50
"""Levels of nesting; a recipe has three or four."""


def read(path: Traversable) -> str:
    """The text of a recipe file. Raises `UsageError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read as a recipe ({str(error.strerror).lower()})") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: cannot be read as a recipe (not UTF-8 text)") from error


def sections(text: str, source: str) -> dict[str, Any]:
    """The keys of a recipe's text. Raises `RecipeError` that names `source`."""
    try:
        data = _plain(text)
    except ValueError as error:
        raise RecipeError([f"{source}: not YAML: {error}"]) from error
    if not isinstance(data, dict):
        raise RecipeError([f"{source}: expected sections such as `model:` and `run:`, found {data!r}"])
    return data


def key_and_value(text: str) -> tuple[tuple[str, ...], Any]:
    """What one `--set` says: its dotted key in parts, and its value. Raises `UsageError` that quotes it."""
    key, found, value = text.partition("=")
    parts = tuple(key.strip().split("."))
    if not found or not all(parts):
        raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set run.batch=4")
    try:
        return parts, _plain(value)
    except ValueError as error:
        cause = error.__cause__
        reason = cause.problem if isinstance(cause, yaml.MarkedYAMLError) else error  # where it is, all can see
        raise UsageError(f"--set {text}: not a YAML value ({reason})") from error


def _plain(text: str) -> Any:
    """YAML as finite data. Raises `ValueError`, in one line."""
    try:
        data = yaml.safe_load(text)
        _refuse_depth(data)
    except RecursionError as error:
        raise ValueError("it holds itself, or is nested too deep") from error
    except Exception as error:  # PyYAML lets through whatever `int`, `datetime` and the like make of odd text
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    return data


def _refuse_depth(data: Any, depth: int = 0) -> None:
    """Raise `RecursionError` for what is nested absurdly deep, as what holds itself by way of an anchor is."""
    if depth > DEEPEST:
        raise RecursionError
    inside = data.values() if isinstance(data, Mapping) else data if isinstance(data, list | tuple) else ()
    for value in inside:
        _refuse_depth(value, depth + 1)
