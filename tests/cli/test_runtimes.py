from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from i2i.cli import i2i
from i2i.runtimes import engines


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(i2i, list(map(str, arguments)))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    chance = numpy.random.default_rng(0)
    for name, size in (("a.png", (13, 9)), ("b.jpg", (16, 16))):
        Image.fromarray(chance.integers(0, 256, (*size, 3), "uint8")).save(folder / name)
    return folder


def levels(path: Path) -> numpy.ndarray:
    return numpy.asarray(Image.open(path), "int16")


def test_an_exported_file_gives_the_pictures_that_torch_gives(photos: Path, tmp_path: Path) -> None:
    for module in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(module)
    file = tmp_path / "m.onnx"
    assert run("export", "--plugin", "srgan", "--to", "onnx", file).exit_code == 0
    by_torch, by_file = tmp_path / "torch", tmp_path / "file"
    assert run("translate", "--plugin", "srgan", "--src", photos, "--dst", by_torch).exit_code == 0
    result = run("translate", "--weights", file, "--src", photos, "--dst", by_file, "--scale", "4", "--tile", "80")
    assert (result.exit_code, result.exception) == (0, None)
    for name in ("a.png", "b.jpg"):
        assert abs(levels(by_torch / name) - levels(by_file / name)).max() <= 1
    refused = run("translate", "--weights", file, "--runtime", "torch", "--src", photos, "--dst", tmp_path / "none")
    engines = "openvino or onnxruntime or tensorrt"
    assert str(refused.exception) == f"{file}: torch computes no exported file; take --runtime {engines}, or auto"


def test_an_engine_that_is_not_installed_is_told_with_the_command_that_brings_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda module: None)
    result = run("translate", "--plugin", "srgan", "--runtime", "openvino", "--src", photos, "--dst", tmp_path / "out")
    needs = "pip install openvino onnx onnxscript"
    assert str(result.exception) == f"runtime openvino: not installed here; get it by `{needs}`"
    assert not (tmp_path / "out").exists()


def test_what_makes_pictures_out_of_nothing_is_computed_by_torch(tmp_path: Path) -> None:
    how = ("--plugin", "dcgan-emoji", "--runtime", "onnxruntime")
    result = run("translate", *how, "--count", "1", "--dst", tmp_path / "out")
    assert str(result.exception) == "runtime onnxruntime: dcgan-emoji makes pictures out of nothing; take torch"


def test_in_reduced_precision_a_picture_stays_close(photos: Path, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        how = ("--plugin", "srgan", "--precision", precision, "--src", photos, "--dst", tmp_path / precision)
        assert run("translate", *how).exit_code == 0
    error = (levels(tmp_path / "fp32" / "a.png") - levels(tmp_path / "bf16" / "a.png")) / 255
    assert -10 * numpy.log10((error**2).mean()) > 40
