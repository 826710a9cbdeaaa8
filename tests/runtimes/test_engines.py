from __future__ import annotations

import copy
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i import Geometry, I2IError, Request, UsageError
from i2i.contracts import Options
from i2i.runtimes import engines
from i2i.runtimes.accelerated import Accelerated
from i2i.runtimes.engines import ENGINES, able, require
from i2i.tiling.live import LiveBytes

CPU = torch.device("cpu")


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", ENGINES)
def test_what_is_not_installed_is_told_with_the_command_that_brings_it(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        require(name, "cpu", "fp32")
    assert str(refused.value) == f"runtime {name}: not installed here; get it by `{ENGINES[name].pip}`"
    assert ENGINES[name].pip.startswith("pip install ")
    assert able("cpu", "fp32") == []


@pytest.fixture
def all_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda name: name)


@pytest.mark.usefixtures("all_installed")
def test_a_device_or_precision_that_an_engine_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^runtime openvino: computes on cpu, not on cuda; take torch$"):
        require("openvino", "cuda:1", "fp32")
    with pytest.raises(UsageError, match=r"^runtime onnxruntime: computes in fp32 on cpu, not in bf16; take torch$"):
        require("onnxruntime", "cpu", "bf16")
    assert [engine.name for engine in able("cpu", "fp32")] == ["openvino", "onnxruntime"]
    assert [engine.name for engine in able("cpu", "bf16")] == ["openvino"]
    assert [engine.name for engine in able("cuda:0", "fp32")] == ["onnxruntime", "tensorrt"]


def test_to_know_the_engines_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from i2i.runtimes.engines import able; from i2i.runtimes.files import refuse; able('cpu', 'fp32');"
        "assert not {'torch', 'openvino', 'onnxruntime', 'onnx'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def accelerated(model: Any, engine: str) -> Accelerated:
    if not (engines.convertible() and ENGINES[engine].installed):
        pytest.skip(f"{engine} is not installed")
    return Accelerated(model, Options(), require(engine, "cpu", "fp32"), CPU, "fp32", "halved")


def test_an_engine_answers_for_a_model(halving: Any) -> None:
    class Counted(halving):
        asked = 0

        def translate(self, images: Tensor, request: Request) -> Tensor:
            type(self).asked += 1
            return super().translate(images, request)

    model = Counted()
    made = accelerated(model, "openvino")
    made.session  # noqa: B018 (made ready now)
    before = Counted.asked
    for shape in ((1, 3, 8, 8), (3, 3, 20, 12)):
        images = torch.rand(shape)
        answer = made.translate(images, Request(options=Options(), seeds=(0,) * shape[0]))
        torch.testing.assert_close(answer, images / 2, atol=1e-6, rtol=0)
    assert Counted.asked == before


def test_torch_answers_where_the_graph_does_not_have_it(halving: Any) -> None:
    class Tinted(Options):
        tint: float = 0.0

    class Tinting(halving):
        def translate(self, images: Tensor, request: Request) -> Tensor:
            return super().translate(images, request) + request.options.tint

    made = Accelerated(Tinting(), Tinted(), ENGINES["onnxruntime"], CPU, "fp32", "tinting")
    images = torch.rand(1, 3, 8, 8)
    answer = made.translate(images, Request(options=Tinted(tint=0.25), seeds=(0,)))
    assert torch.equal(answer, images / 2 + 0.25)
    with LiveBytes() as live:  # counts what torch takes
        assert torch.equal(made.translate(images, Request(options=Tinted(), seeds=(0,))), images / 2)
    assert live.peak >= images.nbytes
    assert made._session is None


def test_all_else_of_the_model_is_there(halving: Any) -> None:
    model = halving(scale=1, margin=3)
    model.remarks = ("mild",)
    made = Accelerated(model, Options(), ENGINES["onnxruntime"], CPU, "fp32", "halved")
    assert made.geometry == Geometry(margin=3, tiling="margin")
    assert made.remarks == ("mild",)
    assert not hasattr(made, "sample")
    assert type(copy.deepcopy(made)) is type(model)


def test_an_engine_that_answers_otherwise_than_torch_is_refused(halving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = accelerated(halving(), "onnxruntime")
    monkeypatch.setattr(type(made.engine), "session", lambda *given: lambda inputs: inputs[0])
    monkeypatch.setattr("i2i.runtimes.accelerated.graph_of", lambda program, name: b"")
    with pytest.raises(
        I2IError, match=r"^halved: onnxruntime answers otherwise than torch, by up to 127 levels of 255;"
    ):
        made.session  # noqa: B018
    assert made._session is None


def test_openvino_is_imported_without_what_reports_over_the_network() -> None:
    if not ENGINES["openvino"].installed:
        pytest.skip("openvino is not installed")
    code = (
        "import sys; from i2i.runtimes.openvino import _unobserved\n"
        "with _unobserved(): import openvino\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
