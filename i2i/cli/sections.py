"""A command with many options, told by what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class Sectioned(click.Command):
    """Its `--help` lists the options under headings."""

    def __init__(self, *arguments: Any, sections: Mapping[str, str], **given: Any) -> None:
        """`sections`: heading → names of options, such as `--src --dst`; those that none names come last."""
        super().__init__(*arguments, **given)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections, one after the other."""
        left = {name: parameter for parameter in self.get_params(ctx) for name in parameter.opts}
        for heading, names in self.sections.items():
            _section(ctx, formatter, heading, [left.pop(name) for name in names.split()])
        _section(ctx, formatter, "Options", list(dict.fromkeys(left.values())))


def _section(
    ctx: click.Context, formatter: click.HelpFormatter, heading: str, parameters: list[click.Parameter]
) -> None:
    records = [parameter.get_help_record(ctx) for parameter in parameters]
    if shown := [record for record in records if record is not None]:
        with formatter.section(heading):
            formatter.write_dl(shown)
