from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import Field, model_validator

from i2i import (
    Catalog,
    DatasetSpec,
    LossSpec,
    ModelSpec,
    Options,
    Recipe,
    RecipeError,
    Role,
    TrainerSpec,
    UsageError,
    discover,
    load_recipe,
)
from i2i.contracts import Spec
from i2i.plugins import HOOKS, BrokenPlugin, Entry
from i2i.recipe import Settings, read_recipe, recipe_from_data, validate_options

CONFIGS = Path(__file__).parents[1] / "configs"


class Width(Options):
    width: int = Field(8, ge=1, description="channels")


class Way(Options):
    direction: Literal["there", "back"] = Field("there", description="which way")
    sizes: tuple[int, ...] = Field((256, 512), description="pixels")


class Rate(Options):
    learning_rate: float = Field(1e-3, gt=0, description="of everything")
    replay: int = Field(0, ge=0, description="pictures")


class Folders(Options):
    source: str | None = Field(None, description="where from")
    target: str | None = Field(None, description="where to")


class FlatFolders(Options):
    source: list[str] | None = Field(None, max_length=2, description="where from")
    target: list[str] | None = Field(None, description="where to")
    size: int = Field(8, multiple_of=2, description="pixels")

    @model_validator(mode="after")
    def _fits(self) -> FlatFolders:
        if self.size > 64:
            raise ValueError(f"size {self.size} is too large")
        return self


class StrictFolders(Options):
    source: list[str] = Field(description="where from")
    size: int = Field(description="pixels")


class Slope(Options):
    slope: float = Field(0.2, description="of the loss")


SPECS: tuple[tuple[str, Spec], ...] = (
    ("model", ModelSpec(name="net", summary="", build="x:X", inference=("net",), options=Width, translate_options=Way)),
    ("model", ModelSpec(name="other", summary="", build="x:X", inference=("net",))),
    ("loss", LossSpec(name="near", summary="", build="x:X", kind="image")),
    ("loss", LossSpec(name="sloped", summary="", build="x:X", kind="image", options=Slope)),
    ("loss", LossSpec(name="game", summary="", build="x:X", kind="adversarial")),
    (
        "trainer",
        TrainerSpec(
            name="scheme",
            summary="",
            build="x:X",
            options=Rate,
            keys=("source", "target"),
            roles={
                "content": Role("image", "keeps the picture"),
                "style": Role("adversarial", "changes it", optional=True),
            },
        ),
    ),
    ("trainer", TrainerSpec(name="plain", summary="", build="x:X", keys=("image",))),
    (
        "dataset",
        DatasetSpec(
            name="pairs",
            summary="",
            build="x:X",
            options=Folders,
            keys=("source", "target"),
            cli={"src": "source", "target": "target"},
        ),
    ),
    (
        "dataset",
        DatasetSpec(
            name="flat",
            summary="",
            build="x:X",
            options=FlatFolders,
            keys=("source", "target"),
            cli={"src": "source", "target": "target"},
        ),
    ),
    (
        "dataset",
        DatasetSpec(
            name="strict",
            summary="",
            build="x:X",
            options=StrictFolders,
            keys=("source", "target"),
            cli={"src": "source"},
        ),
    ),
    ("dataset", DatasetSpec(name="pictures", summary="", build="x:X", keys=("image",))),
)
BASIC = """
model: {use: net, width: 16}
dataset: {use: pairs}
losses:
  content: {use: near, weight: 10}
  style: {use: game}
trainer: {use: scheme, learning_rate: 0.5, replay: 7}
run: {steps: 100, batch: 4}
"""

Recipes = Callable[..., Catalog]


@pytest.fixture
def package(tmp_path: Path) -> Recipes:
    """`package(name=text, …)`: a catalog of the specs above and of these recipes, which lie in a package's folder."""

    def catalog(**texts: str) -> Catalog:
        folder = tmp_path / "package" / "recipes"
        folder.mkdir(parents=True)
        entries: dict[str, dict[str, Entry[Any]]] = {kind: {} for kind, _ in HOOKS.values()}
        for kind, spec in SPECS:
            entries[kind][spec.name] = Entry(spec.name, kind, spec, "strange", "1.2")
        for name, text in texts.items():
            (folder / f"{name}.yaml").write_text(text)
            entries["recipe"][name] = Entry(name, "recipe", folder / f"{name}.yaml", "strange", "1.2")
        return Catalog(entries)

    return catalog


