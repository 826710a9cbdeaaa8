"""`i2i bench` measures recipes, writes nothing here and says what it left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from i2i.bench import measuring
from i2i.bench.sides import Timing
from i2i.cli import i2i

TINY = ("--plugin", "cyclegan", "--set", "model.generator=resnet-3", "--set", "model.width=4", "--size", "16",
        "--set", "model.discriminator_width=4", "--set", "dataset.resize=32", "--set", "dataset.crop=32")  # fmt: skip


def call(*words: str) -> Result:
    return CliRunner().invoke(i2i, ["bench", "--device", "cpu", *words])


def test_a_recipe_is_measured_translating_and_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*TINY, "--seconds", "2")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[1].startswith("convolutions reach ")
    assert lines[1].endswith(" in fp32: the limit") or " in bf16" in lines[1]
    assert lines[3].split() == [
        "recipe",
        "precision",
        "ratio",
        "ms",
        "a",
        "picture",
        "pictures/s",
        "of",
        "limit",
        "memory",
    ]
    assert lines[4].startswith("cyclegan  16×16 translated   fp32")
    assert any(line.startswith("cyclegan  trained, batch 1   fp32") for line in lines[5:])
    assert all(line.endswith(" MB") for line in lines[4:])
    assert list(tmp_path.iterdir()) == []


def test_machines_get_json_alone_and_what_cannot_be_measured_is_told(
    once_in_this_process: Callable[..., list[Timing]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "in_turns", once_in_this_process)
    result = call("--plugin", "fast-style-light", "--size", "32", "--seconds", "0.1", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found.keys() == {"machine", "limits", "rows", "left_out"}
    row = found["rows"][0]
    assert (row["recipe"], row["what"], row["precision"]) == ("fast-style-light", "32×32 translated", "fp32")
    assert row["pictures_per_second"] == row["pictures"] / row["seconds"]
    assert row["share_of_limit"] > 0
    assert row["ratio"] is None or "bf16" in found["limits"]
    assert list(found["left_out"]) == ["fast-style-light, training"]
    assert "trainer.style" in found["left_out"]["fast-style-light, training"]
