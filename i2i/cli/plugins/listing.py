"""`i2i plugins list`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from i2i.cli.saying import answer_json
from i2i.contracts import Spec
from i2i.plugins import LIMIT, Catalog, Entry, discover, installed

TITLES = ("KIND", "NAME", "PACKAGE", "API", "STATE", "SUMMARY")
HEALTHY, BROKEN = "healthy", "broken"


@click.command("list", short_help="List what is installed, and what is broken and why.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def listing(as_json: bool) -> None:
    """List every model, loss, trainer, dataset, tracker and recipe with the package it comes from.

    API is the version of i2i's contracts that it needs. What is broken comes last, with the reason.

    \b
    i2i plugins list
    i2i plugins list --json
    """
    catalog = discover()
    if as_json:
        answer_json(_plain(catalog))
        return
    rows = [TITLES, *map(_row, catalog)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) - 1)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        click.echo("  ".join([*cells, row[-1]]).rstrip())
    if catalog.left_out:
        names = ", ".join(f"{plugin.distribution} {plugin.version}" for plugin in catalog.left_out)
        click.echo(f"left out by {LIMIT}: {names}")
    for plugin in catalog.broken:
        click.echo(f"{click.style(BROKEN, fg='red')}  {plugin.distribution} {plugin.version}: {plugin.reason}")


def _row(entry: Entry[Any]) -> tuple[str, ...]:
    needed, summary = _api_version(entry), _summary(entry)
    package = f"{entry.distribution} {entry.version}"
    return entry.kind, entry.name, package, "–" if needed is None else str(needed), HEALTHY, summary


def _plain(catalog: Catalog) -> dict[str, object]:
    entries = [
        {
            "kind": entry.kind,
            "name": entry.name,
            "distribution": entry.distribution,
            "version": entry.version,
            "api_version": _api_version(entry),
            "state": HEALTHY,
            "summary": _summary(entry),
        }
        for entry in catalog
    ]
    return {
        "entries": entries,
        "broken": [{**asdict(plugin), "state": BROKEN} for plugin in catalog.broken],
        "left_out": [asdict(plugin) for plugin in catalog.left_out],
        "installed": [asdict(plugin) for plugin in installed()],
    }


def _api_version(entry: Entry[Any]) -> int | None:
    """None for a recipe: it is no contract, but text."""
    return entry.value.api_version if isinstance(entry.value, Spec) else None


def _summary(entry: Entry[Any]) -> str:
    return entry.value.summary if isinstance(entry.value, Spec) else ""
