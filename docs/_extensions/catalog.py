"""Directives that ask the code: `catalog KIND`, a table of what i2i itself brings; `checks`, the contract suite's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from i2i import discover
from i2i.testing import datasets, losses, models, package, trackers, trainers
from i2i.testing.checks import Check

Row = tuple[str, ...]


def _loss(spec: Any) -> Row:
    return f"`{spec.name}`", spec.kind, spec.summary


def _dataset(spec: Any) -> Row:
    keys = ", ".join(f"`{key}`" for key in spec.keys)
    return f"`{spec.name}`", " ".join(f"`--{flag}`" for flag in spec.cli), keys, spec.summary


TABLES: Mapping[str, tuple[Row, Callable[[Any], Row]]] = MappingProxyType(
    {
        "loss": (("loss", "kind", "what it is"), _loss),
        "dataset": (("dataset", "folders", "a sample holds", "what it is"), _dataset),
    }
)


def table(kind: str) -> Iterator[str]:
    """The lines of a table of the built-in entries of a kind, in Markdown."""
    titles, row = TABLES[kind]
    yield from (_line(titles), _line(("---",) * len(titles)))
    for entry in discover(()):
        if entry.kind == kind:
            yield _line(row(entry.value))


def _line(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"


def suites() -> dict[str, Sequence[Check]]:
    """What is checked → the checks."""
    of_kind = {
        f"A loss of kind {entry.value.kind}": losses.checks(entry) for entry in discover(()) if entry.kind == "loss"
    }
    return {
        "The package": package.CHECKS,
        **of_kind,
        "A dataset": datasets.CHECKS,
        "A model": models.CHECKS,
        "A trainer": trainers.CHECKS,
        "A tracker": trackers.CHECKS,
    }


def sentences() -> Iterator[str]:
    """The lines of a list of all checks, in Markdown."""
    for title, checks in suites().items():
        yield from (f"**{title}**", "", *(f"- {check.sentence}" for check in checks), "")


class Asked(SphinxDirective):
    """Markdown that the code gives, in the place of the directive."""

    def lines(self) -> Iterator[str]:
        """The Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """What Sphinx asks for."""
        parent = nodes.Element()
        self.state.nested_parse(StringList(list(self.lines()), self.name), self.content_offset, parent)
        return parent.children


class Catalog(Asked):
    """A table of the built-in entries of a kind."""

    required_arguments: ClassVar[int] = 1

    def lines(self) -> Iterator[str]:
        """The table."""
        return table(self.arguments[0])


class Checks(Asked):
    """Every check of the contract suite."""

    def lines(self) -> Iterator[str]:
        """The list."""
        return sentences()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("catalog", Catalog)
    app.add_directive("checks", Checks)
    return {"parallel_read_safe": True}