@pytest.fixture
def basic(package: Recipes) -> Catalog:
    return package(basic=BASIC)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """`config(text)`: that text as my.yaml, named as a user would."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        Path("my.yaml").write_text(text)
        return Path("my.yaml")

    return write


def refusal(*arguments: Any, error: type[UsageError] = RecipeError, **named: Any) -> list[str]:
    """The lines that `load_recipe` complains with."""
    with pytest.raises(UsageError) as failure:
        load_recipe(*arguments, **named)
    assert type(failure.value) is error
    return str(failure.value).splitlines()


# layers


def test_a_named_recipe_has_its_values_and_everybody_elses_defaults(basic: Catalog) -> None:
    recipe = load_recipe(basic, "basic")
    assert recipe.name == "basic"
    assert (recipe.model.entry.name, recipe.model.options) == ("net", Width(width=16))
    assert recipe.trainer.options == Rate(learning_rate=0.5, replay=7)
    assert recipe.losses["content"].weight == 10
    assert recipe.losses["style"].weight == 1
    assert (recipe.run.steps, recipe.run.batch, recipe.run.seed, recipe.run.precision) == (100, 4, 0, "auto")
    assert recipe.weights is None


def test_a_file_overlays_the_recipe_a_set_overlays_the_file_and_a_flag_overlays_all(
    basic: Catalog, config: Callable[[str], Path]
) -> None:
    def widths_and_steps(**named: Any) -> tuple[int, int, int, int]:
        recipe = load_recipe(basic, "basic", **named)
        return recipe.model.options.width, recipe.run.batch, recipe.run.steps, recipe.trainer.options.replay

    file = config("model: {width: 32}\nrun: {batch: 8, steps: 200}\n")
    overrides = ("run.batch=16", "run.steps=300")
    assert widths_and_steps() == (16, 4, 100, 7)
    assert widths_and_steps(config=file) == (32, 8, 200, 7)
    assert widths_and_steps(config=file, overrides=overrides) == (32, 16, 300, 7)
    assert widths_and_steps(config=file, overrides=overrides, extra=[("--steps", "run.steps", 400)]) == (32, 16, 400, 7)
    assert widths_and_steps(overrides=("run.steps=1", "run.steps=2"))[2] == 2


def test_a_file_names_its_base_or_stands_alone(basic: Catalog, config: Callable[[str], Path]) -> None:
    based = load_recipe(basic, config=config("base: basic\nrun: {steps: 5}\n"))
    assert (based.name, based.model.options, based.run.steps) == ("my", Width(width=16), 5)
    alone = load_recipe(basic, config=config(f"name: mine\n{BASIC}"))
    assert (alone.name, alone.run.steps) == ("mine", 100)


def test_a_recipe_inherits_from_its_bases_in_turn(package: Recipes) -> None:
    catalog = package(
        basic=BASIC,
        middle="base: basic\nmodel: {width: 3}\nrun: {steps: 3}\n",
        last="base: middle\nrun: {steps: 4}\nlosses: {style: null}\n",
    )
    recipe = load_recipe(catalog, "last")
    assert (recipe.model.options.width, recipe.run.steps, recipe.run.batch) == (3, 4, 4)
    assert recipe.losses["style"] is None
    assert load_recipe(catalog, "basic").losses["style"] is not None


def test_recipes_based_on_each_other_are_refused_with_the_way_round(package: Recipes) -> None:
    catalog = package(one="base: two\n", two="base: three\n", three="base: one\n", self="base: self\n")
    assert refusal(catalog, "one") == ["recipe 'one': based on itself (one → two → three → one)"]
    assert refusal(catalog, "self") == ["recipe 'self': based on itself (self → self)"]


def test_a_changed_use_drops_its_siblings_except_the_weight(basic: Catalog) -> None:
    recipe = load_recipe(basic, "basic", overrides=["losses.content.use=sloped", "model.use=other"])
    assert recipe.losses["content"].as_dict() == {"use": "sloped", "weight": 10.0, "slope": 0.2}
    assert recipe.model.as_dict() == {"use": "other"}


@pytest.mark.parametrize("order", [1, -1])
def test_the_keys_of_one_command_are_laid_over_in_any_order(basic: Catalog, order: int) -> None:
    overrides = ["losses.content.slope=0.5", "losses.content.use=sloped", "losses.content.weight=2"][::order]
    recipe = load_recipe(basic, "basic", overrides=overrides)
    assert recipe.losses["content"].as_dict() == {"use": "sloped", "weight": 2.0, "slope": 0.5}
    overrides = ["losses.content.slope=0.5", "losses={style: null, content: {use: sloped}}"][::order]
    recipe = load_recipe(basic, "basic", overrides=overrides)
    assert recipe.losses["content"].as_dict() == {"use": "sloped", "weight": 10.0, "slope": 0.5}
    assert recipe.losses["style"] is None
    extra: list[tuple[str, str, Any]] = [("--steps", "run.steps", 7)]
    recipe = load_recipe(basic, "basic", overrides=["run={steps: 5, batch: 2}", "run.batch=6"][::order], extra=extra)
    assert (recipe.run.steps, recipe.run.batch) == (7, 6 if order == 1 else 2)


def test_the_same_use_keeps_its_siblings(basic: Catalog, config: Callable[[str], Path]) -> None:
    recipe = load_recipe(basic, "basic", config("trainer: {use: scheme, replay: 9}\n"))
    assert recipe.trainer.options == Rate(learning_rate=0.5, replay=9)


def test_what_comes_with_a_changed_use_counts(basic: Catalog) -> None:
    recipe = load_recipe(basic, "basic", overrides=["losses.content={use: sloped, slope: 0.5, weight: 2}"])
    assert recipe.losses["content"].as_dict() == {"use": "sloped", "weight": 2.0, "slope": 0.5}


def test_numbers_that_yaml_takes_for_text_are_numbers(basic: Catalog, config: Callable[[str], Path]) -> None:
    file = config("trainer: {learning_rate: 1e-4}\nlosses: {content: {weight: 1e1}}\n")
    assert yaml.safe_load(file.read_text())["trainer"]["learning_rate"] == "1e-4"
    recipe = load_recipe(basic, "basic", file)
    assert (recipe.trainer.options.learning_rate, recipe.losses["content"].weight) == (1e-4, 10.0)
    assert load_recipe(basic, "basic", overrides=["trainer.learning_rate=2e-5"]).trainer.options.learning_rate == 2e-5


def test_shipped_weights_lie_beside_the_folder_of_recipes_and_are_not_inherited(
    package: Recipes, tmp_path: Path
) -> None:
    catalog = package(basic=f"weights: weights/a.safetensors\n{BASIC}", light="base: basic\nmodel: {width: 2}\n")
    assert load_recipe(catalog, "basic").weights == tmp_path / "package" / "weights" / "a.safetensors"
    assert load_recipe(catalog, "light").weights is None


# mistakes


def test_all_mistakes_are_told_at_once_with_file_key_and_nearest_key(
    basic: Catalog, config: Callable[[str], Path]
) -> None:
    file = config("""
