"""What autodoc needs to show these docstrings and signatures as they are meant."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from sphinx.application import Sphinx

from i2i import Options


def as_restructured_text(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings begin a list right below its sentence and say `*` outside of literals; options describe themselves."""
    text = re.sub(r"`[^`]*`|[*]", lambda found: "\\*" if found[0] == "*" else found[0], "\n".join(lines))
    text = re.sub(r"^(?!- |  )(.+)\n(?=- )", r"\1\n\n", text, flags=re.M)
    lines[:] = re.sub(r"^((?:- |  ).+)\n(?=\w)", r"\1\n\n", text, flags=re.M).split("\n")
    if isinstance(thing, type) and issubclass(thing, Options):
        lines += [f"- `{key}`: {field.description}" for key, field in thing.model_fields.items()]


def as_written(app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str, answer: str) -> Any:
    """A dataclass's fields as its source has them; of options and protocols none: what they have follows."""
    if isinstance(thing, type) and (issubclass(thing, Options) or getattr(thing, "_is_protocol", False)):
        return "", None
    if isinstance(thing, type) and dataclasses.is_dataclass(thing):
        return f"({', '.join(map(_field, dataclasses.fields(thing)))})", None
    return None


def _field(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        default = "" if field.default_factory is dataclasses.MISSING else " = …"
    else:
        default = f" = {getattr(field.default, '__name__', None) or repr(field.default)}"
    return f"{field.name}: {field.type}{default}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", as_restructured_text)
    app.connect("autodoc-process-signature", as_written)
    return {"parallel_read_safe": True}
