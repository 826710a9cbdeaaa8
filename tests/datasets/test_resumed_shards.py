"""Runs whose pictures lie in shards: as those of folders, also where they were stopped."""

from __future__ import annotations

import signal
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from i2i import Catalog, Recipe, discover, load_recipe
from i2i.errors import I2IError, Interrupted
from i2i.training.checkpoints import identical, load_checkpoint, newest_checkpoint
from i2i.training.listener import Listener
from i2i.training.run_folder import RunFolder
from i2i.training.starting import resume, start

ALIEN = Path(__file__).parents[1] / "plugins" / "alien"


class Stopping(Listener):
    """Stops at a step and hears what is said."""

    def __init__(self, at: int = -1, then: Callable[[], object] = bool) -> None:
        self.at, self.step, self.then, self.heard = at, 0, then, list[str]()

    def stepped(self, step: int) -> None:
        self.step = step
        if step == self.at:
            self.then()

    def should_stop(self) -> int | None:
        return signal.SIGTERM if self.step == self.at and self.then is bool else None

    def said(self, text: str) -> None:
        self.heard.append(text)


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.syspath_prepend(str(ALIEN))
    discover()
    yield discover([EntryPoint("alien", "i2i_alien", "i2i")])
    for name in [name for name in sys.modules if name.startswith("i2i_alien")]:
        del sys.modules[name]


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """`photos` and `paintings`, the same in two shards each."""
    rng = numpy.random.default_rng(0)
    for name, count in (("photos", 7), ("paintings", 6)):
        (tmp_path / name).mkdir()
        for index in range(count):
            pixels = rng.integers(0, 256, (18, 24, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
            with tarfile.open(tmp_path / f"{name}-{2 * index // count}.tar", "a") as tar:
                tar.add(tmp_path / name / f"{index}.png", f"{index}.png")
    return tmp_path


def recipe(catalog: Catalog, photos: object, paintings: object, *overrides: str) -> Recipe:
    where = [f"dataset.source={photos}", f"dataset.target={paintings}", "run.precision=fp32"]
    return load_recipe(catalog, "alien", overrides=[*where, *overrides])


def on_shards(catalog: Catalog, shards: Path, *overrides: str) -> Recipe:
    return recipe(catalog, f"'{shards}/photos-{{0..1}}.tar'", f"'{shards}/paintings-{{0..1}}.tar'", *overrides)


def state(run: RunFolder) -> Path:
    newest = newest_checkpoint(run.checkpoints)
    assert newest is not None
    return newest


def model_of(run: RunFolder) -> Any:
    loaded: Any = load_checkpoint(state(run))
    return loaded["loop"]["model"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_on_shards_that_was_stopped_equals_one_that_was_not(
    catalog: Catalog, shards: Path, tmp_path: Path, workers: int
) -> None:
    for at in (1, 3, 6):
        made = on_shards(catalog, shards, f"run.workers={workers}")
        with pytest.raises(Interrupted):
            start(catalog, made, tmp_path / f"run-{at}", listener=Stopping(at)).run()
    whole = start(catalog, on_shards(catalog, shards), tmp_path / "whole").run()
    for at in (1, 3, 6):
        listener = Stopping()
        resumed = resume(catalog, tmp_path / f"run-{at}", listener=listener).run()
        assert not [line for line in listener.heard if "bit for bit" in line]
        assert identical(state(resumed), state(whole))


def test_a_run_on_shards_equals_one_on_the_folders_that_they_were_packed_from(
    catalog: Catalog, shards: Path, tmp_path: Path
) -> None:
    packed = start(catalog, on_shards(catalog, shards), tmp_path / "packed").run()
    plain = start(catalog, recipe(catalog, shards / "photos", shards / "paintings"), tmp_path / "plain").run()
    one, other = (model_of(run) for run in (packed, plain))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_shards_that_changed_between_two_halves_of_a_run_are_told(
    catalog: Catalog, shards: Path, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        start(catalog, on_shards(catalog, shards), tmp_path / "run", listener=Stopping(4)).run()
    with tarfile.open(shards / "photos-1.tar", "a") as tar:
        tar.add(shards / "photos" / "0.png", "6.png")
    listener = Stopping()
    resume(catalog, tmp_path / "run", listener=listener).occupation.end()  # type: ignore[union-attr]
    (told,) = [line for line in listener.heard if line.startswith("data.")]
    assert told.endswith(": the run goes on, but not bit for bit as it would have")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_vanishes_ends_the_run_and_the_last_checkpoint_is_gone_on_from(
    catalog: Catalog, shards: Path, tmp_path: Path, workers: int
) -> None:
    gone = shards / "photos-0.tar"
    made = on_shards(catalog, shards, "run.checkpoint_every=2", "run.steps=40", f"run.workers={workers}")
    listener = Stopping(5, lambda: gone.rename(shards / "kept"))
    with pytest.raises(I2IError, match=r"photos-0\.tar/\d\.png: cannot be read \(no such file or folder\)$"):
        start(catalog, made, tmp_path / "run", listener=listener).run()
    (shards / "kept").rename(gone)
    resumed = resume(catalog, tmp_path / "run", steps=12).run()
    whole = start(catalog, on_shards(catalog, shards, "run.steps=12"), tmp_path / "whole").run()
    one, other = (model_of(run) for run in (resumed, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
