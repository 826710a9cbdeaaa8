"""`i2i plugins check` as a user runs it; what the checks are is tested with `i2i.testing`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from i2i.cli.plugins.checking import _as_table, check
from i2i.testing.contract import Outcome

RunI2I = Callable[..., "subprocess.CompletedProcess[str]"]

GOOD = """
from i2i import LossSpec, Options, hookimpl
from pydantic import Field

class PowerOptions(Options):
    power: float = Field(3.0, ge=1, description="of the difference")

@hookimpl
def i2i_losses():
    yield LossSpec(name="power", kind="image", summary="a distance", options=PowerOptions, build="i2i_power.loss:Power")
"""
LOSS = """
from torch import nn

class Power(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.power = options.power

    def forward(self, prediction, target):
        return ((prediction - target).abs() ** self.power).mean()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The project folder of a plugin with one loss, installed nowhere."""
    (tmp_path / "i2i_power").mkdir()
    (tmp_path / "i2i_power" / "__init__.py").write_text(GOOD)
    (tmp_path / "i2i_power" / "loss.py").write_text(LOSS)
    project = '[project]\nname = "i2i-power"\nversion = "1.0"\n[project.entry-points.i2i]\npower = "i2i_power"\n'
    (tmp_path / "pyproject.toml").write_text(project)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("i2i_power")]:
        del sys.modules[name]


def counts(line: str) -> dict[str, int]:
    return {verdict: int(count) for count, verdict in (part.split() for part in line.split(", "))}


def test_every_outcome_is_a_line_and_the_last_one_counts_them(folder: Path, run_i2i: RunI2I) -> None:
    done = run_i2i("plugins", "check", folder)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    verdicts = [line.split()[0] for line in lines]
    assert counts(last) == {verdict: verdicts.count(verdict) for verdict in ("passed", "failed", "skipped")}
    assert counts(last)["passed"] > 1
    assert counts(last)["failed"] == 0
    subjects = {line.split("  ", 1)[1].partition(":")[0] for line in lines}
    assert {"package i2i-power", "loss power"} <= subjects
    assert "\x1b" not in done.stdout


def test_what_fails_says_why_and_ends_with_one(folder: Path, run_i2i: RunI2I) -> None:
    (folder / "i2i_power" / "loss.py").write_text(LOSS.replace(").mean()", ")"))
    done = run_i2i("plugins", "check", folder)
    *lines, last = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    failed = [line for line in lines if line.startswith("failed  loss power: ")]
    assert failed
    assert len(failed) == counts(last)["failed"]
    assert all(line.endswith(")") for line in failed), "each with its reason in brackets"


def test_a_broken_plugin_fails_with_its_reason(folder: Path, run_i2i: RunI2I) -> None:
    (folder / "i2i_power" / "__init__.py").write_text(GOOD.replace("i2i_losses", "i2i_loses"))
    done = run_i2i("plugins", "check", folder)
    first, last = done.stdout.splitlines()
    assert (done.returncode, counts(last)) == (1, {"passed": 0, "failed": 1, "skipped": 0})
    assert first.startswith("failed  package i2i-power: ")
    assert "unknown hook 'i2i_loses'; did you mean 'i2i_losses'?" in first


def test_programs_get_the_same_as_json(folder: Path) -> None:
    result = CliRunner().invoke(check, [str(folder), "--json"])
    assert result.exit_code == 0, result.exception
    found = json.loads(result.output)
    assert found["outcomes"]
    assert all(set(outcome) == {"subject", "check", "verdict", "reason", "seconds"} for outcome in found["outcomes"])
    verdicts = [outcome["verdict"] for outcome in found["outcomes"]]
    assert found["counts"] == {verdict: verdicts.count(verdict) for verdict in ("passed", "failed", "skipped")}


def test_json_of_a_failure_ends_with_one_too(folder: Path) -> None:
    (folder / "i2i_power" / "loss.py").write_text("raise RuntimeError('no luck')")
    result = CliRunner().invoke(check, [str(folder), "--json"])
    assert result.exit_code == 1
    found = json.loads(result.output)
    reasons = [outcome["reason"] for outcome in found["outcomes"] if outcome["verdict"] == "failed"]
    assert any("no luck" in reason for reason in reasons)


def test_on_a_terminal_each_subject_is_a_heading() -> None:
    outcomes = [
        Outcome("model lumen", "it builds", "passed", "", 0.1),
        Outcome("model lumen", "it learns", "failed", "one\ntwo", 0.1),
        Outcome("trainer lumen", "it rests", "skipped", "no time", 0.1),
    ]
    assert list(_as_table(outcomes)) == [
        "\x1b[1mmodel lumen\x1b[0m",
        "  \x1b[32m✓\x1b[0m it builds",
        "  \x1b[31m✗\x1b[0m it learns",
        "      one",
        "      two",
        "\x1b[1mtrainer lumen\x1b[0m",
        "  \x1b[33m–\x1b[0m it rests",
        "      no time",
    ]


def test_outcomes_are_shown_as_they_come() -> None:
    def outcomes() -> Iterator[Outcome]:
        yield Outcome("model lumen", "it builds", "passed", "", 0.1)
        raise RuntimeError("the rest is not waited for")

    table = _as_table(outcomes())
    assert [next(table), next(table)] == ["\x1b[1mmodel lumen\x1b[0m", "  \x1b[32m✓\x1b[0m it builds"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-plugin",), "Error: unknown plugin 'no-such-plugin' (known: "),
        (("i2i-cyclgan",), "Error: unknown plugin 'i2i-cyclgan'; did you mean 'i2i-cyclegan'?"),
        (("./nowhere",), "nowhere: no plugin's project folder (no pyproject.toml in it)"),
    ],
)
def test_an_unknown_plugin_is_wrong_usage(arguments: tuple[str, ...], message: str, run_i2i: RunI2I) -> None:
    done = run_i2i("plugins", "check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert message in line


def test_a_set_that_fits_no_recipe_is_wrong_usage(folder: Path, run_i2i: RunI2I) -> None:
    done = run_i2i("plugins", "check", folder, "--set", "model.width=4")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: --set model.width=4: no recipe of i2i-power has this option\n"
