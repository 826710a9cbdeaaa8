"""`i2i show`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from i2i.contracts import Options
from i2i.plugins import discover
from i2i.recipe import Part, Recipe, RunOptions, load_recipe

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


@click.command(short_help="Print a recipe with every option explained.")
@click.argument("plugin", required=False)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file laid over the recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One recipe key; may be repeated.")
def show(plugin: str | None, config: Path | None, overrides: tuple[str, ...]) -> None:
    """Print the resolved recipe as YAML, each option with its description, type, bounds and default.

    What it prints is itself a recipe for --config.

    \b
    i2i show cyclegan
    i2i show cyclegan-light --set model.width=48 > mine.yaml && i2i fit --config mine.yaml …
    """
    for line in explained(load_recipe(discover(), plugin, config, overrides)):
        click.echo(line)


def explained(recipe: Recipe) -> Iterator[str]:
    """The lines of a recipe with comments."""
    yield f"name: {_value(recipe.name)}"
    for section, part in (("model", recipe.model), ("dataset", recipe.dataset)):
        yield f"{section}:"
        yield from _part(part, "  ")
    yield "losses:"
    for role, play in recipe.trainer.entry.value.roles.items():
        loss = recipe.losses[role]
        yield f"  # {play.summary}; takes losses of kind {play.kind}{', may be null' if play.optional else ''}"
        yield f"  {role}:" if loss else f"  {role}: null"
        if loss:
            yield from _part(loss, "    ", weight=loss.weight)
    yield "trainer:"
    yield from _part(recipe.trainer, "  ")
    yield "run:"
    yield from _options(recipe.run, RunOptions, "  ")
    translate = recipe.model.entry.value.translate_options
    if translate.model_fields:
        yield "# when translating, --set translate.KEY=VALUE:"
        yield from (f"# {line}" for line in _options(translate(), translate, "  "))


def _part(part: Part, indent: str, weight: float | None = None) -> Iterator[str]:
    entry = part.entry
    yield f"{indent}use: {entry.name}  # {entry.value.summary} ({entry.distribution} {entry.version})"
    if entry.value.paper:
        yield f"{indent}# {entry.value.paper}"
    if weight is not None:
        yield f"{indent}weight: {_value(weight)}  # what the loss is multiplied by; number; default 1.0"
    yield from _options(part.options, entry.value.options, indent)


def _options(values: Options, options: type[Options], indent: str) -> Iterator[str]:
    schema = options.model_json_schema()["properties"]
    data = values.model_dump(mode="json")
    lines = [
        (f"{indent}{key}: {_value(data[key])}", _comment(schema[key], options.model_fields[key])) for key in schema
    ]
    width = max((len(text) for text, _ in lines), default=0)
    for text, comment in lines:
        yield f"{text.ljust(min(width, 44))}  # {comment}"


def _comment(schema: Mapping[str, Any], field: FieldInfo) -> str:
    default = "no default" if field.is_required() else f"default {_value(field.get_default(call_default_factory=True))}"
    parts = [" ".join((field.description or "").split()), _type(schema), default]
    return "; ".join(part for part in parts if part)


def _type(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(choice) for choice in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = "list of " + _type(schema["items"]) if schema.get("type") == "array" and "items" in schema else None
    bounds = [text.format(_bound(schema[key])) for key, text in BOUNDS if key in schema]
    return " ".join([kind or schema.get("type", "any"), *bounds])


def _bound(bound: Any) -> Any:
    """0 rather than 0.0, which pydantic's older versions give."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _value(value: Any) -> str:
    """One line of YAML."""
    plain = to_jsonable_python(value)
    text = yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
    text = text.removesuffix("...\n").strip()
    return json.dumps(plain, ensure_ascii=False) if "\n" in text else text  # JSON is YAML, and keeps to its line
