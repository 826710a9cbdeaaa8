"""What happens to a training from outside, seen from the command line: real processes, with others that load."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from i2i.training.checkpoints import newest_checkpoint
from i2i.training.layout import checkpoint_step

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
SMALL = ["model.width=4", "model.discriminator_width=4", "dataset.crop=16", "dataset.resize=16", "run.workers=2"]
SMALL += ["run.checkpoint_every=3", "run.sample_every=100", "run.log_every=1", "run.precision=fp32"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_i2i):
    folder = tmp_path_factory.mktemp("misfortune")
    assert run_i2i("data", "make", "digits", "--dst", "digits", "--count", 8, cwd=folder).returncode == 0
    return folder


@pytest.fixture
def fit(folder, run_i2i):
    def run(*arguments):
        return run_i2i("fit", *arguments, cwd=folder)

    return run


@pytest.fixture
def under_way(folder, begin_i2i):
    """A run of very many steps, after a few of them."""

    def begin(out):
        flags = [part for text in SMALL for part in ("--set", text)]
        flags += ["--src", "digits/white", "--target", "digits/yellow", "--steps", 100_000, "--batch", 2]
        process = begin_i2i("fit", "--plugin", "cyclegan-digits", *flags, "--out", out, cwd=folder)
        deadline = time.monotonic() + 120
        while not (folder / out / "checkpoints" / "step-0000003").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    return begin


def test_a_process_that_loads_may_be_killed_or_outlive_the_run(folder, fit, under_way):
    process = under_way("run")
    loaders = psutil.Process(process.pid).children()
    assert len(loaders) == 2
    loaders[0].kill()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert line.startswith("Error: DataLoader worker (pid")
    assert line.endswith(": a process that loads pictures was ended, perhaps for want of memory; lower run.workers")
    saved = checkpoint_step(newest_checkpoint(folder / "run" / "checkpoints"))
    assert f"step {saved} is saved; once that is mended: i2i fit --resume run" in out.splitlines()

    process = under_way("killed")
    process.kill()
    process.communicate()
    step = checkpoint_step(newest_checkpoint(folder / "killed" / "checkpoints"))
    done = fit("--resume", "killed", "--steps", step + 2)  # at once, while those that loaded still live
    assert (done.returncode, done.stderr) == (0, "")

    done = fit("--resume", "killed", "--fork", "slower", "--set", "trainer.learning_rate=1e-5",
               "--steps", step + 4)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "learning_rate: 1.0e-05" in (folder / "slower" / "recipe.yaml").read_text()
    assert checkpoint_step(newest_checkpoint(folder / "slower" / "checkpoints")) == step + 4
    done = fit("--resume", "killed", "--fork", "slower")
    assert (done.returncode, done.stderr) == (2, "Error: slower: exists and is not empty; go on with --resume slower, "
                                                 "or choose another --fork\n")  # fmt: skip


def test_data_that_is_gone_ends_a_run_in_one_line_and_at_once(folder, under_way):
    process = under_way("gone")
    (folder / "digits" / "white").rename(folder / "digits" / "away")
    try:
        out, err = process.communicate(timeout=8)  # those that load do not keep it
    finally:
        (folder / "digits" / "away").rename(folder / "digits" / "white")
    assert process.returncode == 1
    (line,) = err.splitlines()
    assert "pictures in a row cannot be read; the last: " in line
    assert line.endswith("no such file or directory")
    assert out.splitlines()[-1].endswith("once that is mended: i2i fit --resume gone")


def handles(pid, number):
    """Whether a process ignores or catches this signal; where the system does not tell, a while is waited."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        time.sleep(3)
        return True
    masks = re.findall(r"^Sig(?:Ign|Cgt):\s*(\w+)", status.read_text(), re.M)
    return any(int(mask, 16) >> number - 1 & 1 for mask in masks)


def test_a_signal_to_save_is_harmless_before_anything_listens(folder):
    line = "fit --plugin cyclegan-digits --src digits/white --target digits/yellow --dry-run"
    process = subprocess.Popen(
        [sys.executable, "-m", "i2i", *line.split()], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while process.poll() is None and not handles(process.pid, signal.SIGUSR1):
        time.sleep(0.01)  # Python itself has begun
    while process.poll() is None:
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
    assert process.returncode == 0, process.communicate()
