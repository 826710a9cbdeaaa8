"""`i2i runs`: what was trained so far; reports of it, comparing runs, taking their weights out, removing them."""

from __future__ import annotations

import click

from i2i.cli.runs.comparing import compare
from i2i.cli.runs.exporting import export
from i2i.cli.runs.listing import listing
from i2i.cli.runs.removing import rm
from i2i.cli.runs.reporting import report


class ListingGroup(click.Group):
    """What names none of its commands is something to list."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Alone, or with options, it lists; --quiet and --verbose may stand before any of its commands."""
        passed_on = {name for parameter in self.params for name in parameter.opts} - {*ctx.help_option_names}
        first = next((word for word in args if word not in passed_on), "-")
        if not ctx.resilient_parsing and first.startswith("-") and first not in ctx.help_option_names:
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A folder is listed."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["list", *args])


@click.group(
    cls=ListingGroup,
    commands=[listing, report, compare, export, rm],
    subcommand_metavar="[FOLDER]... | COMMAND [ARGS]...",
    short_help="List runs, report on them, compare them, take their weights out, remove them.",
)
def runs() -> None:
    """List runs, report on them, compare them, take their weights out, remove them; alone it lists those in runs/.

    \b
    i2i runs
    i2i runs my-runs/ monet --json
    i2i runs report monet
    i2i runs compare monet monet-2
    i2i runs export monet --out monet.safetensors
    i2i runs rm monet-2
    """
