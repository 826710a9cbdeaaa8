"""`i2i runs`: what was trained so far; comparing runs, taking their weights out, removing them."""

from __future__ import annotations

import click

from i2i.cli.runs.comparing import compare
from i2i.cli.runs.exporting import export
from i2i.cli.runs.listing import listing
from i2i.cli.runs.removing import rm


class ListingGroup(click.Group):
    """What names none of its commands is something to list."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Alone, or with options, it lists."""
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A folder is listed."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["list", *args])


@click.group(
    cls=ListingGroup,
    commands=[listing, compare, export, rm],
    subcommand_metavar="[FOLDER]... | COMMAND [ARGS]...",
    short_help="List runs, compare them, take their weights out, remove them.",
)
def runs() -> None:
    """List runs, compare them, take their weights out, remove them; alone it lists those in runs/.

    \b
    i2i runs
    i2i runs my-runs/ monet --json
    i2i runs compare monet monet-2
    i2i runs export monet --out monet.safetensors
    i2i runs rm monet-2
    """
