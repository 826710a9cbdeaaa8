"""`i2i show`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from i2i.cli.options import commented, described, in_yaml
from i2i.cli.saying import answer, answer_json
from i2i.contracts import Options
from i2i.plugins import discover
from i2i.recipe import Part, Recipe, RunOptions, load_recipe


@click.command(short_help="Print a recipe with every option explained.")
@click.argument("plugin", required=False)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file laid over the recipe.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One recipe key; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs, with each part's schema.")
def show(plugin: str | None, config: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print the resolved recipe as YAML, each option with its description, type, bounds and default.

    What it prints is itself a recipe for --config.

    \b
    i2i show cyclegan
    i2i show cyclegan --json
    i2i show cyclegan-light --set model.width=48 > mine.yaml && i2i fit --config mine.yaml …
    """
    recipe = load_recipe(discover(), plugin, config, overrides)
    if as_json:
        answer_json({"recipe": recipe.as_dict(), "schemas": schemas(recipe)})
        return
    for line in explained(recipe):
        answer(line)


def schemas(recipe: Recipe) -> dict[str, Any]:
    """Section → JSON schema of its options: descriptions, types, bounds, defaults."""
    parts = {"model": recipe.model, "dataset": recipe.dataset, "trainer": recipe.trainer}
    parts |= {f"losses.{role}": loss for role, loss in recipe.losses.items() if loss is not None}
    options: dict[str, type[Options]] = {section: part.entry.value.options for section, part in parts.items()}
    options |= {f"trackers.{name}": part.entry.value.options for name, part in recipe.trackers.items()}
    options |= {"run": RunOptions, "translate": type(recipe.translate)}
    return {section: kind.model_json_schema() for section, kind in options.items()}


def explained(recipe: Recipe) -> Iterator[str]:
    """The lines of a recipe with comments."""
    yield f"name: {in_yaml(recipe.name)}"
    for section, part in (("model", recipe.model), ("dataset", recipe.dataset)):
        yield f"{section}:"
        yield from _part(part, "  ")
    roles = recipe.trainer.entry.value.roles
    yield "losses:" if roles else "losses: {}"
    for role, play in roles.items():
        loss = recipe.losses[role]
        yield f"  # {play.summary}; takes losses of kind {play.kind}{', may be null' if play.optional else ''}"
        yield f"  {role}:" if loss else f"  {role}: null"
        if loss:
            yield from _part(loss, "    ", weight=loss.weight)
    yield "trainer:"
    yield from _part(recipe.trainer, "  ")
    yield "run:"
    yield from _options(recipe.run, RunOptions, "  ")
    translate = type(recipe.translate)
    if translate.model_fields:
        yield "translate:  # what holds when translating, unless --set translate.KEY=VALUE says otherwise"
        yield from _options(recipe.translate, translate, "  ")
    if recipe.trackers:
        yield "trackers:"
        for name, part in recipe.trackers.items():
            options = part.entry.value.options
            yield f"  {name}:" if options.model_fields else f"  {name}: {{}}"
            yield from _options(part.options, options, "    ")


def _part(part: Part, indent: str, weight: float | None = None) -> Iterator[str]:
    entry = part.entry
    yield f"{indent}use: {entry.name}  # {entry.value.summary} ({entry.distribution} {entry.version})"
    if entry.value.paper:
        yield f"{indent}# {entry.value.paper}"
    if weight is not None:
        yield f"{indent}weight: {in_yaml(weight)}  # what the loss is multiplied by; number; default 1.0"
    yield from _options(part.options, entry.value.options, indent)


def _options(values: Options, options: type[Options], indent: str) -> Iterator[str]:
    schema = options.model_json_schema()
    data = values.model_dump(mode="json")
    sections = {key: value for key, value in values if isinstance(value, Options) and type(value).model_fields}
    lines = {key: f"{indent}{key}: {in_yaml(data[key])}" for key in options.model_fields if key not in sections}
    width = max(map(len, lines.values()), default=0)
    for key, field in options.model_fields.items():
        if key in sections:
            yield f"{indent}{key}:  # {described(field)}"
            yield from _options(sections[key], type(sections[key]), indent + "  ")
        else:
            comment = commented(schema["properties"][key], schema.get("$defs", {}), field)
            yield f"{lines[key].ljust(min(width, 44))}  # {comment}"
