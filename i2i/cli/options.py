"""Options in words, for whoever reads a recipe or a plugin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

BOUNDS = (
    ("minimum", "≥ {}"),
    ("exclusiveMinimum", "> {}"),
    ("maximum", "≤ {}"),
    ("exclusiveMaximum", "< {}"),
    ("minItems", "of length ≥ {}"),
    ("maxItems", "of length ≤ {}"),
    ("minLength", "of length ≥ {}"),
    ("maxLength", "of length ≤ {}"),
    ("pattern", "matching {}"),
    ("multipleOf", "a multiple of {}"),
)


def commented(schema: Mapping[str, Any], definitions: Mapping[str, Any], field: FieldInfo) -> str:
    """Description, type, bounds and default of an option, whose JSON schema may refer to definitions."""
    default = (
        "no default" if field.is_required() else f"default {in_yaml(field.get_default(call_default_factory=True))}"
    )
    parts = [described(field), _type(schema, definitions), default]
    return "; ".join(part for part in parts if part)


def described(field: FieldInfo) -> str:
    """An option's description, in one line."""
    return " ".join((field.description or "").split())


def _type(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _type(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return " or ".join(_type(choice, definitions) for choice in schema["anyOf"])
    if "properties" in schema:
        return "{" + ", ".join(schema["properties"]) + "}"
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "any")
    if kind == "array" and "items" in schema:
        kind = f"list of {_type(schema['items'], definitions)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        kind = f"mapping to {_type(schema['additionalProperties'], definitions)}"
    bounds = [text.format(_bound(schema[key])) for key, text in BOUNDS if key in schema]
    return " ".join([kind, ", ".join(bounds)]).rstrip()


def _bound(bound: Any) -> Any:
    """0 rather than 0.0, which pydantic's older versions give."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def in_yaml(value: Any) -> str:
    """One line of YAML."""
    plain = to_jsonable_python(value)
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
    text = text.removesuffix("...\n").strip()
    return json.dumps(plain, ensure_ascii=False) if "\n" in text else text  # JSON is YAML, and keeps to its line
