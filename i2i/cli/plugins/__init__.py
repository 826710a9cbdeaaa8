"""`i2i plugins`: what is installed and what it brings; making, checking, installing and removing plugins."""

from __future__ import annotations

import click

from i2i.cli.plugins.checking import check
from i2i.cli.plugins.installing import install, uninstall
from i2i.cli.plugins.listing import listing
from i2i.cli.plugins.making import new
from i2i.cli.plugins.showing import show
from i2i.errors import UsageError


@click.group(
    commands=[listing, show, new, check, install, uninstall],
    invoke_without_command=True,
    short_help="List, show, make, check and install plugins.",
)
@click.option("--json", "as_json", is_flag=True, help="With no command: print the list as JSON, for programs.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List, show, make, check and install plugins; alone it lists.

    I2I_PLUGINS=a,b in the environment limits what commands load to these plugins, I2I_PLUGINS= to none; `new` and
    `check` look at all.

    \b
    i2i plugins
    i2i plugins show cyclegan
    i2i plugins new lumen
    """
    if context.invoked_subcommand is None:
        context.invoke(listing, as_json=as_json)
    elif as_json:
        raise UsageError(f"--json: stands behind {context.invoked_subcommand}, where that has it")
