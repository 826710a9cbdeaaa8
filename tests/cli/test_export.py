from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
import torch
from click.testing import CliRunner, Result

from i2i import I2IError, UsageError
from i2i.cli import i2i
from i2i.runtimes.exported import open_exported

for module in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(module)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(i2i, ["export", *map(str, arguments)])


def test_shipped_weights_become_a_file_and_its_parity_is_told(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    result = run("--plugin", "srgan", "--to", "onnx", file)
    assert (result.exit_code, result.exception) == (0, None)
    assert (
        "its answers differ from torch's by less than 0.001 of a level of 255 at most (compared: 1 of 48×48 and 3 of"
        in (result.output)
    )
    assert f"next: i2i translate --weights {file} --src PICTURES --dst OUT" in result.output
    opened = open_exported(file)
    assert (opened.model.geometry.scale, opened.model.geometry.tiling) == (4, "margin")


def test_a_file_that_is_there_stays_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_text("mine")
    assert str(run("--plugin", "srgan", "--to", "onnx", file).exception) == f"{file}: exists; --force replaces it"
    assert file.read_text() == "mine"
    with pytest.raises(UsageError, match=r"m\.txt: a file for onnx is named NAME\.onnx$"):
        raise run("--plugin", "srgan", "--to", "onnx", tmp_path / "m.txt").exception or AssertionError


def test_torchs_own_format_is_written_for_others(tmp_path: Path) -> None:
    file = tmp_path / "m.pt2"
    file.write_text("old")
    result = run("--plugin", "srgan", "--to", "torch-export", file, "--force", "--json")
    assert (result.exit_code, result.exception) == (0, None)
    told = json.loads(result.stdout)
    assert (told["form"], told["recipe"], told["options"]) == ("torch-export", "srresnet-compact", {})
    assert told["bytes"] == file.stat().st_size
    assert told["largest_difference_in_levels"] < 0.01
    assert [one["batch"] for one in told["compared"]] == [1, 3]
    with file.open("rb") as stream:
        answer = torch.export.load(stream).module()(torch.rand(2, 3, 12, 10))
    assert answer.shape == (2, 3, 48, 40)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--plugin", "dcgan-emoji"),
            "dcgan-emoji: makes pictures out of nothing; engines and exported files only trans",
        ),
        ((), "say with what: --plugin NAME, --run DIR or --weights FILE"),
        (("--plugin", "srgan", "--set", "translate.x=1"), "translate.x: unknown key"),
    ],
)
def test_what_cannot_be_exported_is_told(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    result = run(*arguments, "--to", "onnx", tmp_path / "m.onnx")
    assert isinstance(result.exception, I2IError)
    assert complaint in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_an_exported_file_is_not_exported_again(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    result = run("--weights", tmp_path / "a.onnx", "--to", "onnx", tmp_path / "b.onnx")
    assert str(result.exception).endswith(
        "a.onnx: is an exported file already; export from the weights that it was made of"
    )


def test_without_what_writes_onnx_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("i2i.runtimes.files.find_spec", lambda name: None)
    refused = run("--plugin", "srgan", "--to", "onnx", tmp_path / "m.onnx").exception
    assert isinstance(refused, UsageError)
    needed = "pip install onnx onnxscript onnxruntime"
    assert str(refused) == f"export to onnx: not everything is installed for it; get it by `{needed}`"


def test_a_form_that_nobody_declares_is_told_with_all_there_are(tmp_path: Path) -> None:
    refused = run("--plugin", "srgan", "--to", "published-poem", tmp_path / "m.pth")
    assert refused.exit_code == 2
    known = "'onnx', 'torch-export', 'published-cyclegan', 'published-dcgan', 'published-pix2pix', 'published-srgan'"
    assert f"Invalid value for '--to': 'published-poem' is not one of {known}." in refused.output


def test_a_model_without_weights_has_none_to_write(tmp_path: Path) -> None:
    words = ("--plugin", "gatys", "--set", f"model.style={tmp_path / 's.png'}", "--to", "published-cyclegan")
    (tmp_path / "s.png").write_bytes(b"")
    refused = run(*words, tmp_path / "m.pth").exception
    assert isinstance(refused, UsageError)
    assert str(refused) == "--to published-cyclegan: gatys needs no weights, and has none to write"


def test_forms_are_completed() -> None:
    from i2i.cli.export import FormType, export

    offered = FormType().shell_complete(click.Context(export), export.params[1], "published-c")
    assert [item.value for item in offered] == ["published-cyclegan"]
