"""The commands of the README, each in a process of its own, on real files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def i2i(python: str) -> Run:
    """`i2i(*words, cwd=folder)`: the command line."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        words = [python, "-m", "i2i", *map(str, arguments)]
        return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120)

    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, i2i: Run) -> Path:
    """The folder that holds `r`, a run of two steps on drawn digits."""
    root = tmp_path_factory.mktemp("digits")
    done = i2i("data", "make", "digits", "--dst", "digits", "--count", "12", cwd=root)
    assert done.returncode == 0, done.stderr
    small = [part for text in ("model.width=4", "run.batch=4") for part in ("--set", text)]
    done = i2i("fit", "--plugin", "vae-digits", "--src", "digits/white", "--steps", "2", "--out", "r", *small, cwd=root)
    assert done.returncode == 0, done.stderr
    return root


def test_nine_are_drawn_on_a_sheet_and_likelier_ones_beside(run: Path, i2i: Run) -> None:
    done = i2i("translate", "--run", "r", "--count", "9", "--seed", "1", "--dst", "s", "--grid", cwd=run)
    assert (done.returncode, done.stdout) == (0, "9 pictures made in s/, with grid.png\n")
    likelier = ("--set", "translate.temperature=0.5", "--seed", "1", "--dst", "l")
    done = i2i("translate", "--run", "r", "--count", "9", *likelier, cwd=run)
    assert done.returncode == 0, done.stderr
    assert Image.open(run / "s" / "00000.png").size == (32, 32)
    assert (run / "s" / "00000.png").read_bytes() != (run / "l" / "00000.png").read_bytes()


def test_a_walk_goes_from_picture_to_picture(run: Path, i2i: Run) -> None:
    done = i2i("translate", "--run", "r", "--count", "2", "--interpolate", "3", "--dst", "w", cwd=run)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (run / "w").iterdir()) == [*(f"{n:05d}.png" for n in range(6)), "walk.gif"]


def test_pictures_are_reconstructed_under_their_names_the_same_in_batches_of_1_and_of_4(run: Path, i2i: Run) -> None:
    for batch in ("1", "4"):
        into = ("--batch", batch, "--seed", batch, "--dst", f"again{batch}")
        done = i2i("translate", "--run", "r", "--src", "digits/white", *into, cwd=run)
        assert done.returncode == 0, done.stderr
        assert f"12 of 12 pictures translated into again{batch}" in done.stdout
    names = {path.name for path in (run / "digits" / "white").iterdir()}
    assert {path.name for path in (run / "again1").glob("[!.]*")} == names
    for name in names:
        one, four = (Image.open(run / f"again{batch}" / name) for batch in ("1", "4"))
        assert one.size == (32, 32)
        assert max(abs(a - b) for a, b in zip(one.tobytes(), four.tobytes(), strict=True)) <= 1


@pytest.mark.parametrize("size", [(50, 20), (7, 9), (64, 64)])
def test_a_picture_of_another_size_comes_back_in_it(run: Path, size: tuple[int, int], i2i: Run) -> None:
    name = "{}x{}".format(*size)
    Image.new("RGB", size, "white").save(run / f"{name}.png")
    done = i2i("translate", "--run", "r", "--src", f"{name}.png", "--dst", f"to-{name}", cwd=run)
    assert done.returncode == 0, done.stderr
    assert Image.open(run / f"to-{name}" / f"{name}.png").size == size
