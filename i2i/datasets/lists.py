"""Lists of pictures: text files with a path or a URL a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from i2i.datasets.reaching import Reached, expecting
from i2i.errors import UsageError
from i2i.images.sources.remote import url_of

LIST_SUFFIXES = (".lst", ".txt")


class Line(NamedTuple):
    """One line of a list."""

    number: int
    text: str
    """As it is written."""
    source: str
    """The path or URL that it means, wherever the list lies."""

    @property
    def is_relative(self) -> bool:
        """Whether it is meant from where the list lies."""
        return url_of(self.text) is None and not self.text.startswith("/")


def is_list(name: str) -> bool:
    """Whether a file of this name is read as a list; upper and lower case are one."""
    return name.lower().endswith(LIST_SUFFIXES)


def lines_of(place: Path | Reached) -> Iterator[Line]:
    """What a list holds, but for blank lines and those that begin with #.

    Raises `UsageError` where it is missing, is no text or names nothing, `I2IError` where it cannot be read.
    """
    empty = True
    for number, written in enumerate(_text(place).split("\n"), start=1):
        if (text := written.strip()) and not text.startswith("#"):
            empty = False
            line = Line(number, text, text)
            yield line._replace(source=_beside(place, text)) if line.is_relative else line
    if empty:
        raise UsageError(f"{place}: names no pictures (a path or a URL a line)")


def _text(place: Path | Reached) -> str:
    with expecting(str(place)):
        contents = place.read_bytes()
    try:
        return contents.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UsageError(f"{place}: is read as a list, a path or a URL a line, and is no text in UTF-8") from problem


def _beside(place: Path | Reached, text: str) -> str:
    return place.beside(text).url if isinstance(place, Reached) else str(place.parent / text)
