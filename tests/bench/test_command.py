"""`i2i bench` measures recipes, writes nothing here and says what it left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from i2i import discover
from i2i.bench import measuring
from i2i.bench.limit import limits
from i2i.bench.recipes import chosen
from i2i.bench.sides import Timing
from i2i.cli import i2i
from i2i.errors import UsageError
from i2i.training.speed import Work

TINY = ("--plugin", "cyclegan", "--set", "model.generator=resnet-3", "--set", "model.width=4", "--size", "16",
        "--set", "model.discriminator_width=4", "--set", "dataset.resize=32", "--set", "dataset.crop=32")  # fmt: skip


@pytest.fixture(autouse=True)
def quick(once_in_this_process: Callable[..., list[Timing]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "in_turns", once_in_this_process)
    monkeypatch.setattr(measuring, "limits", lambda device, seconds: limits(device, 0, [Work(1, 8, 16)]))


def call(*words: str) -> Result:
    return CliRunner().invoke(i2i, ["bench", "--device", "cpu", *words])


def test_a_recipe_is_measured_translating_and_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*TINY, "--seconds", "1000")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith("convolutions reach ")
    assert lines[1].endswith(" in fp32: the limit") or " in bf16" in lines[1]
    heads = "recipe precision ratio ms a picture pictures/s of limit memory"
    assert lines[3].split() == heads.split()
    assert lines[4].split()[:4] == ["cyclegan", "16×16", "translated", "fp32"]
    assert any(line.split()[:5] == ["cyclegan", "trained,", "batch", "1", "fp32"] for line in lines[5:])
    assert all(line.endswith(" MB") for line in lines[4:])
    assert list(tmp_path.iterdir()) == []


def test_machines_get_json_alone_and_what_cannot_be_measured_is_told() -> None:
    result = call("--plugin", "fast-style-light", "--size", "32", "--seconds", "100", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found.keys() == {"machine", "limits", "rows", "left_out"}
    row = found["rows"][0]
    assert (row["recipe"], row["what"], row["precision"]) == ("fast-style-light", "32×32 translated", "fp32")
    assert row["pictures_per_second"] == row["pictures"] / row["seconds"]
    assert row["share_of_limit"] > 0
    assert row["ratio"] is None or "bf16" in found["limits"]
    why = found["left_out"]["fast-style-light, training in fp32"]
    assert "trainer.style" in why


def test_what_one_would_try_first_has_weights_or_is_light() -> None:
    names = chosen(discover())
    assert {"srgan", "cyclegan-digits", "dcgan-emoji", "cyclegan-light"} <= set(names)
    assert names.index("srgan") < names.index("cyclegan-light")
    assert not {"cyclegan", "srresnet-compact"} & set(names)  # wants a GPU; has the weights of srgan


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--set", "model.width=4"), "--set model.width=4: of which recipe? Name it with --plugin"),
        (("--plugin", "cyclgan"), "unknown recipe 'cyclgan'"),
    ],
)
def test_a_wrong_command_is_told_before_anything_is_measured(words: tuple[str, ...], message: str) -> None:
    result = call(*words)
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


def test_without_such_recipes_one_is_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("I2I_PLUGINS", "")
    result = call()
    assert str(result.exception) == (
        "no recipe with shipped weights, and no light one, is installed: name one with --plugin"
    )


def test_what_there_is_no_time_for_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "chosen", lambda catalog: ["dcgan-digits", "vae-digits"])
    result = call("--seconds", "0.01")
    assert result.stdout.splitlines()[4].split()[:3] == ["dcgan-digits", "drawn", "fp32"]
    assert result.stdout.splitlines()[-1] == "not measured: vae-digits: no time left; more --seconds, or --plugin"
    assert "measuring dcgan-digits" in result.stderr
