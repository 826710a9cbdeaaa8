from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i import I2IError, Request, UsageError
from i2i.contracts import Options
from i2i.inference.translator import Translator, laid_over
from i2i.recipe import Recipe
from i2i.runtimes import description, exporting
from i2i.runtimes.description import with_description
from i2i.runtimes.engines import ENGINES, convertible
from i2i.runtimes.exported import open_exported
from i2i.runtimes.exporting import export
from i2i.tiling.live import LiveBytes
from i2i.training.runtime import Runtime

pytestmark = pytest.mark.skipif(
    not (convertible() and ENGINES["onnxruntime"].installed and ENGINES["openvino"].installed),
    reason="the engines are not installed",
)

LEVEL = 1 / 255
HEADER = {"recipe": {"name": "halved"}, "step": 3, "versions": {}, "data": {}, "note": ""}


def levels(pictures: Tensor) -> Tensor:
    return (pictures.clamp(0, 1) * 255).round()


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_a_file_answers_as_torch_does_at_any_size(engine: str, cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    path, model, recipe = cyclegan
    opened = open_exported(path, engine)
    for shape in ((1, 3, 16, 16), (2, 3, 64, 40), (3, 3, 36, 100)):
        images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        asked = Request(options=opened.options, seeds=(0,) * len(images))
        answer = opened.model.translate(images, asked)
        expected = model.translate(images, Request(options=recipe.translate, seeds=asked.seeds))
        assert (answer - expected).abs().amax() < 1e-5
        assert (levels(answer) - levels(expected)).abs().amax() <= 1


def test_a_file_holds_the_weights_that_it_needs_and_no_others(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    path, model, _ = cyclegan
    needed = sum(tensor.nbytes for tensor in model.get_submodule("to_source").state_dict().values())
    assert needed < path.stat().st_size < 1.5 * needed + 100_000


def test_norms_that_look_at_a_whole_picture_keep_a_file_from_tiles(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    path, model, _ = cyclegan
    geometry = open_exported(path).model.geometry
    assert (model.geometry.tiling, geometry.tiling) == ("statistics", "never")
    assert geometry.multiple_of == 4


def test_a_translator_is_made_of_a_file_alone(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    model, header, options, fingerprint = open_exported(cyclegan[0])
    translator = Translator(model, header, Runtime.choose("cpu", "fp32"), options, fingerprint=fingerprint)
    picture = torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(2))
    (answer,) = translator.translate([picture])
    assert answer.shape == picture.shape
    assert translator.name == "cyclegan"
    assert len(fingerprint) == 64


def test_options_of_a_file_are_fixed(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    options = open_exported(cyclegan[0]).options
    assert options.model_dump() == {"direction": "target-to-source"}
    assert laid_over(options, {"direction": "target-to-source"}) == options
    with pytest.raises(UsageError, match=r"^translate\.direction: 'source-to-target' is not what is in this exported"):
        laid_over(options, {"direction": "source-to-target"})
    with pytest.raises(UsageError, match=r"^translate\.directoin: unknown key; did you mean 'direction'\?"):
        laid_over(options, {"directoin": "x"})


def test_a_file_translates_with_its_own_options_alone(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    opened = open_exported(cyclegan[0])
    with pytest.raises(UsageError, match="this exported file translates with direction=target-to-source only"):
        opened.model.translate(torch.rand(1, 3, 16, 16), Request(options=Options(), seeds=(0,)))


def test_a_file_tells_how_much_memory_it_takes(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    opened = open_exported(cyclegan[0])
    images, asked = torch.rand(1, 3, 64, 64), Request(options=opened.options, seeds=(0,))
    opened.model.translate(images, asked)
    with LiveBytes() as live:
        opened.model.translate(images, asked)
    assert live.peak > opened.model.description.bytes_per_pixel * 64 * 64 > 10 * images.nbytes


def test_a_copy_computes_too(cyclegan: tuple[Path, nn.Module, Recipe]) -> None:
    opened = open_exported(cyclegan[0])
    images, asked = torch.rand(1, 3, 16, 16), Request(options=opened.options, seeds=(0,))
    other = copy.deepcopy(opened.model).to("cpu")
    assert torch.equal(other.translate(images, asked), opened.model.translate(images, asked))


def test_a_file_of_a_model_that_fills_takes_a_mask(halving: Any, tmp_path: Path) -> None:
    class Filling(halving):
        def translate(self, images: Tensor, request: Request) -> Tensor:
            assert request.mask is not None
            return torch.lerp(images, images * self.weight, request.mask)

    export(Filling(fills=True), HEADER, Options(), "f" * 64, tmp_path / "m.onnx")
    opened = open_exported(tmp_path / "m.onnx")
    images, asked = torch.rand(2, 3, 8, 12), Request(options=opened.options, seeds=(0, 0))
    mask = (images[:, :1] > 0.5).float()
    answer = opened.model.translate(images, replace(asked, mask=mask))
    torch.testing.assert_close(answer, images * (1 - mask / 2), atol=1e-6, rtol=0)
    with pytest.raises(UsageError, match=r"^halved: nothing says where the holes are; give a mask"):
        opened.model.translate(images, asked)


@pytest.fixture(scope="session")
def halved(halving: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halved") / "m.onnx"
    export(halving(size=(8, 12)), HEADER, Options(), "f" * 64, path)
    return path


def test_a_file_of_a_model_that_knows_one_size_is_of_that_size(halved: Path) -> None:
    opened = open_exported(halved)
    assert opened.model.geometry.size == (8, 12)
    images = torch.rand(3, 3, 8, 12)
    answer = opened.model.translate(images, Request(options=opened.options, seeds=(0,) * 3))
    torch.testing.assert_close(answer, images / 2, atol=1e-6, rtol=0)


def test_a_file_that_was_altered_is_refused(halved: Path, tmp_path: Path) -> None:
    content = bytearray(halved.read_bytes())
    content[20] ^= 1
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(I2IError, match=r"m\.onnx: (its contents do not match the hash|damaged, or no ONNX file)"):
        open_exported(tmp_path / "m.onnx")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(kept: float, halved: Path, tmp_path: Path) -> None:
    content = halved.read_bytes()
    (tmp_path / "m.onnx").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(I2IError, match=r"m\.onnx: damaged, or no ONNX file$"):
        open_exported(tmp_path / "m.onnx")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n and so on", b"x" * 100])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(I2IError, match=r"m\.onnx: damaged, or no ONNX file$"):
        open_exported(tmp_path / "m.onnx")


def test_an_onnx_file_of_others_is_refused(halved: Path, tmp_path: Path) -> None:
    import onnx

    model = onnx.load(halved)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(I2IError, match=r"m\.onnx: an ONNX file of others, which does not say how pictures go in"):
        open_exported(tmp_path / "m.onnx")


def test_a_description_is_metadata_that_others_read(halved: Path) -> None:
    import onnx

    (entry,) = [entry for entry in onnx.load(halved).metadata_props if entry.key == "i2i"]
    told = json.loads(entry.value)
    assert (told["format"], told["name"], told["header"]["step"], told["options"]) == (1, "halved", 3, {})
    assert (told["fingerprint"], told["geometry"]["tiling"]) == ("f" * 64, "margin")


def redescribed(path: Path, halved: Path, **changes: Any) -> Path:
    content, told = description.read_described(halved)
    graph = content[: [*description._fields(content)][-1].begin]
    path.write_bytes(with_description(graph, type(told)(**{**vars(told), **changes})))
    return path


def test_a_file_of_a_newer_i2i_is_refused(halved: Path, tmp_path: Path) -> None:
    path = redescribed(tmp_path / "m.onnx", halved, format=2)
    with pytest.raises(
        I2IError, match=r"m\.onnx: exported by a newer i2i \(format 2, this one reads 1\); upgrade with"
    ):
        open_exported(path)


def test_an_engine_that_answers_otherwise_than_torch_did_is_refused(halved: Path, tmp_path: Path) -> None:
    path = redescribed(tmp_path / "m.onnx", halved, probe=[2.0] * 12)
    with pytest.raises(
        I2IError, match=r"m\.onnx: openvino answers otherwise than torch did, by up to \d+ levels of 255;"
    ):
        open_exported(path, "openvino")


def test_a_file_whose_description_lacks_something_is_refused(halved: Path, tmp_path: Path) -> None:
    path = redescribed(tmp_path / "m.onnx", halved, header={})
    with pytest.raises(I2IError, match=r"m\.onnx: its i2i description is damaged; export again$"):
        open_exported(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.onnx: cannot be read \(no such file or directory\)$"):
        open_exported(tmp_path / "none.onnx")


def test_torch_and_what_is_not_installed_read_no_file(halved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"torch reads no ONNX files; take --runtime auto, openvino or onnxruntime or"):
        open_exported(halved, "torch")
    with pytest.raises(UsageError, match=r"no engine that is installed here computes it on cpu in fp8; use fp32$"):
        open_exported(halved, precision="fp8")
    monkeypatch.setattr("i2i.runtimes.engines.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs an engine that reads ONNX files on cpu: pip install onnxruntime$"):
        open_exported(halved)
    with pytest.raises(UsageError, match=r"^runtime openvino: not installed here; get it by `pip install openvino"):
        open_exported(halved, "openvino")


def test_a_file_is_read_without_what_made_it(halved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = ENGINES["onnxruntime"].modules
    monkeypatch.setattr("i2i.runtimes.engines.find_spec", lambda name: name if name in there else None)
    assert open_exported(halved).model.runtime == "onnxruntime"


def test_what_torch_cannot_trace_is_told_in_one_line_and_not_written(halving: Any, tmp_path: Path) -> None:
    class Peeking(halving):
        def translate(self, images: Tensor, request: Request) -> Tensor:
            return images if float(images.mean()) > 0.4 else images * 2

    with pytest.raises(
        I2IError, match=r"^halved: its translation cannot be traced for pictures of any size \("
    ) as told:
        export(Peeking(), HEADER, Options(), "", tmp_path / "m.onnx")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_answers_otherwise_is_not_written(
    halving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "graph_of", lambda program, name: b"")
    monkeypatch.setattr(exporting, "_read_back_onnx", lambda path: lambda images: images / 2 + 0.1)
    with pytest.raises(I2IError, match=r"m\.onnx: not written: its answers differ from torch's by up to 25\.5 levels"):
        export(halving(), HEADER, Options(), "", tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_that_no_onnx_file_holds_are_refused(
    halving: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_BYTES", 3)
    with pytest.raises(I2IError, match=r"^halved: holds 1MB of weights and an ONNX file at most 2GB; use --to torch-e"):
        export(halving(), HEADER, Options(), "", tmp_path / "m.onnx")
