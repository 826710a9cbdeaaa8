"""`i2i plugins new`."""

from __future__ import annotations

import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click

from i2i.cli.saying import report
from i2i.hookspecs import GROUP
from i2i.plugins import discover, installed
from i2i.scaffold import lay_out, named, refuse_taken


@click.command(short_help="Make a new plugin: a complete package to begin with.")
@click.argument("name")
@click.option("--dst", type=click.Path(path_type=Path), default=".", metavar="DIR", help="Folder to make it in.")
def new(name: str, dst: Path) -> None:
    """Make a new plugin in i2i-NAME/: a complete package that takes noise off pictures, to begin with.

    NAME has lower-case letters, digits and hyphens; it becomes that of the model, the trainer and the recipe.

    \b
    i2i plugins new lumen
    """
    plugin = named(name)
    points = entry_points(group=GROUP)  # those too that I2I_PLUGINS leaves out
    refuse_taken(plugin, discover(points), installed())
    folder = lay_out(plugin, dst)
    where = shlex.quote(str(folder))
    report(f"{folder}: a plugin with the model, the trainer and the recipe '{plugin.name}'")
    report("next:")
    report(f"  i2i plugins install -e {where}")
    report(f"  i2i plugins check {plugin.name}")
    report(f"  python -m pytest {where}")
    report(f"  i2i fit --plugin {plugin.name} --src photos/ --steps 100")
