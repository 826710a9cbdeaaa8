from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from click.testing import CliRunner, Result
from pydantic import Field

from i2i import Options, RecipeError, UsageError, discover, load_recipe
from i2i.cli.show import _options, explained, show
from i2i.recipe import Recipe

CATALOG = discover()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(show, [str(argument) for argument in arguments])


def options_of(recipe: Recipe) -> Iterator[tuple[str, Any]]:
    """(key, field) of every option that the recipe has."""
    parts = [recipe.model, recipe.dataset, recipe.trainer, *filter(None, recipe.losses.values())]
    for options in [*(part.options for part in parts), recipe.run, recipe.translate]:
        yield from fields_of(options)


def fields_of(options: Options) -> Iterator[tuple[str, Any]]:
    for key, value in options:
        if isinstance(value, Options):
            yield from fields_of(value)
        else:
            yield key, type(options).model_fields[key]


@pytest.mark.parametrize("name", CATALOG.names("recipe"))
def test_what_is_shown_is_the_recipe_itself(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(run(name).output)
    shown = load_recipe(CATALOG, config=tmp_path / "mine.yaml")
    assert shown == dataclasses.replace(load_recipe(CATALOG, name), weights=None)


def test_what_is_shown_has_the_file_and_the_sets_in_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: cyclegan\nname: 'no'\nrun: {steps: 7}\nlosses: {identity: null}\n")
    result = run(
        "--config", tmp_path / "mine.yaml", "--set", "model.width=48", "--set", "dataset.source=[a b, 'c#d: e']"
    )
    shown = yaml.safe_load(result.output)
    assert result.exit_code == 0
    assert (shown["name"], shown["run"]["steps"], shown["model"]["width"]) == ("no", 7, 48)
    assert shown["losses"]["identity"] is None
    assert shown["dataset"]["source"] == ["a b", "c#d: e"]


@pytest.mark.parametrize("text", ["two\nlines", "tab\tand: colon # hash", "", "null", "1e-4", "ünï", "'\"", "x" * 500])
def test_any_text_stays_on_its_line(text: str) -> None:
    recipe = load_recipe(CATALOG, "cyclegan")
    recipe = dataclasses.replace(recipe, run=recipe.run.model_copy(update={"note": text}))
    assert yaml.safe_load("\n".join(explained(recipe)))["run"]["note"] == text


@pytest.mark.parametrize("name", CATALOG.names("recipe"))
def test_every_option_has_its_description_type_and_default(name: str) -> None:
    output = run(name).output
    for key, field in options_of(load_recipe(CATALOG, name)):
        assert field.description, f"{key} lacks its description"
        comments = re.findall(rf"^ * {key}: .*?  # (.*)$", output, re.MULTILINE)
        (comment,) = {comment for comment in comments if comment.startswith(f"{field.description}; ")}
        kind, default = comment.split("; ")[-2:]
        assert re.match(r"(integer|number|boolean|string|list of |mapping to |[\w.-]+ \| )", kind), comment
        assert default.startswith("default ")


def test_options_are_explained_with_their_bounds() -> None:
    lines = [re.sub(" +", " ", line).strip() for line in run("cyclegan", "--set", "run.clip=0.5").output.splitlines()]
    assert {
        "width: 64 # channels of a generator's first layer; integer ≥ 1; default 64",
        "beta1: 0.5 # of Adam: decay of the mean gradient; number ≥ 0, < 1; default 0.5",
        "upsampling: transposed # transposed convolution as published, or resize and convolve against checkerboards; "
        "transposed | resize; default transposed",
        "flip: true # mirror every other picture left to right; boolean; default true",
        "clip: 0.5 # largest gradient norm of a turn; null: no clipping; number > 0 or null; default null",
        "weight: 5.0 # what the loss is multiplied by; number; default 1.0",
        "# a picture of the wanted domain stays as it is; takes losses of kind image, may be null",
        "translate: # what holds when translating, unless --set translate.KEY=VALUE says otherwise",
        "direction: source-to-target # which way to translate; source-to-target | target-to-source; "
        "default source-to-target",
    } <= set(lines)


class Inner(Options):
    use: Literal["this", "that"] = Field("this", description="which")


class Stage(Options):
    size: int = Field(ge=1, description="pixels")
    inner: Inner = Inner()


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Peculiar(Options):
    needed: int = Field(multiple_of=8, le=64, description="has no default")
    made: list[float] = Field(default_factory=lambda: [0.5], max_length=3, description="spread\n over lines")
    word: Annotated[str, Field(min_length=1, pattern="^a")] = Field("a", description="a word")
    only: Literal["this"] = Field("this", description="no choice")
    bare: str = "text"
    stages: tuple[Stage, ...] = Field((Stage(size=4),), description="one after another")
    shares: dict[str, Annotated[float, Field(ge=0)]] | None = Field(None, description="by name")
    inner: Inner = Field(Inner(), description="a section of its own")
    none: Options = Field(Options(), description="nothing to choose")
    colour: Colour = Field(Colour.RED, description="an enumeration")


def test_peculiar_options_of_strangers_are_explained_too() -> None:
    lines = [re.sub(" +", " ", line) for line in _options(Peculiar(needed=16), Peculiar, "")]
    assert lines == [
        "needed: 16 # has no default; integer ≤ 64, a multiple of 8; no default",
        "made: [0.5] # spread over lines; list of number of length ≤ 3; default [0.5]",
        "word: a # a word; string of length ≥ 1, matching ^a; default a",
        "only: this # no choice; this; default this",
        "bare: text # string; default text",
        "stages: [{inner: {use: this}, size: 4}] # one after another; list of {size, inner}; "
        "default [{inner: {use: this}, size: 4}]",
        "shares: null # by name; mapping to number ≥ 0 or null; default null",
        "inner: # a section of its own",
        " use: this # which; this | that; default this",
        "none: {} # nothing to choose; {}; default {}",
        "colour: red # an enumeration; red | blue; default red",
    ]


def test_a_model_without_translate_options_says_nothing_of_them() -> None:
    recipe = load_recipe(CATALOG, "cyclegan")
    spec = dataclasses.replace(recipe.model.entry.value, translate_options=Options)
    plain = dataclasses.replace(recipe.model, entry=dataclasses.replace(recipe.model.entry, value=spec))
    recipe = dataclasses.replace(recipe, model=plain, translate=Options())
    assert "translate:" not in "\n".join(explained(recipe))


def test_how_to_translate_is_shown_as_it_is_set_and_is_part_of_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(run("cyclegan", "--set", "translate.direction=target-to-source").output)
    shown = load_recipe(CATALOG, config=tmp_path / "mine.yaml")
    assert shown.translate.model_dump() == {"direction": "target-to-source"}


def test_a_scheme_without_losses_is_shown_as_a_recipe() -> None:
    recipe = load_recipe(CATALOG, "cyclegan")
    spec = dataclasses.replace(recipe.trainer.entry.value, roles={})
    trainer = dataclasses.replace(recipe.trainer, entry=dataclasses.replace(recipe.trainer.entry, value=spec))
    shown = yaml.safe_load("\n".join(explained(dataclasses.replace(recipe, trainer=trainer, losses={}))))
    assert shown["losses"] == {}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], UsageError, "say which recipe: --plugin NAME or --config FILE (`i2i plugins` lists the names)"),
        (["cyclegan", "--set", "model.widht=3"], RecipeError, "--set: model.widht: unknown key; did you mean 'width'?"),
        (
            ["cyclegan", "--set", "run.note=2026-13-45", "--set", "run.steps=0"],
            RecipeError,
            "--set run.note=2026-13-45: not a YAML value (month must be in 1..12)\n"
            "--set: run.steps: should be greater than or equal to 1, found 0",
        ),
        (
            ["cyclegan", "--config", "none.yaml"],
            UsageError,
            "none.yaml: cannot be read as a recipe (no such file or directory)",
        ),
    ],
)
def test_mistakes_are_told_instead(arguments: list[str], error: type[UsageError], message: str) -> None:
    result = run(*arguments)
    assert result.output == ""
    assert type(result.exception) is error
    assert str(result.exception) == message
