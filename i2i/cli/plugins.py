"""`i2i plugins`."""

from __future__ import annotations

import json

import click

from i2i.plugins import Catalog, discover


@click.command(short_help="List what is installed, and what is broken and why.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def plugins(as_json: bool) -> None:
    """List every model, loss, trainer, dataset and recipe with the package it comes from.

    \b
    i2i plugins
    i2i plugins --json
    """
    catalog = discover()
    if as_json:
        click.echo(json.dumps(_plain(catalog), indent=2))
        return
    rows = [("KIND", "NAME", "PACKAGE", "SUMMARY")]
    for entry in catalog:
        summary = "" if entry.kind == "recipe" else entry.value.summary
        rows.append((entry.kind, entry.name, f"{entry.distribution} {entry.version}", summary))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        click.echo("  ".join([*cells, row[3]]).rstrip())
    for plugin in catalog.broken:
        click.echo(f"{click.style('broken', fg='red')}  {plugin.distribution} {plugin.version}: {plugin.reason}")


def _plain(catalog: Catalog) -> dict[str, object]:
    entries = [
        {"kind": entry.kind, "name": entry.name, "distribution": entry.distribution, "version": entry.version}
        for entry in catalog
    ]
    return {"entries": entries, "broken": [vars(plugin) for plugin in catalog.broken]}
