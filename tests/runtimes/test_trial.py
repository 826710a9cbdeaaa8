from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from i2i.contracts import Geometry, Options, Request
from i2i.images.whole import Levels, Whole
from i2i.inference.computation import Computation
from i2i.runtimes.trial import Way, candidates, fastest, prepared, told
from i2i.training.runtime import Runtime

BOTH = [Way(), Way(precision="bf16")]


class Model:
    """Takes its time in full precision, and is `off` by so much in reduced."""

    geometry = Geometry(margin=0, tiling="margin")

    def __init__(self, off: float = 0.0) -> None:
        self.off, self.calls = off, 0

    def translate(self, images: Tensor, request: Request) -> Tensor:
        self.calls += 1
        if torch.is_autocast_enabled("cpu"):
            return images + self.off
        time.sleep(0.02)
        return images


class Painter(Model):
    def translate(self, images: Tensor, request: Request) -> Tensor:
        for step in range(1, 11):
            super().translate(images, request)
            request.report(step / 10)
        return images


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "i2i" / "ways"


def found(model: object, ways: list[Way] = BOTH, fingerprint: str = "weights") -> Way:
    runtime = Runtime(torch.device("cpu"), "fp32")
    return fastest(model, ways, Options(), runtime, "model", fingerprint, lambda: torch.full((3, 40, 70), 0.5))


def test_the_faster_way_is_taken_where_its_picture_is_nearly_the_same(cache: Path) -> None:
    way = found(Model(off=0.005))
    assert (way.engine, way.precision) == ("torch", "bf16")
    assert way.gain > 2
    assert way.psnr == pytest.approx(46.0, abs=0.1)  # 20 log10(1 / 0.005)
    line = told(way)
    assert line.startswith("computes in bf16 by torch: ")
    assert line.endswith(" times as fast as fp32 by torch, 46 dB from it")
    assert told(Way(engine="openvino")) == "computes in fp32 by openvino"


def test_a_picture_farther_than_40_db_is_not_worth_any_gain() -> None:
    assert found(Model(off=0.02)) == Way()


def test_what_was_found_is_remembered_for_these_weights(cache: Path) -> None:
    first = found(Model())
    again, other = Model(off=1.0), Model(off=1.0)
    assert (found(again), again.calls) == (first, 0)
    assert (found(other, fingerprint="others"), len(list(cache.iterdir()))) == (Way(), 2)
    for file in cache.iterdir():
        file.write_text("damaged")
    assert found(Model(off=1.0)) == Way()


def test_a_cache_that_cannot_be_written_hinders_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert found(Model()).precision == "bf16"


def test_a_model_that_paints_step_by_step_is_not_tried() -> None:
    model = Painter()
    assert (found(model), model.calls) == (Way(), 1)


def test_what_was_asked_for_needs_no_trial() -> None:
    cpu = torch.device("cpu")
    assert candidates(cpu, "torch", "fp32") == [Way()]
    assert candidates(cpu, "torch", "bf16") == [Way(precision="bf16")]
    assert candidates(cpu, "openvino", "bf16") == [Way("openvino", "bf16")]
    assert candidates(cpu, "onnxruntime", "auto")[0] == Way("onnxruntime")
    assert candidates(cpu, "auto", "fp32")[0] == Way()
    model = Model()
    assert (found(model, [Way(precision="bf16")]), model.calls) == (Way(precision="bf16"), 0)


def test_pictures_of_more_than_8_bits_are_computed_in_full_precision() -> None:
    runtime, model = Runtime(torch.device("cpu"), "fp32"), Model(off=0.25)
    work = Computation(model, runtime, Options())
    work.choose = lambda picture, tell: prepared(model, Way(precision="bf16"), Options(), runtime, "model")
    values = torch.full((3, 8, 8), 0.5)

    def answer(bits: int) -> float:
        (picture,) = work.answers([Whole(values, Levels(bits))], lambda which: Request(options=Options(), seeds=(0,)))
        assert isinstance(picture, Tensor)
        return float(picture[0, 0, 0])

    assert [answer(bits) for bits in (8, 16, 8)] == [0.75, 0.5, 0.75]
