"""What a user does with a file that somebody published."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import Tensor

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def folder(published: Callable[..., dict[str, Tensor]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network as Real-ESRGAN's training code saves one, and two pictures, one grey."""
    place = tmp_path_factory.mktemp("spandrel")
    torch.save({"params_ema": published("ESRGAN", num_filters=8, num_blocks=1, scale=4)}, place / "4x-model.pth")
    (place / "small").mkdir()
    rng = numpy.random.default_rng(0)
    for name, shape in (("a.png", (6, 8, 3)), ("grey.png", (6, 8))):
        coarse = Image.fromarray(rng.integers(0, 256, shape, dtype=numpy.uint8))
        coarse.resize((40, 30), Image.Resampling.BICUBIC).save(place / "small" / name)
    return place


@pytest.fixture(scope="module")
def command(python: str, folder: Path) -> Run:
    """`command(*words)`: the command line, in the folder."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        line = [python, "-m", "i2i", *words]
        return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_a_published_file_is_translated_with_at_once_and_imported(folder: Path, command: Run) -> None:
    where = ("--src", "small", "--device", "cpu")
    done = command("translate", "--plugin", "spandrel", "--weights", "4x-model.pth", *where, "--dst", "at-once")
    assert (done.returncode, done.stdout) == (0, "2 of 2 pictures translated into at-once\n"), done.stderr
    using, network, *_ = done.stderr.splitlines()
    assert using == "spandrel, step 0: 4x-model.pth (as given)"
    assert network.startswith("ESRGAN (8nf, 1nb), enlarges ×4, by spandrel ")

    done = command("import", "4x-model.pth", "--plugin", "spandrel", "--out", "4x-model.safetensors")
    assert done.returncode == 0, done.stderr
    told, following = done.stdout.splitlines()
    assert told.startswith("4x-model.safetensors: spandrel (architecture ESRGAN); imported from 4x-model.pth, SHA-256 ")
    assert following == "next: i2i translate --weights 4x-model.safetensors --src PICTURES --dst OUT"

    for name, mode in (("a.png", "RGB"), ("grey.png", "L")):
        large = Image.open(folder / "at-once" / name)
        assert (large.size, large.mode) == ((160, 120), mode)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("--weights", "4x-model.pth"),
            "Error: 4x-model.pth: a pickle file can run code when it is opened; i2i reads .safetensors files only: "
            "bring it in with `i2i import FILE --out W.safetensors`",
        ),
        (
            ("--plugin", "srgan", "--weights", "4x-model.pth"),
            "Error: 4x-model.pth: a pickle file can run code when it is opened; i2i reads .safetensors files only: "
            "bring it in with `i2i import FILE --out W.safetensors`",
        ),
        (
            ("--plugin", "spandrel"),
            "Error: no weights for spandrel: none are shipped; give --weights FILE, as somebody published it",
        ),
    ],
)
def test_what_does_not_go_is_told_in_a_line(words: tuple[str, ...], line: str, command: Run) -> None:
    done = command("translate", *words, "--src", "small", "--dst", "not-made")
    assert (done.returncode != 0, done.stdout, done.stderr) == (True, "", f"{line}\n")
