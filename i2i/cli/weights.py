"""Weights as a user names them: a file, or where it lies on the web."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

import click

from i2i.cli.saying import is_quiet, remark
from i2i.errors import UsageError
from i2i.hub.addresses import Remote, is_address, parsed
from i2i.ranks.group import is_first


class WeightsType(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.5 on
    """A `Path`, or a `Remote`. An empty text, such as a variable that is not set leaves, is refused."""

    name = "weights"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path | Remote:
        """Raises `UsageError` where it reads as an address and is none."""
        if isinstance(value, Path | Remote):
            return value
        if value == "":
            raise UsageError(f"{param.opts[0] if param else 'weights'}: empty; a weights file is named, or its address")
        return parsed(value, progress=not is_quiet()) if is_address(value) else Path(value)


WEIGHTS = WeightsType()


@overload
def at_hand(given: None, pickles: bool = False) -> None: ...
@overload
def at_hand(given: Path | Remote, pickles: bool = False) -> Path: ...
def at_hand(given: Path | Remote | None, pickles: bool = False) -> Path | None:
    """The file itself, fetched and told of where it lies on the web; a pickle only for who can read some.

    Raises `I2IError` where it cannot be had.
    """
    if not isinstance(given, Remote):
        return given
    from i2i.hub.fetching import fetched

    if not pickles:
        given.refuse_pickle()
    found = fetched(given)
    if is_first():  # it speaks for all ranks
        remark(f"{found.path}: {found.origin}")
    return found.path