trainer: {leaning_rate: 0.1, replay: -1}
losses:
  contend: {use: near}
  style: {use: gane, weight: heavy}
modle: {use: net}
run: {steps: many, precision: fp16}
""")
    lines = refusal(basic, "basic", file, overrides=["model.width=0"], extra=[("--batch", "run.batch", "lots")])
    assert lines == [
        "my.yaml: modle: unknown key; did you mean 'model'?",
        "--set: model.width: should be greater than or equal to 1, found 0",
        "my.yaml: trainer.replay: should be greater than or equal to 0, found -1",
        "my.yaml: trainer.leaning_rate: unknown key; did you mean 'learning_rate'?",
        "my.yaml: losses.contend: unknown role; did you mean 'content'? (known: content, style)",
        "my.yaml: losses.style.weight: expected a number, found 'heavy'",
        "my.yaml: losses.style.use: unknown loss 'gane'; did you mean 'game'? (known: game, near, sloped)",
        "my.yaml: run.steps: should be a valid integer, unable to parse string as an integer, found 'many'",
        "--batch: run.batch: should be a valid integer, unable to parse string as an integer, found 'lots'",
        "my.yaml: run.precision: should be 'auto', 'fp32' or 'bf16', found 'fp16'",
    ]


def test_mistakes_in_several_losses_are_told_together(basic: Catalog, config: Callable[[str], Path]) -> None:
    file = config("losses:\n  contend: {use: near}\n  content: {use: nea}\n  style: {use: game, weight: heavy}\n")
    assert refusal(basic, "basic", file) == [
        "my.yaml: losses.contend: unknown role; did you mean 'content'? (known: content, style)",
        "my.yaml: losses.content.use: unknown loss 'nea'; did you mean 'near'? (known: game, near, sloped)",
        "my.yaml: losses.style.weight: expected a number, found 'heavy'",
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("model.use=nat", "--set: model.use: unknown model 'nat'; did you mean 'net'? (known: net, other)"),
        ("model.use=null", "--set: model.use: missing; name a model (known: net, other)"),
        ("model=5", "--set: model: expected keys and values, found 5"),
        ("run=null", "--set: run: expected keys and values, found None"),
        ("losses=[]", "--set: losses: expected keys and values, found []"),
        ("losses.content=near", "--set: losses.content: expected keys and values, found 'near'"),
        ("losses.content=null", "--set: losses.content: missing; keeps the picture, name one of kind image with `use`"),
        (
            "losses.content.use=game",
            "--set: losses.content.use: 'game' is of kind adversarial; this role takes kind image",
        ),
        ("losses.content.weight=.nan", "--set: losses.content.weight: expected a number, found nan"),
        ("losses.content.weight=yes", "--set: losses.content.weight: expected a number, found True"),
        ("losses.content.weight=null", "--set: losses.content.weight: expected a number, found None"),
        ("losses.content.slope=1", "--set: losses.content.slope: unknown key"),
        ("dataset.sauce=a", "--set: dataset.sauce: unknown key; did you mean 'source'?"),
        ("dataset.source=3", "--set: dataset.source: should be a valid string, found 3"),
        ("run.accumulate=3", "--set: run: batch 4 does not divide into accumulate = 3 equal parts"),
        ("run.seed=-1", "--set: run.seed: should be greater than or equal to 0, found -1"),
        ("trainer.learning_rate=fast", None),
        ("base=basic", "--set: base: only a recipe file names what it is based on"),
        ("weights=a.safetensors", "--set: weights: only a recipe inside a package ships weights"),
        ("name=a/b", "--set: name: expected a word that can begin a folder's name, found 'a/b'"),
        (
            "dataset={use: pictures}",
            "--set: dataset.use: 'pictures' gives image; the trainer 'scheme' needs source, target",
        ),
    ],
)
def test_one_mistake_makes_one_line(basic: Catalog, override: str, line: str | None) -> None:
    number = "should be a valid number, unable to parse string as a number, found 'fast'"
    assert refusal(basic, "basic", overrides=[override]) == [line or f"--set: trainer.learning_rate: {number}"]


def test_a_missing_key_of_a_batch_is_named_alone(basic: Catalog) -> None:
    overrides = ["trainer={use: plain}", "losses=null"]
    assert refusal(basic, "basic", overrides=["trainer={use: plain}"]) == [
        "basic.yaml: losses.content: unknown role (known: none)",
        "basic.yaml: losses.style: unknown role (known: none)",
        "basic.yaml: dataset.use: 'pairs' gives source, target; the trainer 'plain' needs image",
    ]
    assert len(refusal(basic, "basic", overrides=overrides)) == 2


def test_missing_sections_are_named_with_what_is_installed(basic: Catalog, config: Callable[[str], Path]) -> None:
    assert refusal(basic, config=config("run: {steps: 1}\n")) == [
        "model: missing; name one with `use` (known: net, other)",
        "dataset: missing; name one with `use` (known: flat, pairs, pictures, strict)",
        "trainer: missing; name one with `use` (known: plain, scheme)",
    ]


def test_a_missing_required_role_is_named_and_an_optional_one_may_be_left_out(
    basic: Catalog, config: Callable[[str], Path]
) -> None:
    parts = "model: {use: net}\ndataset: {use: pairs}\ntrainer: {use: scheme}\n"
    missing = "losses.content: missing; keeps the picture, name one of kind image with `use`"
    assert refusal(basic, config=config(parts)) == [missing]
    assert refusal(basic, config=config(parts + "losses: {style: null}\n")) == [f"my.yaml: {missing}"]
    recipe = load_recipe(basic, config=config(parts + "losses: {content: {use: near}}\n"))
    assert recipe.losses["style"] is None


def test_null_switches_an_optional_role_off_and_a_use_switches_it_on_again(
    basic: Catalog, config: Callable[[str], Path]
) -> None:
    file = config("losses: {style: null}\n")
    assert load_recipe(basic, "basic", file).losses["style"] is None
    again = load_recipe(basic, "basic", file, overrides=["losses.style.use=game"])
    assert again.losses["style"].entry.name == "game"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "my.yaml: expected sections such as `model:` and `run:`, found None"),
        ("- model\n- run\n", "my.yaml: expected sections such as `model:` and `run:`, found ['model', 'run']"),
        ("just words", "my.yaml: expected sections such as `model:` and `run:`, found 'just words'"),
        ("model: {use: [", "my.yaml: not YAML: while parsing a flow node"),
        ("model: !!python/object:os.system {}", "my.yaml: not YAML: could not determine a constructor for the tag"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_by_name(
    basic: Catalog, config: Callable[[str], Path], text: str, line: str
) -> None:
    (found,) = refusal(basic, "basic", config(text))
    assert found.startswith(line)


def test_a_file_that_cannot_be_read_is_refused_by_name(basic: Catalog, tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")

    def line(path: Path) -> list[str]:
        return refusal(basic, "basic", path, error=UsageError)

    assert line(Path("none.yaml")) == ["none.yaml: cannot be read as a recipe (no such file or directory)"]
    assert line(tmp_path) == [f"{tmp_path}: cannot be read as a recipe (is a directory)"]
    assert line(binary) == [f"{binary}: cannot be read as a recipe (not UTF-8 text)"]


def test_an_unknown_recipe_is_refused_by_whoever_asked_for_it(package: Recipes, config: Callable[[str], Path]) -> None:
    catalog = package(basic=BASIC, lost="base: basik\n")
    unknown = "unknown recipe 'basik'; did you mean 'basic'? (known: basic, lost)"
    assert refusal(catalog, "basik", error=UsageError) == [unknown]
    assert refusal(catalog, "lost", error=UsageError) == [f"lost.yaml: base: {unknown}"]
    assert refusal(catalog, config=config("base: basik\n"), error=UsageError) == [f"my.yaml: base: {unknown}"]


def test_an_unknown_name_mentions_what_is_broken(basic: Catalog) -> None:
    limping = dataclasses.replace(basic, broken=(BrokenPlugin("strange-net", "1", "no luck"),))
    (line,) = refusal(limping, "basic", overrides=["model.use=wonder"])
    assert line == (
        "--set: model.use: unknown model 'wonder' (known: net, other); broken: strange-net, see `i2i plugins`"
    )


def test_a_file_and_a_name_that_disagree_on_the_base_are_refused(
    package: Recipes, config: Callable[[str], Path]
) -> None:
    catalog = package(basic=BASIC, light="base: basic\n")
    file = config("base: basic\nrun: {steps: 9}\n")
    assert load_recipe(catalog, "basic", file).run.steps == 9
    assert refusal(catalog, "light", file, error=UsageError) == [
        "my.yaml: based on recipe 'basic', asked for 'light'; drop its `base` or --plugin"
    ]


def test_neither_name_nor_file_is_refused(basic: Catalog) -> None:
    assert refusal(basic, error=UsageError) == [
        "say which recipe: --plugin NAME or --config FILE (`i2i plugins` lists the names)"
    ]


@pytest.mark.parametrize("text", ["run.batch", "=4", "run.=4", ".batch=4", ""])
def test_a_set_that_is_no_key_and_value_is_refused(basic: Catalog, text: str) -> None:
    assert refusal(basic, "basic", overrides=[text]) == [f"--set {text}: expected KEY=VALUE, such as --set run.batch=4"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[4", "expected ',' or ']', but got '<stream end>'"),
        ("2026-13-45", "month must be in 1..12"),
        ("0b_", "invalid literal for int() with base 2: ''"),
        ("!!int ''", "string index out of range"),
        ("&a [*a]", "it holds itself, or is nested too deep"),
        ("&a {b: *a}", "it holds itself, or is nested too deep"),
        ("&a !!pairs [b: *a]", "it holds itself, or is nested too deep"),
        ("[" * 60 + "]" * 60, "it holds itself, or is nested too deep"),
        ("[" * 5000, "it holds itself, or is nested too deep"),
    ],
)
def test_what_is_no_yaml_value_is_refused_with_the_reason(
    basic: Catalog, config: Callable[[str], Path], text: str, reason: str
) -> None:
    line = f"--set run.note={text}: not a YAML value ({reason})"
    assert refusal(basic, "basic", overrides=[f"run.note={text}"]) == [line]
    (line,) = refusal(basic, "basic", config(f"run:\n  note: {text}\n"))
    assert line.startswith("my.yaml: not YAML: ")
    assert reason in line or text == "[4"  # in a file, something else may be expected after it
    with pytest.raises(UsageError) as failure:
        Settings.sorted([f"translate.note={text}"]).options()
    assert str(failure.value) == f"--set translate.note={text}: not a YAML value ({reason})"


def test_mistakes_of_the_command_line_are_told_with_all_others(basic: Catalog) -> None:
    overrides = ["dataset.use=flat", "run.batch", "run.note=2026-13-45", "model.widht=3"]
    folders = {"src": ("photos",), "target": (), "mask": ("masks",)}
    assert refusal(basic, "basic", overrides=overrides, folders=folders, needs_data=True) == [
        "--set run.batch: expected KEY=VALUE, such as --set run.batch=4",
        "--set run.note=2026-13-45: not a YAML value (month must be in 1..12)",
        "--mask: the dataset 'flat' takes --src, --target",
        "--set: model.widht: unknown key; did you mean 'width'?",
        "dataset.target: not given; use --target DIR",
    ]


def test_folders_are_no_second_mistake_where_the_dataset_is_one(basic: Catalog) -> None:
    given: Mapping[str, Any] = {"folders": {"src": ("photos",)}, "needs_data": True}
    unknown = "unknown dataset 'pears'; did you mean 'pairs'? (known: flat, pairs, pictures, strict)"
    assert refusal(basic, "basic", overrides=["dataset.use=pears"], **given) == [f"--set: dataset.use: {unknown}"]
    assert refusal(basic, "basic", overrides=["dataset=5"], **given) == [
        "--set: dataset: expected keys and values, found 5"
    ]


def test_a_dataset_without_folders_says_so(basic: Catalog) -> None:
    overrides = ["dataset.use=pictures", "trainer.use=plain", "losses.content=null", "losses.style=null"]
    assert "--src: the dataset 'pictures' takes no folders" in refusal(
        basic, "basic", overrides=overrides, folders={"src": ("photos",)}, needs_data=True
    )


def test_folders_are_kept_absolute_and_unresolved(basic: Catalog, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    folders = {"src": ("link", "/elsewhere"), "target": ("b", "s3://bucket/c.tar")}
    recipe = load_recipe(basic, "basic", overrides=["dataset.use=flat"], folders=folders, needs_data=True)
    assert recipe.dataset.options.model_dump() == {
        "source": [f"{tmp_path}/link", "/elsewhere"],
        "target": [f"{tmp_path}/b", "s3://bucket/c.tar"],
        "size": 8,
    }


def test_folders_named_otherwise_are_given_too(basic: Catalog, config: Callable[[str], Path]) -> None:
    file = config("dataset: {use: flat, source: [photos]}\n")
    recipe = load_recipe(basic, "basic", file, ["dataset.target=[b]"], needs_data=True)
    assert recipe.dataset.options.model_dump()["source"] == ["photos"]


def test_a_mistake_in_a_folder_bears_its_flag_and_one_beside_it_does_not(
    basic: Catalog, config: Callable[[str], Path]
) -> None:
    file = config("dataset: {use: flat, size: 3}\n")
    folders = {"src": ("a", "b", "c"), "target": ("b",)}
    (first, second) = refusal(basic, "basic", file, folders=folders, needs_data=True)
    assert first.startswith("--src: dataset.source: list should have at most 2 items after validation, not 3, found [")
    assert second == "my.yaml: dataset.size: should be a multiple of 2, found 3"
    file = config("dataset: {use: flat, size: 66}\n")
    assert refusal(basic, "basic", file, folders={"src": ("a",), "target": ("b",)}, needs_data=True) == [
        "my.yaml: dataset: size 66 is too large"
    ]


def test_a_folder_without_a_default_is_asked_for_once_and_used_when_given(basic: Catalog) -> None:
    overrides = ["dataset.use=strict", "run.steps=0"]
    missing = "dataset.source: not given; use --src DIR"
    steps = "--set: run.steps: should be greater than or equal to 1, found 0"
    size = "--set: dataset.size: not given; it has no default"
    assert refusal(basic, "basic", overrides=overrides, needs_data=True) == [missing, size, steps]
    assert refusal(basic, "basic", overrides=overrides) == [missing, size, steps]
    folders = {"src": ("/photos",)}
    recipe = load_recipe(basic, "basic", overrides=["dataset={use: strict, size: 3}"], folders=folders, needs_data=True)
    assert recipe.dataset.as_dict() == {"use": "strict", "source": ["/photos"], "size": 3}


def test_data_is_required_by_the_flags_that_name_it(basic: Catalog) -> None:
    with pytest.raises(RecipeError) as failure:
        load_recipe(basic, "basic").require_data()
    assert failure.value.problems == [
        "dataset.source: not given; use --src DIR",
        "dataset.target: not given; use --target DIR",
    ]
    with pytest.raises(RecipeError, match=r"^dataset\.target: not given; use --target DIR$"):
        load_recipe(basic, "basic", overrides=["dataset.source=photos"]).require_data()
    load_recipe(basic, "basic", overrides=["dataset.source=a", "dataset.target=b"]).require_data()


# how to translate


def test_translate_options_are_laid_over_each_other_like_all_others(
    package: Recipes, config: Callable[[str], Path]
) -> None:
    catalog = package(basic=BASIC + "translate: {direction: back}\n", next="base: basic\n")
    assert load_recipe(catalog, "basic").translate == Way(direction="back")
    file = config("translate: {sizes: [64]}\n")
    assert load_recipe(catalog, "next", file).translate == Way(direction="back", sizes=(64,))
    recipe = load_recipe(catalog, "next", file, ["translate.direction=there"])
    assert recipe.translate == Way(sizes=(64,))
    assert recipe.as_dict()["translate"] == {"direction": "there", "sizes": [64]}


def test_translate_options_are_the_models_own(basic: Catalog, config: Callable[[str], Path]) -> None:
    assert load_recipe(basic, "basic").translate == Way()
    other = load_recipe(basic, "basic", config("translate: {direction: back}\n"), ["model.use=other"])
    assert other.translate == Options()
    assert "translate" not in other.as_dict()
    assert refusal(basic, "basic", config("model: {use: other}\ntranslate: {direction: back}\n")) == [
        "my.yaml: translate.direction: unknown key"
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_changed_model_drops_what_was_said_below_of_translating(basic: Catalog, order: int) -> None:
    wide = basic.entries["model"]["net"]
    models = {**basic.entries["model"], "wide": dataclasses.replace(wide, name="wide")}
    catalog = Catalog({**basic.entries, "model": models})
    overrides = ["translate.direction=back", "model.use=wide"][::order]
    assert load_recipe(catalog, "basic", overrides=overrides).translate == Way(direction="back")


def test_mistakes_in_translate_options_are_told_with_all_others(basic: Catalog, config: Callable[[str], Path]) -> None:
    file = config("model: {widht: 3}\ntranslate: {directoin: back}\n")
    assert refusal(basic, "basic", file, ["translate.sizes=[x]"]) == [
        "my.yaml: model.widht: unknown key; did you mean 'width'?",
        "--set: translate.sizes.0: should be a valid integer, unable to parse string as an integer, found 'x'",
        "my.yaml: translate.directoin: unknown key; did you mean 'direction'?",
    ]
    assert refusal(basic, "basic", config("translate: back\n")) == [
        "my.yaml: translate: expected keys and values, found 'back'"
    ]


@pytest.mark.parametrize(
    ("standalone", "options", "lacking"),
    [
        (None, {}, None),
        ((), {}, []),
        (("width",), {}, []),
        (("style", "words"), {}, ["style", "words"]),
        (("style", "words"), {"style": "a.jpg", "words": []}, ["words"]),
        (("style", "words"), {"style": "", "words": ["a"]}, ["style"]),
        (("style", "words"), {"style": "a.jpg", "words": ["a"]}, []),
        (("width", "flag"), {"width": 0}, []),
    ],
)
def test_a_recipe_knows_what_it_lacks_to_do_without_weights(
    basic: Catalog, standalone: tuple[str, ...] | None, options: dict[str, Any], lacking: list[str] | None
) -> None:
    class Styled(Options):
        style: str | None = None
        words: tuple[str, ...] = ()
        width: int = 8
        flag: bool = False

    net = basic.entries["model"]["net"]
    spec = dataclasses.replace(net.value, options=Styled, standalone=standalone)
    models = {"net": dataclasses.replace(net, value=spec)}
    catalog = Catalog({**basic.entries, "model": models})
    data = {**yaml.safe_load(BASIC), "model": {"use": "net", **options}}
    assert recipe_from_data(catalog, data, "here").lacking_to_stand_alone() == lacking


def test_steps_may_be_left_to_the_data(basic: Catalog) -> None:
    assert load_recipe(basic, "basic", overrides=["run.steps=null"]).run.steps is None
    assert load_recipe(basic, "basic", overrides=["run.steps=null"], extra=[("--steps", "run.steps", 5)]).run.steps == 5


# the finished recipe


def test_a_recipe_as_data_is_the_same_recipe(basic: Catalog, tmp_path: Path) -> None:
    recipe = load_recipe(basic, "basic", overrides=["losses.style=null", "run.clip=0.5", "dataset.source=photos"])
    data = recipe.as_dict()
    assert recipe_from_data(basic, data, "weights.safetensors") == recipe
    written = tmp_path / "recipe.yaml"
    written.write_text(yaml.safe_dump(data))
    assert read_recipe(basic, written) == recipe
    assert load_recipe(basic, config=written) == recipe
    longer = read_recipe(basic, written, [("--steps", "run.steps", 200)])
    assert longer == dataclasses.replace(recipe, run=recipe.run.model_copy(update={"steps": 200}))


def test_a_recipe_from_a_file_complains_with_the_files_name(basic: Catalog) -> None:
    data = load_recipe(basic, "basic").as_dict()
    data["model"]["widht"] = 3
    with pytest.raises(RecipeError, match=r"^a\.safetensors: model\.widht: unknown key; did you mean 'width'\?$"):
        recipe_from_data(basic, data, "a.safetensors")


def test_a_recipe_never_changes(basic: Catalog) -> None:
    recipe: Any = load_recipe(basic, "basic")
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.name = "other"
    with pytest.raises(ValueError, match="frozen"):
        recipe.run.steps = 5
    with pytest.raises(TypeError, match="does not support item assignment"):
        recipe.losses["style"] = None


def test_overrides_leave_no_trace_in_the_next_recipe(basic: Catalog) -> None:
    before = load_recipe(basic, "basic")
    load_recipe(basic, "basic", overrides=["model.width=99", "losses.content={use: sloped}"])
    assert load_recipe(basic, "basic") == before


def test_a_recipe_tells_the_version_of_everything_it_uses(basic: Catalog) -> None:
    versions = load_recipe(basic, "basic").versions(basic)
    assert versions.pop("i2i")
    assert versions == {"strange": "1.2"}


def test_every_installed_recipe_is_valid() -> None:
    catalog = discover()
    assert catalog.names("recipe")
    for name in catalog.names("recipe"):
        same(load_recipe(catalog, name), catalog)


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("**/*.yaml")), ids=lambda path: path.stem)
def test_every_ready_config_is_valid(path: Path) -> None:
    catalog = discover()
    same(load_recipe(catalog, config=path), catalog)


def same(recipe: Recipe, catalog: Catalog) -> None:
    assert recipe_from_data(catalog, recipe.as_dict(), "again") == dataclasses.replace(recipe, weights=None)


# options elsewhere


def test_what_is_set_when_translating_is_told_apart() -> None:
    settings = Settings.sorted(["translate.direction=back", "model.style=a=b", " translate.strength =0.5"])
    assert settings.model == ("model.style=a=b",)
    assert settings.options() == {"direction": "back", "strength": 0.5}


@pytest.mark.parametrize("text", ["run.steps=3", "translate=3", "translate.=3", "translate.direction", "model={}", "x"])
def test_nothing_but_translate_and_model_options_can_be_set_when_translating(text: str) -> None:
    with pytest.raises(UsageError) as failure:
        Settings.sorted([text])
    assert str(failure.value) == (
        f"--set {text}: when translating only translate.KEY=VALUE can be set, "
        "and model.KEY=VALUE of a model that needs no weights"
    )


def test_options_validated_alone_say_where_they_are() -> None:
    data: Mapping[str, Any] = {"width": 0, "witdh": 1}
    with pytest.raises(RecipeError) as failure:
        validate_options(Width, data, "translate.")
    assert failure.value.problems == [
        "translate.width: should be greater than or equal to 1, found 0",
        "translate.witdh: unknown key; did you mean 'width'?",
    ]
    assert validate_options(Width, {"width": "3"}, "") == Width(width=3)
