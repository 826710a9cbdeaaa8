"""The commands of the README, each in a process of its own, on real files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
EMOJI = SHARED / "emoji" / "noto"
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
    """The folder that holds `r`, a run of two steps on emoji."""
    if not EMOJI.is_dir():
        pytest.skip(f"no pictures at {EMOJI}")
    root = tmp_path_factory.mktemp("emoji")
    small = [part for text in ("model.width=4", "run.batch=8") for part in ("--set", text)]
    done = i2i("fit", "--plugin", "dcgan", "--src", str(EMOJI), "--steps", "2", "--out", "r", *small, cwd=root)
    assert done.returncode == 0, done.stderr
    assert "next: i2i translate --run r --count 64 --dst OUT" in done.stdout
    return root


def test_emoji_are_learned_from_and_nine_are_drawn_on_a_sheet(run: Path, i2i: Run) -> None:
    done = i2i("translate", "--plugin", "dcgan", "--run", "r", "--count", "9", "--seed", "1", "--dst", "s", "--grid",
               cwd=run)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "9 pictures made in s/, with grid.png\n")
    assert sorted(path.name for path in (run / "s").iterdir()) == [*(f"{n:05d}.png" for n in range(9)), "grid.png"]
    assert Image.open(run / "s" / "00000.png").size == (64, 64)


def test_the_same_seed_draws_the_same_files_in_batches_of_1_and_of_9(run: Path, i2i: Run) -> None:
    for batch in ("1", "9"):
        done = i2i("translate", "--run", "r", "--count", "9", "--seed", "3", "--batch", batch, "--dst", f"b{batch}",
                   cwd=run)  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, nine = ({path.name: path.read_bytes() for path in (run / f"b{batch}").iterdir()} for batch in (1, 9))
    assert one == nine
    assert len(set(one.values())) == 9


def test_translating_with_it_is_refused_with_the_right_command(run: Path, i2i: Run) -> None:
    done = i2i("translate", "--run", "r", "--src", "s", "--dst", "t", cwd=run)
    right = "Error: dcgan makes pictures out of nothing, without --src: `i2i translate --run r --dst t --count 64`"
    assert done.returncode == 2
    assert right in done.stderr.splitlines()
