"""What a command says and where: answers on standard output, all else as loud as --quiet and --verbose want it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import click


class Loudness(IntEnum):
    """How much is said. Errors, and what was asked for, always are."""

    QUIET = 0
    NORMAL = 1
    VERBOSE = 2


@dataclass
class Voice:
    """How loud this command is; click's contexts hand it down."""

    loudness: Loudness = Loudness.NORMAL


def voice() -> Voice:
    """Of the command that is running; a normal one where none is."""
    context = click.get_current_context(silent=True)
    return Voice() if context is None else context.ensure_object(Voice)


def is_quiet() -> bool:
    """Whether nothing but errors and answers is wanted."""
    return voice().loudness == Loudness.QUIET


def is_verbose() -> bool:
    """Whether what is decided on the way is wanted too."""
    return voice().loudness == Loudness.VERBOSE


def answer(text: str) -> None:
    """What was asked for, on standard output: a table, JSON, a recipe."""
    click.echo(text)


def answer_json(content: object) -> None:
    """The same as JSON, in ASCII: a terminal or a pipe of any encoding takes it."""
    click.echo(json.dumps(content, indent=2, default=str))


def report(text: str) -> None:
    """What was done and what may be done next, on standard output, unless quiet."""
    if not is_quiet():
        click.echo(text)


def remark(text: str) -> None:
    """How it is done, on standard error, unless quiet."""
    if not is_quiet():
        click.echo(text, err=True)


def warn(text: str) -> None:
    """What went wrong though the command goes on, on standard error, always."""
    click.echo(text, err=True)


def detail(text: str) -> None:
    """What was decided on the way, on standard error, where --verbose asks for it."""
    if is_verbose():
        click.echo(click.style(text, dim=True), err=True)


def colour(environment: Mapping[str, str]) -> bool | None:
    """Whether to colour: False by NO_COLOR or TERM=dumb, True by FORCE_COLOR, None as each stream is a terminal.

    >>> colour({"NO_COLOR": "1", "FORCE_COLOR": "1"}), colour({"FORCE_COLOR": "1"}), colour({"NO_COLOR": ""})
    (False, True, None)
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return False if is_dumb(environment) else None


def is_dumb(environment: Mapping[str, str]) -> bool:
    """Whether the terminal only adds lines: nothing on it can move."""
    return environment.get("TERM", "").lower() in ("dumb", "unknown")


def is_live() -> bool:
    """Whether a line that moves may be shown: on a terminal that can, and not when quiet, whatever FORCE_COLOR says."""
    return sys.stderr.isatty() and not is_dumb(os.environ) and not is_quiet()
