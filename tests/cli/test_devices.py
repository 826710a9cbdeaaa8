"""`i2i fit --devices`: ranks that learn one thing together."""

import os
import signal
import time

import psutil
import pytest

from i2i.training.checkpoints import identical, load_checkpoint, newest_checkpoint
from i2i.training.layout import checkpoints_in

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of another kind")
SMALL = ["model.width=4", "model.discriminator_width=4", "dataset.crop=16", "dataset.resize=16", "run.batch=2"]
SMALL += ["run.checkpoint_every=3", "run.sample_every=100", "run.log_every=1", "run.precision=fp32", "run.ema=0.9"]
SMALL += ["run.validate_every=3"]
STEPS = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory, run_i2i):
    folder = tmp_path_factory.mktemp("ranks")
    assert run_i2i("data", "make", "digits", "--dst", "digits", "--count", 8, cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def fit(folder, run_i2i):
    def run(*arguments):
        return run_i2i("fit", *arguments, cwd=folder, OMP_NUM_THREADS="1")

    return run


def afresh(out, *more):
    return ("--plugin", "cyclegan-digits", "--src", "digits/white", "--target", "digits/yellow", "--out", out,
            *(part for text in SMALL for part in ("--set", text)), *more)  # fmt: skip


@pytest.fixture(scope="module")
def whole(folder, fit):
    """Two ranks, undisturbed."""
    done = fit(*afresh("whole", "--steps", STEPS, "--devices", 2))
    assert (done.returncode, done.stderr) == (0, "")
    return done, folder / "whole"


def test_two_ranks_write_one_run_folder_and_one_speaks(whole):
    done, run = whole
    assert "1 micro-batches of 1 on 2 ranks make a batch of 2" in done.stdout.splitlines()
    assert done.stdout.count("run folder: whole") == 1
    assert sorted(path.name for path in run.iterdir()) == [
        "best.json", "checkpoints", "environment.json", "events.jsonl", "metrics.jsonl", "recipe.yaml", "report.html",
        "samples", "validation"
    ]  # fmt: skip
    assert len((run / "metrics.jsonl").read_text().splitlines()) == STEPS
    assert done.stdout.count("best kid: ") == 1
    trainers = load_checkpoint(newest_checkpoint(run / "checkpoints"))["loop"]["trainers"]
    assert len(trainers) == 2  # each has its own pictures of the past


def test_what_two_ranks_resume_is_bit_for_bit_what_they_would_have_done(folder, whole, fit):
    assert fit(*afresh("part", "--steps", 9, "--devices", 2)).returncode == 0
    done = fit("--resume", "part", "--steps", STEPS, "--devices", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert identical(*(newest_checkpoint(run / "checkpoints") for run in (whole[1], folder / "part")))


def test_under_torchrun_it_is_the_same_though_a_rank_is_killed_and_all_are_started_again(folder, whole, begin_python):
    process = begin_python(
        "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1",
        "-m", "i2i", "fit", *afresh("elastic", "--steps", STEPS), cwd=folder, OMP_NUM_THREADS="1",
    )  # fmt: skip
    os.kill(ranks_of(process, folder / "elastic", steps=10)[1], signal.SIGKILL)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "run folder: elastic, on from step " in out
    assert identical(*(newest_checkpoint(run / "checkpoints") for run in (whole[1], folder / "elastic")))


def test_a_run_folder_that_is_there_is_wrong_usage_for_all(whole, fit):
    done = fit(*afresh("whole", "--steps", STEPS, "--devices", 2))
    assert done.returncode == 2
    assert "Error: whole: exists and is not empty; go on with --resume whole, or choose another --out" in done.stderr


@pytest.fixture
def under_way(folder, begin_i2i):
    """Two ranks in the midst of many steps: (the process, pids of the ranks)."""

    def begin(out):
        words = afresh(out, "--steps", 100_000, "--devices", 2)
        process = begin_i2i("fit", *words, cwd=folder, OMP_NUM_THREADS="1")
        return process, ranks_of(process, folder / out)

    return begin


def ranks_of(process, run, steps=1):
    """Their pids, once so many steps are logged."""
    metrics, deadline = run / "metrics.jsonl", time.monotonic() + 120
    while not metrics.exists() or metrics.read_text().count("\n") < steps:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [child.pid for child in psutil.Process(process.pid).children()]


def test_a_rank_that_is_killed_ends_the_other_in_one_line(folder, under_way):
    process, ranks = under_way("killed")
    os.kill(ranks[1], signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "rank 2 of 2: ended by SIGKILL, perhaps for want of memory" in said.splitlines()
    assert "Error: rank 1 of 2: another process of this run has ended; this one ends too" in said.splitlines()
    assert newest_checkpoint(folder / "killed" / "checkpoints") is not None


def test_signals_save_once_and_go_on_or_end_all(folder, under_way):
    process, _ = under_way("stopped")
    deadline = time.monotonic() + 60
    while all(step % 3 == 0 for step in checkpoints_in(folder / "stopped" / "checkpoints")):  # as they come anyway
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert said.count("saved; go on with: i2i fit --resume stopped") == 1
    lines = (folder / "stopped" / "metrics.jsonl").read_text().splitlines()
    assert newest_checkpoint(folder / "stopped" / "checkpoints").name == f"step-{len(lines):07d}"
