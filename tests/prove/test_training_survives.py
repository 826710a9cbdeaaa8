"""Proof: a training may be killed anywhere, its disk may be full, its checkpoints may rot: nothing is lost or changed.

A small CycleGAN with pools of past pictures and a moving average learns drawn digits on one thread, in children forked
from this process. I2I_PROVE_KILLS (100) says how many are killed at moments drawn by chance.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import i2i
from i2i.errors import I2IError
from i2i.training import checkpoints
from i2i.training.checkpoints import damage, identical, newest_checkpoint
from i2i.training.layout import checkpoint_step
from i2i.training.listener import Listener
from i2i.training.starting import resume, start

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
]
KILLS = int(os.environ.get("I2I_PROVE_KILLS", "100"))
STEPS, DYING = 12, ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir")
SMALL = ["model.width=4", "model.discriminator_width=4", "dataset.crop=16", "dataset.resize=16", "run.ema=0.9"]
SMALL += ["run.checkpoint_every=1", "run.keep=2", "run.sample_every=1000", "run.precision=fp32", "run.workers=0"]
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
FEATURES = DATA / "weights" / "squeezenet1_1-torchvision-norm.pth"
DESCRIBED = f"features={{use: squeezenet1_1, weights: {FEATURES}}}"
PLUGINS = {
    "cyclegan-digits": [],
    "dcgan-digits": [],
    "vae-digits": [],
    "pix2pix-holes-light": [],
    "srresnet-compact": [],
    "srgan-compact": ["dataset.crop=32", f"losses.content.{DESCRIBED}"],
    "fast-style-light": ["dataset.resize=null", "dataset.size=32", f"trainer.{DESCRIBED}"],
}


@pytest.fixture(scope="module")
def catalog():
    torch.set_num_threads(1)  # a fork has but one
    return i2i.discover()


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    subprocess.run([sys.executable, "-m", "i2i", "data", "make", "digits", "--dst", folder, "--count", "8"], check=True)
    return folder


@pytest.fixture(scope="module")
def noisy(tmp_path_factory):
    """Pictures without flat parts, of which instance norms would make signs out of rounding."""
    folder = tmp_path_factory.mktemp("noisy")
    for number, name in enumerate(["white", "yellow"] * 8):
        (folder / name).mkdir(exist_ok=True)
        channels = torch.rand(32, 32, 3, generator=torch.Generator().manual_seed(number)) * 255
        Image.fromarray(channels.byte().numpy()).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def recipe(catalog, digits):
    where = [f"dataset.source=[{digits / 'white'}]", f"dataset.target=[{digits / 'yellow'}]"]
    return i2i.load_recipe(catalog, "cyclegan-digits", overrides=[*where, *SMALL, f"run.steps={STEPS}"])


@pytest.fixture(scope="module")
def undisturbed(catalog, recipe, tmp_path_factory):
    """All checkpoints of a run that nobody disturbs: step → folder."""
    out = tmp_path_factory.mktemp("whole") / "run"
    code, said = forked(lambda: start(catalog, recipe_keeping(recipe), out).run())
    assert code == 0, said
    return {checkpoint_step(path): path for path in (out / "checkpoints").iterdir()}


def recipe_keeping(recipe):
    from dataclasses import replace

    return replace(recipe, run=recipe.run.model_copy(update={"keep": 1000}))


def forked(work, killed_at=None, from_step=0):
    """Run it in a child, which kills itself at its so-manieth touch of the disk: (exit code or -signal, what it said).

    Touches count from `from_step` on; they are all opening for writing, renaming, removing, making folders, fsync, and
    the middle of a tensor file.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 1
        try:
            _die_at(killed_at, from_step)
            work()
            code = 0
        except I2IError as error:
            os.write(writer, str(error).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
            code = 99
        finally:
            os._exit(code)
    os.close(writer)
    said = b""
    while part := os.read(reader, 65536):
        said += part
    os.close(reader)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.decode()


class Touches:
    number, since = 0, None


def _die_at(killed_at, from_step):
    if killed_at is None:
        return

    def touched():
        if Touches.since is not None:
            Touches.number += 1
            if Touches.number == killed_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def audited(event, arguments):
        if event in DYING and (event != "open" or _is_for_writing(arguments)):
            touched()

    def torn(save):
        def saved(tensors, path, *more, **named):
            save(tensors, path, *more, **named)
            if Touches.since is not None and Touches.number + 1 == killed_at:
                os.truncate(path, Path(path).stat().st_size // 2)
            touched()

        return saved

    import safetensors.torch

    sys.addaudithook(audited)
    fsync = os.fsync
    os.fsync = lambda descriptor: (touched(), fsync(descriptor))[1]
    safetensors.torch.save_file = torn(safetensors.torch.save_file)
    save_checkpoint = checkpoints.save_checkpoint

    def counted(folder, step, *arguments, **named):
        if step >= from_step:
            Touches.since = step
        return save_checkpoint(folder, step, *arguments, **named)

    import i2i.training.run_folder

    i2i.training.run_folder.save_checkpoint = counted


def _is_for_writing(arguments):
    _, mode, flags = arguments
    return any(sign in (mode or "") for sign in "wax+") or bool((flags or 0) & (os.O_WRONLY | os.O_RDWR))


def going_on(catalog, run, steps=None):
    return lambda: resume(catalog, run, steps).run()


def newest(run):
    return newest_checkpoint(run / "checkpoints")


def test_a_save_may_be_killed_at_every_touch_of_the_disk(catalog, recipe, undisturbed, tmp_path, figure):
    code, said = forked(lambda: start(catalog, recipe, tmp_path / "begun", listener=Until(4)).run())
    assert "stopped at step 4" in said, (code, said)
    place, survived = 0, []
    while True:
        place += 1
        run = tmp_path / f"run-{place}"
        shutil.copytree(tmp_path / "begun", run)
        code, said = forked(going_on(catalog, run, 5), killed_at=place, from_step=5)
        if code == 0:
            break
        assert code == -signal.SIGKILL, said
        found = newest(run)
        survived.append(checkpoint_step(found))
        assert identical(found, undisturbed[survived[-1]])
        code, said = forked(going_on(catalog, run, 7))
        assert code == 0, said
        assert identical(newest(run), undisturbed[7])
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == ["step-0000006", "step-0000007"]
        shutil.rmtree(run)
    assert set(survived) == {4, 5}
    assert survived == sorted(survived)
    figure(f"killed at each of {place - 1} touches of the disk in a save: the step before survived {survived.count(4)} "
           f"times, the saved one {survived.count(5)} times, and every run went on bit for bit")  # fmt: skip


class Until(Listener):
    def __init__(self, step):
        self.last, self.step = step, 0

    def stepped(self, step):
        self.step = step

    def should_stop(self):
        return signal.SIGTERM if self.step == self.last else None


def test_children_killed_anywhere_leave_a_run_that_is_the_undisturbed_one(
    catalog, recipe, undisturbed, tmp_path, figure
):
    chance, kills, finished = random.Random(0), 0, 0
    while kills < KILLS:
        run = tmp_path / f"run-{finished}"
        while True:
            work = going_on(catalog, run) if newest_of(run) else lambda run=run: start(catalog, recipe, run).run()
            if run.exists() and not newest_of(run):
                shutil.rmtree(run)  # killed before its first checkpoint: there is nothing to go on with
            at = chance.randrange(1, 60) if kills < KILLS else None
            code, said = forked(work, killed_at=at)
            if code == 0:
                break
            assert code == -signal.SIGKILL, said
            kills += 1
        assert identical(newest(run), undisturbed[STEPS])
        finished += 1
    figure(f"{kills} kills of forked children, {finished} runs of {STEPS} steps: each ended bit for bit as undisturbed")


def newest_of(run):
    return newest(run) if (run / "checkpoints").is_dir() else None


def test_every_flipped_bit_and_every_cut_is_found(undisturbed, tmp_path, figure):
    chance, found = random.Random(0), 0
    copy = tmp_path / "step-0000012"
    shutil.copytree(undisturbed[STEPS], copy)
    whole = {path.name: path.read_bytes() for path in copy.iterdir()}
    for number in range(1000):
        name = chance.choice(sorted(whole))
        contents = bytearray(whole[name])
        if number % 2:
            contents[chance.randrange(len(contents))] ^= 1 << chance.randrange(8)
        else:
            del contents[chance.randrange(len(contents)) :]
        (copy / name).write_bytes(contents)
        found += damage(copy) is not None
        (copy / name).write_bytes(whole[name])
    assert damage(copy) is None
    figure(f"{found} of 1000 cuts and flipped bits found")
    assert found == 1000


def test_a_full_disk_leaves_the_checkpoint_before(catalog, recipe, undisturbed, tmp_path, figure):
    code, said = forked(lambda: start(catalog, recipe, tmp_path / "begun", listener=Until(4)).run())
    assert "stopped at step 4" in said, (code, said)
    largest = max(path.stat().st_size for path in undisturbed[5].iterdir())
    kept = 0
    for number in range(50):
        run = tmp_path / "run"
        shutil.copytree(tmp_path / "begun", run)
        limit = 2000 + (largest - 2000) * number // 50

        def work(run=run, limit=limit):
            going = resume(catalog, run, 5)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            going.run()

        code, said = forked(work)
        assert code == 1, (code, said)
        assert "checkpoint not written" in said
        assert "what was saved before is intact" in said
        kept += identical(newest(run), undisturbed[4])
        shutil.rmtree(run)
    figure(f"no room at 50 places of a save: the checkpoint before is intact {kept} of 50 times")
    assert kept == 50


@pytest.mark.parametrize("plugin", PLUGINS)
def test_real_processes_killed_and_started_again_learn_what_one_learns(plugin, digits, tmp_path, figure):
    chance, steps = random.Random(plugin), 24
    often = ["run.checkpoint_every=2", "run.keep=2", "run.sample_every=1000", "run.precision=fp32", *PLUGINS[plugin]]
    if any(DESCRIBED in text for text in often) and not FEATURES.is_file():
        pytest.skip(f"needs {FEATURES}")
    if plugin.startswith("fast-style"):
        often.append(f"trainer.style={next((digits / 'yellow').iterdir())}")
    flags = [part for text in often for part in ("--set", text)]
    source = ["--src", digits / "white"] + (["--target", digits / "yellow"] if plugin.startswith("cyclegan") else [])
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def command(*arguments):
        line = [sys.executable, "-m", "i2i", "fit", *map(str, arguments)]
        return {"args": line, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}

    def fit(out, *more):
        return command("--plugin", plugin, *source, "--batch", 2, "--steps", steps, *flags, "--out", out, *more)

    whole = subprocess.run(**fit(tmp_path / "whole"))
    assert whole.returncode == 0, whole.stdout
    killed = tmp_path / "killed"
    process, kills = subprocess.Popen(**fit(killed)), 0
    while kills < 5:
        begun = newest_of(killed)
        while process.poll() is None and newest_of(killed) == begun:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if newest_of(killed) and checkpoint_step(newest_of(killed)) == steps:
            break
        process = subprocess.Popen(**command("--resume", killed))
    said, _ = process.communicate()
    if process.returncode != 0:
        done = subprocess.run(**command("--resume", killed))
        assert done.returncode == 0, (said, done.stdout)
    assert identical(newest(tmp_path / "whole"), newest(killed))
    figure(f"{plugin}: killed {kills} times; weights, optimizers, average and pools are bit for bit as undisturbed")


def test_a_signal_saves_all_within_ten_seconds(digits, tmp_path, figure):
    longest = 0.0
    for number in range(20):
        out = tmp_path / f"run-{number}"
        line = [sys.executable, "-m", "i2i", "fit", "--plugin", "cyclegan-light", "--src", digits / "white"]
        line += ["--target", digits / "yellow", "--out", out, "--set", "run.log_every=1"]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while not (out / "metrics.jsonl").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(0.05 * number)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        longest = max(longest, time.monotonic() - asked)
        assert process.returncode == 143, said
        step = int(said.rpartition("stopped at step ")[2].partition(",")[0])
        assert checkpoint_step(newest(out)) == step
        shutil.rmtree(out)
    figure(f"SIGTERM 20 times to cyclegan-light: a full checkpoint of that step, after {longest:.1f} s at most")
    assert longest <= 10


def test_a_rank_that_dies_ends_the_others_within_a_minute(digits, tmp_path, figure):
    longest = 0.0
    for number in range(10):
        out = tmp_path / f"run-{number}"
        line = [sys.executable, "-m", "i2i", "fit", "--plugin", "cyclegan-digits", "--src", digits / "white"]
        line += [
            "--target",
            digits / "yellow",
            "--out",
            out,
            "--set",
            "run.log_every=1",
            "--batch",
            "2",
            "--devices",
            "2",
        ]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while not (out / "metrics.jsonl").exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
        ranks = [int(pid) for pid in listed.stdout.split()]
        time.sleep(0.05 * number)
        killed = time.monotonic()
        os.kill(ranks[number % 2], signal.SIGKILL)
        said, _ = process.communicate(timeout=120)
        longest = max(longest, time.monotonic() - killed)
        assert process.returncode == 1, said
        assert newest(out) is not None
    figure(f"a rank killed 10 times: the other ended after {longest:.1f} s at most, with exit code 1")
    assert longest <= 60


def learned(pictures, out, mode, plugin, *overrides, ranks=1, numbers="float32", rate=0.001):
    """Each rank's parameters and buffers after 20 steps of gradient descent."""
    more = ["run.precision=fp32", "run.workers=0", f"dataset.source=[{pictures / 'white'}]"]
    more += [f"dataset.target=[{pictures / 'yellow'}]"] if plugin.startswith("cyclegan") else []
    script = [
        str(Path(__file__).with_name("learning.py")),
        mode,
        numbers,
        str(rate),
        str(out),
        plugin,
        *more,
        *overrides,
    ]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *launcher, *script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [load_file(path) for path in sorted(out.parent.glob(f"{out.name}-*.safetensors"))]


def apart(one, other):
    """The largest difference between two states."""
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


WITHOUT_CHANCE = [
    ("srresnet-compact", "float32", 0.1, ["dataset.crop=16"]),
    (
        "cyclegan-digits",
        "float64",
        0.001,
        ["trainer.replay=0", "run.ema=0"],
    ),  # as 1e-8 grows to 3e-3 in its game
]


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize(("plugin", "numbers", "rate", "options"), WITHOUT_CHANCE)
def test_two_ranks_learn_what_one_process_learns(noisy, tmp_path, plugin, numbers, rate, options, accumulate, figure):
    recipe = [plugin, "run.batch=8", *options]
    parts, how = f"run.accumulate={accumulate}", {"numbers": numbers, "rate": rate}
    (alone,) = learned(noisy, tmp_path / "alone", "ranks", *recipe, **how)
    (begun,) = learned(noisy, tmp_path / "begun", "nothing", *recipe, **how)
    one, other = learned(noisy, tmp_path / "two", "ranks", *recipe, parts, ranks=2, **how)
    assert apart(one, other) == 0
    figure(f"{plugin} in {numbers}, two ranks of {accumulate} micro-batches against one process: parameters "
           f"{apart(one, alone):.1e} apart after 20 steps, which moved them by {apart(alone, begun):.1e}")  # fmt: skip
    assert apart(one, alone) <= 1e-6 < 1e-4 < apart(alone, begun)


def test_ranks_with_batch_norm_learn_what_two_shards_learn(digits, tmp_path, figure):
    recipe = ["dcgan-digits", "run.batch=16"]
    one, other = learned(digits, tmp_path / "two", "ranks", *recipe, ranks=2)
    reference, same = learned(digits, tmp_path / "shards", "shards", *recipe)
    (alone,) = learned(digits, tmp_path / "alone", "ranks", *recipe)
    assert apart(one, other) == apart(reference, same) == 0
    figure(f"dcgan-digits, with batch norm: two ranks are bit for bit each other's, {apart(one, reference):.1e} from "
           f"two shards in one process, {apart(one, alone):.1e} from one that looks at the whole batch")  # fmt: skip
    assert apart(one, reference) <= 1e-6 < apart(one, alone)
