"""Every command that the site shows is one that i2i understands: its options exist, its recipe is valid."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from i2i import Catalog, discover, load_recipe
from i2i.cli import i2i

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("**/*.md"))
READMES = [ROOT / "README.md", *sorted((ROOT / "plugins").glob("*/README.md"))]
BLOCK = re.compile(r"^```(?:console|sh)?\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`(i2i [^`\n]+)`(?!`)")
INVENTED = ("pinball", "lumen", "grade")
"""A loss and plugins that pages bring as examples and nobody installs."""
TUTORIAL = "tutorial.md"
"""Brings a plugin that is not installed here, and is run whole by another test."""


def commands(page: str) -> Iterator[tuple[str, bool]]:
    """Every command of a page without what follows it in the shell, and whether it is whole: one in prose need not be.

    Those in which something is left out (`…`) are passed over.
    """
    found = [(line.removeprefix("$ "), True) for block in BLOCK.findall(page) for line in block.splitlines()]
    for line, whole in [*found, *((line, False) for line in INLINE.findall(page))]:
        words = line.partition("  #")[0].strip()
        if words.startswith("i2i ") and "…" not in words:
            yield re.split(r" (?:&&|\||>|&)(?: |$)", words)[0].replace("NAME", "cyclegan"), whole


def shown_on(pages: list[Path]) -> list[Any]:
    return [
        pytest.param(line, whole, id=f"{page.relative_to(ROOT)}: {line}")
        for page in pages
        if page.name != TUTORIAL
        for line, whole in dict.fromkeys(commands(page.read_text(encoding="utf-8")))
        if not any(name in line for name in INVENTED)
    ]


def understood(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command's name and its parameters. Raises `click.UsageError` where there is no such thing."""
    command: click.Command = i2i
    context, name = click.Context(i2i), "i2i"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found, chosen, words = command.resolve_command(context, words)
        assert found is not None
        assert chosen is not None
        command, name = chosen, found
        context = click.Context(command, parent=context, info_name=name)
    return name, command.make_context(name, list(words), parent=context.parent).params


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def refuse_what_is_wrong(line: str, catalog: Catalog, whole: bool = True) -> None:
    words = shlex.split(line)[1:]
    if {"--help", "--version"} & set(words):
        return
    try:
        name, given = understood(words)
    except click.MissingParameter:
        if whole:
            raise
        return
    plugin, config = given.get("plugin"), given.get("config")
    overrides = given.get("overrides") or ()
    if config is not None:
        config = ROOT / config
    if name in {"fit", "show", "translate", "evaluate"} and (plugin or (config and config.exists())):
        carried = name in {"translate", "evaluate"} and not any(text.startswith("model.") for text in overrides)
        load_recipe(catalog, plugin, config, () if carried else overrides)


@pytest.mark.parametrize(("line", "whole"), shown_on(PAGES))
def test_a_command_of_the_site_is_understood(line: str, whole: bool, catalog: Catalog) -> None:
    refuse_what_is_wrong(line, catalog, whole)


@pytest.mark.parametrize(("line", "whole"), shown_on(READMES))
def test_a_command_of_a_readme_is_understood(line: str, whole: bool, catalog: Catalog) -> None:
    refuse_what_is_wrong(line, catalog, whole)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("i2i train --plugin cyclegan", "No such command"),
        ("i2i fit --plugin cyclegan --source photos", "No such option"),
        ("i2i data sheet photos", "Missing parameter: out"),
        ("i2i fit --plugin cyclegann", "unknown recipe 'cyclegann'"),
        ("i2i fit --plugin cyclegan --set model.widht=3", "unknown key; did you mean 'width'"),
        ("i2i translate --plugin gatys --set model.stile=a.jpg --dst out", "unknown key; did you mean 'style'"),
    ],
)
def test_a_command_that_is_none_would_be_noticed(line: str, complaint: str, catalog: Catalog) -> None:
    with pytest.raises(Exception, match=re.escape(complaint)) as refused:
        refuse_what_is_wrong(line, catalog)
    assert refused.type.__module__ in {"click.exceptions", "i2i.errors"}
