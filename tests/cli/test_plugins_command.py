from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydantic import Field

from i2i import Options
from i2i.cli.plugins import plugins as command
from i2i.cli.plugins.showing import _options
from i2i.plugins import discover

BROKEN = Path(__file__).parents[1] / "plugins"
STRANGE = "strange_misspelt: unknown hook 'i2i_modles'; did you mean 'i2i_models'?"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.output


@pytest.fixture
def _strange(monkeypatch: pytest.MonkeyPatch, install_plugin: Callable[..., None], tmp_path: Path) -> Iterator[None]:
    """A broken plugin beside the others."""
    install_plugin(BROKEN / "broken_misspelt", tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("strange_misspelt", None)


# list


def test_everything_installed_is_listed_with_its_package_and_summary() -> None:
    lines = output("list").splitlines()
    entries = list(discover())
    titles = ("KIND", "NAME", "PACKAGE", "API", "STATE", "SUMMARY")
    assert lines[0].split() == list(titles)
    assert len(lines) == 1 + len(entries)
    ends = [*(lines[0].index(title) for title in titles), None]
    for line, entry in zip(lines[1:], entries, strict=True):
        cells = [line[start:end].strip() for start, end in pairwise(ends)]
        package, recipe = f"{entry.distribution} {entry.version}", entry.kind == "recipe"
        api, summary = ("–", "") if recipe else (str(entry.value.api_version), entry.value.summary)
        assert cells == [entry.kind, entry.name, package, api, "healthy", summary]


def test_alone_the_group_lists() -> None:
    assert output() == output("list")


def test_programs_get_the_same_as_json() -> None:
    listing = json.loads(output("list", "--json"))
    version, there = metadata.version("i2i-cyclegan"), {"distribution": "i2i-cyclegan", "state": "healthy"}
    assert (listing["broken"], listing["left_out"]) == ([], [])
    found = {(entry["kind"], entry["name"]): entry for entry in listing["entries"]}
    assert len(found) == len(listing["entries"]) == len(list(discover()))
    model, recipe = found["model", "cyclegan"], found["recipe", "cyclegan-light"]
    assert model.items() >= {**there, "version": version, "api_version": 1}.items()
    assert model["summary"].startswith("two generators")
    assert recipe.items() >= {**there, "version": version, "api_version": None, "summary": ""}.items()
    point = {"name": "cyclegan", "module": "i2i_cyclegan", "distribution": "i2i-cyclegan", "version": version}
    assert point in listing["installed"]


def test_the_group_itself_is_told_to_programs_too() -> None:
    assert output("--json") == output("list", "--json")
    refused = run("--json", "list")
    assert str(refused.exception) == "--json: stands behind list, where that has it"


@pytest.mark.usefixtures("_strange")
def test_what_is_broken_comes_last_with_its_reason() -> None:
    assert output().splitlines()[-1] == f"broken  strange-misspelt 0.1.0: {STRANGE}"
    broken = {"distribution": "strange-misspelt", "version": "0.1.0", "reason": STRANGE, "state": "broken"}
    assert json.loads(output("list", "--json"))["broken"] == [broken]


@pytest.mark.usefixtures("_strange")
def test_what_is_broken_is_red_on_a_terminal() -> None:
    last = CliRunner().invoke(command, color=True).output.splitlines()[-1]
    assert last.startswith("\x1b[31mbroken\x1b[0m  strange-misspelt")


@pytest.mark.usefixtures("_strange")
def test_what_the_environment_leaves_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "cyclegan, i2i_gatys")
    *rows, last = output().splitlines()
    assert {row.split()[2] for row in rows[1:]} == {"i2i", "i2i-cyclegan", "i2i-gatys"}
    assert last.startswith("left out by I2I_PLUGINS: i2i-dcgan 0.1.0, ")
    assert last.endswith(", strange-misspelt 0.1.0"), "what is not loaded is not broken"
    left_out = json.loads(output("list", "--json"))["left_out"]
    misspelt = {"name": "strange_misspelt", "module": "strange_misspelt", "version": "0.1.0"}
    assert {"distribution": "strange-misspelt", **misspelt} in left_out


def test_with_no_plugin_at_all_the_core_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "")
    rows = [line.split() for line in output().splitlines()[1:-1]]
    assert {(row[0], row[2]) for row in rows} == {("loss", "i2i"), ("dataset", "i2i"), ("tracker", "i2i")}


# show


