"""A model's translate options as a page shows them, and as a client may set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from i2i.contracts import FilePath, Options
from i2i.errors import RecipeError
from i2i.recipe import validate_options
from i2i.serving.labels import short
from i2i.serving.refusals import Refused

Kind = Literal["boolean", "integer", "number", "choice", "text"]
_KINDS: Mapping[str, Kind] = {"boolean": "boolean", "integer": "integer", "number": "number", "string": "text"}
_OF_PATHS = get_args(FilePath)[1:]
LONGEST_TEXT = 200
CLASSES = "class_name"
"""The option that names one of the model's classes."""


@dataclass(frozen=True)
class Option:
    """One translate option: a switch, a number, a choice or a word."""

    name: str
    kind: Kind
    description: str
    default: Any
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    nullable: bool = False


def described(defaults: Options, classes: tuple[str, ...] = ()) -> tuple[Option, ...]:
    """Those that a client may set: neither files nor anything with parts. `classes` are those that the model knows."""
    return tuple(_described(defaults, classes))


def check_options(defaults: Options, offered: tuple[Option, ...], given: Mapping[str, Any]) -> None:
    """Raises `Refused` for options of a client that are not as the model declares them."""
    known = {option.name: option for option in offered}
    for name, value in given.items():
        if name not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise Refused(422, f"options.{short(name, 60)}: this model has no such option; {there}")
        if isinstance(value, str) and known[name].kind == "text":
            _refuse_paths(name, value)
    try:
        validate_options(type(defaults), {**defaults.model_dump(), **given}, "options.")
    except RecipeError as error:
        raise Refused(422, "; ".join(error.problems)) from error


def _described(defaults: Options, classes: tuple[str, ...]) -> Iterator[Option]:
    schema = type(defaults).model_json_schema()
    values, definitions = to_jsonable_python(defaults), schema.get("$defs", {})
    for name, field in type(defaults).model_fields.items():
        found = _plain(schema["properties"][name], definitions)
        if found is None or _names_files(field):
            continue
        kind, part, nullable = found
        choices = tuple(part.get("enum", [part["const"]] if "const" in part else []))
        if name == CLASSES and classes:
            kind, choices = "choice", classes
        bounds = part.get("minimum", part.get("exclusiveMinimum")), part.get("maximum", part.get("exclusiveMaximum"))
        text = " ".join((field.description or "").split())
        yield Option(name, kind, text, values[name], choices, bounds[0], bounds[1], nullable)


def _plain(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[Kind, Mapping[str, Any], bool] | None:
    """Kind, the part of the schema that bounds it, and whether it may be null; None for what has parts."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    parts = schema.get("anyOf", [schema])
    others = [part for part in parts if part.get("type") != "null"]
    nullable = len(others) < len(parts)
    if len(others) != 1:
        return None
    (part,) = others
    if "$ref" in part:
        part = definitions[part["$ref"].rpartition("/")[2]]
    if "enum" in part or "const" in part:
        return "choice", part, nullable
    kind = _KINDS.get(str(part.get("type")))
    return None if kind is None else (kind, part, nullable)


def _names_files(field: FieldInfo) -> bool:
    return any(mark in _OF_PATHS for mark in (*field.metadata, *_marks(field.annotation)))


def _marks(annotation: Any) -> Iterator[Any]:
    """What is annotated anywhere in a type."""
    yield from getattr(annotation, "__metadata__", ())
    for part in get_args(annotation):
        yield from _marks(part)


def _refuse_paths(name: str, value: str) -> None:
    """A word may be a file to whoever reads it: none is named from afar."""
    if len(value) > LONGEST_TEXT or any(sign in value for sign in "/\\\0~") or value.startswith("."):
        raise Refused(422, f"options.{name}: a word of at most {LONGEST_TEXT} letters, without / \\ ~, not a path")
