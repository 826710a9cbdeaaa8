"""Parts of a report that need no script: facts as tables, a recipe with its keys marked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

LONGEST = 2000
"""Characters that are shown of one value."""
MOST_ROWS = 200
KEY = re.compile(r"^(\s*(?:- )*)([\w.-]+)(:)(?= |$)")


def table(facts: Mapping[str, Any]) -> str:
    """Names and what they are, as the rows of a table; what is nested becomes a table below its name."""
    rows = [
        f'<tr><th scope="row">{escape(str(name))}</th><td>{value_of(value)}</td></tr>'
        for name, value in list(facts.items())[:MOST_ROWS]
    ]
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def data_tables(data: Mapping[str, Any]) -> str:
    """The statistics of a dataset: its parts side by side where they are told of alike."""
    parts = {name: part for name, part in data.items() if isinstance(part, Mapping)}
    rest = {name: value for name, value in data.items() if name not in parts}
    facts = list(dict.fromkeys(fact for part in parts.values() for fact in part))[:MOST_ROWS]
    head = "".join(f'<th scope="col">{escape(str(name))}</th>' for name in parts)
    rows = [
        f'<tr><th scope="row">{escape(str(fact))}</th>'
        + "".join(f"<td>{value_of(part.get(fact, ''))}</td>" for part in parts.values())
        + "</tr>"
        for fact in facts
    ]
    side_by_side = f'<div class="scroll"><table><tr><td></td>{head}</tr>{"".join(rows)}</table></div>' if parts else ""
    return side_by_side + (table(rest) if rest else "")


def value_of(value: object) -> str:
    """A value as HTML."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{name} {said}" for name, said in value.items())
        return escape(_cut(inner))
    if isinstance(value, Sequence) and not isinstance(value, str):
        few = [str(item) for item in value[:20]]
        more = [f"… {len(value) - 20} more"] if len(value) > 20 else []
        return "<br>".join(escape(_cut(item)) for item in [*few, *more]) or "none"
    if value is None:
        return "none"
    return escape(_cut(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)))


def highlighted(recipe: str) -> str:
    """YAML as HTML, keys and remarks marked."""
    return "\n".join(_line(line) for line in recipe.splitlines())


def _line(line: str) -> str:
    if line.lstrip().startswith("#"):
        return f'<span class="remark">{escape(line)}</span>'
    if (found := KEY.match(line)) is None:
        return escape(line)
    rest = escape(line[found.end() :])
    return f'{escape(found[1])}<span class="key">{escape(found[2])}</span>{found[3]}{rest}'


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
