"""Pictures of two folders that belong together by their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from i2i.datasets.folders import Domain
from i2i.errors import UsageError
from i2i.images.names import Rewrite, key_of


def partners(source: Domain, target: Domain, rewrite: Rewrite, example: str) -> Mapping[Path, Path]:
    """The target of each source, but of those whose target is broken; suffixes do not count.

    `example` is what `match` might be, for the message. Raises `UsageError` where a source has no target or several,
    or where not one of them has a target that can be read.
    """
    named: dict[str, list[Path]] = {}
    for path, name in target.pictures.items():
        named.setdefault(key_of(name), []).append(path)
    broken = set(map(key_of, target.names_of_broken))
    partner_of = {}
    for path, name in source.pictures.items():
        wanted = rewrite.of(key_of(name))
        found = named.get(wanted, [])
        if not found and wanted in broken:
            continue
        if len(found) != 1:
            several = f"{len(found)} pictures {wanted}.* under dataset.{target.name}"
            raise UsageError(
                f"{path}: {several if found else f'no {wanted}.* there'}; names must be the same, or differ as "
                f"dataset.match says: --set 'dataset.match={example}'"
            )
        partner_of[path] = found[0]
    if not partner_of:
        raise UsageError(f"dataset.{target.name}: no picture's partner can be read ({target.broken[0].reason})")
    return partner_of
