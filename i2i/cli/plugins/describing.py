"""What `i2i plugins show` tells programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from i2i.contracts import ModelSpec, Spec
from i2i.plugins import Catalog, Entry, Installed


def plain(
    package: str, chosen: Sequence[Entry[Any]], catalog: Catalog, plugins: Sequence[Installed]
) -> dict[str, object]:
    """A package: where it comes from, whether it is healthy, and the chosen ones of what it brings."""
    versions = [plugin.version for plugin in plugins if plugin.distribution == package]
    reasons = [broken.reason for broken in catalog.broken if broken.distribution == package]
    is_left_out = any(plugin.distribution == package for plugin in catalog.left_out)
    return {
        "distribution": package,
        "version": versions[0] if versions else chosen[0].version,
        "entry_points": {plugin.name: plugin.module for plugin in plugins if plugin.distribution == package},
        "state": "broken" if reasons else "left out" if is_left_out else "healthy",
        "reason": reasons[0] if reasons else None,
        "entries": [_entry(entry) for entry in chosen],
    }


def _entry(entry: Entry[Any]) -> dict[str, object]:
    spec = entry.value
    told: dict[str, object] = {"kind": entry.kind, "name": entry.name}
    if isinstance(spec, Spec):
        told |= {"summary": spec.summary, "paper": spec.paper, "api_version": spec.api_version}
        told["options"] = spec.options.model_json_schema()
    if isinstance(spec, ModelSpec):
        told["translate_options"] = spec.translate_options.model_json_schema()
    return told