def test_a_package_is_shown_with_all_that_it_brings() -> None:
    lines = [re.sub(" +", " ", line).strip() for line in output("show", "i2i-cyclegan").splitlines()]
    assert lines[0] == f"i2i-cyclegan {metadata.version('i2i-cyclegan')}"
    assert {
        "entry point cyclegan = i2i_cyclegan",
        "model cyclegan",
        "recipe cyclegan-digits, cyclegan-light, cyclegan",
        "model cyclegan: two generators and two patch discriminators; translates either way",
        "Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, 2017",
        "API 1",
        "a weights file holds to_target, to_source",
        "reads what others published yes",
        "is written for others as published-cyclegan",
        "options:",
        "width channels of a generator's first layer; integer ≥ 1; default 64",
        "options of translate:",
        "direction which way to translate; source-to-target | target-to-source; default source-to-target",
        "role regulariser keeps the discriminators smooth; kind regulariser, may be null",
        "role cycle there and back again gives the same picture; kind image",
        "needs of the model to_target, to_source, judge_target, judge_source",
        "needs in a batch source, target",
        "averages to_target, to_source",
        "beta1 of Adam: decay of the mean gradient; number ≥ 0, < 1; default 0.5",
        "recipe cyclegan-light: `i2i show cyclegan-light` prints it",
    } <= set(lines)
    (place,) = (line.removeprefix("in ") for line in lines if line.startswith("in "))
    assert (Path(place) / "recipes" / "cyclegan.yaml").is_file()


@pytest.mark.parametrize("name", ["I2I_Gatys", "gatys"])
def test_a_package_goes_by_its_name_in_any_spelling_and_by_its_entry_point(name: str) -> None:
    assert output("show", name) == output("show", "i2i-gatys")


def test_a_name_within_a_package_is_shown_alone_and_the_rest_by_name() -> None:
    lines = output("show", "lsgan").splitlines()
    assert lines[0] == f"i2i {metadata.version('i2i')}"
    assert [line for line in lines if re.match(r"(model|loss|trainer|dataset|recipe) ", line)] == [
        "loss lsgan: least squares: steady gradients far from the decision boundary"
    ]
    assert "  kind  adversarial" in lines
    assert any(line.startswith("  dataset  unpaired, ") for line in lines)
    assert lines[-1] == "`i2i plugins show i2i` explains all that it brings"


def test_the_core_is_shown_as_a_package_too() -> None:
    shown = output("show", "i2i")
    core = [entry for entry in discover() if entry.distribution == "i2i"]
    assert core
    assert all(f"\n{entry.kind} {entry.name}: {entry.value.summary}\n" in shown for entry in core)
    assert "explains all that it brings" not in shown


def test_a_dataset_says_what_it_gives_and_what_the_folders_mean() -> None:
    lines = [re.sub(" +", " ", line).strip() for line in output("show", "unpaired").splitlines()]
    assert {"gives in a batch source, target", "--src dataset.source", "--target dataset.target"} <= set(lines)


@pytest.mark.usefixtures("_strange")
@pytest.mark.parametrize("name", ["Strange.Misspelt", "strange_misspelt"])
def test_a_broken_package_is_shown_with_its_reason(name: str, tmp_path: Path) -> None:
    assert output("show", name).splitlines() == [
        "strange-misspelt 0.1.0",
        f"  in           {tmp_path / 'strange_misspelt'}",
        "  entry point  strange_misspelt = strange_misspelt",
        f"  broken: {STRANGE}",
    ]


def test_a_package_that_is_left_out_is_shown_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "cyclegan")
    lines = output("show", "gatys").splitlines()
    assert lines[-1] == "  left out by I2I_PLUGINS: nothing of it is loaded"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lsgam", "; did you mean 'lsgan'?"),
        ("i2i-cyclgan", "; did you mean 'i2i-cyclegan'?"),
        ("qqq", "; `i2i plugins list` lists what is"),
    ],
)
def test_an_unknown_name_is_wrong_usage_with_the_nearest(name: str, hint: str) -> None:
    result = run("show", name)
    assert result.output == ""
    assert result.exception.exit_code == 2
    kinds = "no plugin, model, loss, trainer, dataset, tracker or recipe"
    assert str(result.exception) == f"{kinds} '{name}' is installed{hint}"


class Brush(Options):
    size: int = Field(3, ge=1, description="pixels")


class Peculiar(Options):
    needed: int = Field(le=64, description="has no default")
    brush: Brush = Field(Brush(), description="a section of its own")
    long_name: str = "bare"


def test_options_are_explained_with_sections_and_without_defaults() -> None:
    assert list(_options(Peculiar, "  ")) == [
        "  needed     has no default; integer ≤ 64; no default",
        "  brush      a section of its own",
        "    size  pixels; integer ≥ 1; default 3",
        "  long_name  string; default bare",
    ]
