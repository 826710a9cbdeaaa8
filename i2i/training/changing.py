"""How two recipes of a run differ, as far as it decides the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from i2i.recipe import RunOptions

HARMLESS = frozenset(
    f"run.{name}"
    for name in ("steps", "device", "workers", "log_every", "sample_every", "checkpoint_every", "checkpoint_minutes")
) | {
    "name",
    "run.keep",
    "run.keep_every",
    "run.max_bad",
    "run.note",
    "run.validate_every",
    "run.patience",
    "run.report",
    "run.recompute",
    "dataset.cache",
    "dataset.cache_gigabytes",
}
"""What may change while a run goes on, as no number depends on it."""


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What differs between two recipes and decides the numbers: `trainer.learning_rate 0.1 → 0.2`."""
    return [f"{name} {old} → {new}" for name, (old, new) in differing(before, after).items()]


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name → what it was and what it is, of what decides the numbers."""
    old, new = flat(before), flat(after)
    defaults = {f"run.{name}": field.default for name, field in RunOptions.model_fields.items()}
    old = {**{name: value for name, value in defaults.items() if name in new}, **old}  # of before there was the option
    names = [name for name in {**old, **new} if not _is_harmless(name) and old.get(name) != new.get(name)]
    return {name: (old.get(name), new.get(name)) for name in names}


def _is_harmless(name: str) -> bool:
    return name in HARMLESS or name.startswith("trackers.")  # who merely follows the run


def flat(recipe: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted keys → values."""
    found: dict[str, Any] = {}
    for key, value in recipe.items():
        inner = value if isinstance(value, dict) else None
        found |= {above + key: value} if inner is None else flat(inner, f"{above}{key}.")
    return found
