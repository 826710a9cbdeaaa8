"""A model card says what the header of weights says, and nothing else."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from i2i import Weights
from i2i.hub.card import MARK, About, about, card, folders_named

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "plugins" / "cyclegan" / "i2i_cyclegan" / "weights" / "digits.safetensors"
I2I = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def digits() -> About:
    return about(DIGITS)


def rows(text: str) -> dict[str, str]:
    found = [line.strip("| ").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in found if len(row) == 2 and row[0] != "---"}


def test_a_card_is_written_from_the_header(digits: About) -> None:
    text = card(digits, "me/digits", "next", "apache-2.0")
    front, _, body = text.removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(front) == {
        **{"license": "apache-2.0", "library_name": "i2i", "pipeline_tag": "image-to-image"},
        "tags": ["i2i", "cyclegan"],
    }
    assert body.startswith(f"{MARK}\n\n# digits\n")
    told = rows(text)
    assert told["model"] == "cyclegan"
    assert "generator resnet-3, norm instance, residual no" in told["options"]
    assert told["steps"] == "700"
    assert told["losses"] == (
        "adversarial: lsgan (fake 0.0, flipping 0.0, real 1.0); cycle: l1, times 10; identity: l1, times 5"
    )
    assert told["pictures"].startswith(
        "source: broken 0, distinct sizes 1, most common size 32×32, pictures 2000; target"
    )
    assert told["packages"] == "i2i 0.1.0, i2i-cyclegan 0.1.0"
    assert told["SHA-256"] == hashlib.sha256(DIGITS.read_bytes()).hexdigest()
    assert (
        told["parameters and statistics"]
        == f"{sum(t.numel() for t in Weights.load(DIGITS).tensors.values()):,} numbers"
    )
    assert digits.header["note"] in text
    assert f"--weights 'hf://me/digits/digits.safetensors@next#sha256={told['SHA-256']}' --src PICTURES" in text
    assert text.endswith("## How good it is\n\nThe file holds no figures: not stated.\n")
    assert "$ pip install 'i2i[hub]' i2i-cyclegan\n" in text


def test_what_the_header_does_not_say_is_not_stated(digits: About) -> None:
    recipe = {"name": "x", "model": {"use": "x"}}
    bare = replace(digits, header={"recipe": recipe, "step": 0, "model_version": 1, "api_version": 1})
    text = card(bare, "me/x", samples=True)
    assert "license" not in text
    assert "pipeline_tag: unconditional-image-generation" in text
    assert "--count 64 --dst OUT" in text
    assert "Licence: not stated.\n" in text
    assert "The file does not say on what data it was trained, nor how it may be used.\n" in text
    told = rows(text)
    unknown = {key for key, value in told.items() if value == "not stated"}
    assert unknown == {
        *{"options", "packages", "batch", "pictures", "dataset", "losses", "trainer", "moving average", "seed"},
    }


def test_an_imported_network_tells_its_file_and_invents_no_training(digits: About) -> None:
    data = {"imported": {"file": "latest_net_G.pth", "sha256": "ab"}}
    told = rows(card(replace(digits, header={**digits.header, "data": data, "step": 0}), "me/x"))
    assert told["imported from"] == "latest_net_G.pth, SHA-256 ab"
    assert told["training"] == "not stated"
    assert "trainer" not in told


def test_nothing_but_names_of_packages_stands_in_the_command_to_paste(digits: About) -> None:
    versions = {"i2i": "1", "i2i-x": "1", "x; touch pwned": "1", "--index-url=y": "1"}
    assert "$ pip install 'i2i[hub]' i2i-x\n" in card(
        replace(digits, header={**digits.header, "versions": versions}), "me/x"
    )


def test_an_option_of_many_entries_is_left_to_the_file(digits: About) -> None:
    model = {"use": "spandrel", "architecture": "ESRGAN", "layout": {f"body.{n}.weight": [8, 8] for n in range(99)}}
    header = {**digits.header, "recipe": {**digits.header["recipe"], "model": {**model, "few": {"a": 1}}}}
    assert rows(card(replace(digits, header=header), "me/x4"))["options"] == "architecture ESRGAN, few a 1"


def test_places_on_a_machine_are_found_and_never_told(digits: About) -> None:
    recipe = digits.header["recipe"]
    named = {**recipe, "dataset": {**recipe["dataset"], "source": ["/home/me/photos", "C:\\me"], "target": "/data|x"}}
    header = {**digits.header, "recipe": named}
    assert folders_named(digits.header) == {}
    assert folders_named(header) == {"dataset.source": "C:\\me", "dataset.target": "/data|x"}
    text = card(replace(digits, header=header), "me/x")
    assert "/home/me" not in text
    assert "/data" not in text


def test_text_of_a_header_stays_in_its_cell(digits: About) -> None:
    header = {**digits.header, "versions": {"i2i": "1|2\n| x | y"}}
    assert rows(card(replace(digits, header=header), "me/x"))["packages"] == "i2i 1\\|2 \\| x \\| y"


def test_what_would_betray_folders_is_not_pushed(run_i2i: I2I, tmp_path: Path) -> None:
    weights = Weights.load(DIGITS)
    recipe = {**weights.recipe, "dataset": {**weights.recipe["dataset"], "source": "/home/me/photos"}}
    file = tmp_path / "w.safetensors"
    replace(weights, recipe=recipe).save(file)
    done = run_i2i("push", file, "me/x", "--dry-run")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Error: {file}: its header names a place on the machine that trained it (dataset.source: /home/me/photos); "
        "`i2i runs export RUN --note TEXT --out FILE` leaves folders out, --force publishes it so\n"
    )
    done = run_i2i("push", file, "me/x", "--dry-run", "--force", "--json")
    said = json.loads(done.stdout)
    assert (said["commit"], said["url"], said["repository"]) == (None, None, "me/x")
    assert MARK in said["card"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((DIGITS, "digits"), "digits: '' is no name of an owner or a repository; it reads OWNER/REPOSITORY"),
        ((DIGITS, "me/a/b"), "me/a/b: 'a/b' is no name of an owner or a repository"),
        ((DIGITS, "me/x", "--licence", "CC BY"), "--licence CC BY: the hub names licences such as cc-by-4.0"),
        ((DIGITS, "me/x", "--revision", "../x"), "hf://me/x/digits.safetensors@../x: '../x' is no revision"),
        (("a#b.safetensors", "me/x"), "hf://me/x/a#b.safetensors@main: behind # stands sha256="),
        (("w.onnx", "me/x"), "w.onnx: a weights file ends in .safetensors; `i2i runs export` takes one out of a run"),
        (("none.safetensors", "me/x"), "none.safetensors: no such weights file"),
    ],
)
def test_what_cannot_be_pushed_is_told_before_anything_is_asked(words: tuple[object, ...], complaint: str) -> None:
    from click.testing import CliRunner

    from i2i.cli.push import push
    from i2i.errors import UsageError

    done = CliRunner().invoke(push, [str(word) for word in words])
    assert isinstance(done.exception, UsageError)
    assert complaint in str(done.exception)
