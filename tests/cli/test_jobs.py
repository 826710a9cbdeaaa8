"""The two main commands as a user runs them."""

import itertools
import os
import shutil
import signal
import time
from pathlib import Path

import numpy
import pytest
from PIL import Image

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
TINY = ["--set", "model.width=4", "--set", "model.discriminator_width=4", "--batch", "2"]


def errors(result):
    assert "Traceback" not in result.stderr, result.stderr
    return [line for line in result.stderr.splitlines() if line]


def translations(folder):
    return [path for path in folder.rglob("*.*") if path.is_file() and not path.name.startswith(".")]


def drawn(folder):
    rng = numpy.random.default_rng(0)
    for name in ("photos", "paintings"):
        (folder / name / "deep").mkdir(parents=True)
        for number, file in enumerate(("a.png", "b.jpg", "deep/c.webp", "deep/d.bmp")):
            pixels = rng.integers(0, 256, (33 + number, 40, 3), dtype=numpy.uint8)
            Image.fromarray(pixels).save(folder / name / file)
    return folder


@pytest.fixture
def pictures(tmp_path):
    return drawn(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_i2i):
    """Pictures, and a run of two steps on them."""
    folder = drawn(tmp_path_factory.mktemp("trained"))
    result = run_i2i("fit", "--plugin", "cyclegan-digits", "--src", "photos", "--target", "paintings", *TINY,
                 "--steps", 2, "--out", "run", cwd=folder)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "done: run (step 2)" in result.stdout
    return folder


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


def test_translate_keeps_tree_names_formats_and_sizes(run, run_i2i):
    result = run_i2i("translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    assert result.returncode == 0, result.stderr
    assert "4 of 4 pictures translated into out" in result.stdout
    assert "newest of run" in result.stderr
    for source in sorted((run / "photos").rglob("*.*")):
        target = run / "out" / source.relative_to(run / "photos")
        with Image.open(source) as before, Image.open(target) as after:
            assert (before.size, before.format) == (after.size, after.format)
    back = run_i2i("translate", "--run", "run", "--direction", "target-to-source", "--src", "photos/a.png",
               "--dst", "back", "--batch", 4, cwd=run)  # fmt: skip
    assert back.returncode == 0, back.stderr
    assert (run / "back" / "a.png").read_bytes() != (run / "out" / "a.png").read_bytes()


def test_a_file_that_cannot_be_read_is_reported_and_the_rest_is_done(run, run_i2i):
    (run / "photos" / "text.jpg").write_text("not a picture")
    result = run_i2i("translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    assert result.returncode == 3
    assert "4 of 5 pictures translated into out" in result.stdout
    assert [line for line in errors(result) if line.startswith("not translated: photos/text.jpg: ")]
    assert not (run / "out" / "text.jpg").exists()


def test_wrong_uses_of_translate_are_one_line_and_exit_2(run, run_i2i):
    cases = {
        ("--run", "run", "--src", "photos", "--dst", "photos"): "--dst is the same folder as --src",
        ("--run", "run", "--src", "nowhere", "--dst", "out"): "nowhere: no such file or folder",
        ("--run", "run", "--src", "", "--dst", "out"): "--src: empty; . is the current folder",
        ("--run", "run", "--src", "photos", "--dst", ""): "--dst: empty; . is the current folder",
        ("--src", "photos", "--dst", "out"): "say with what: --plugin NAME, --run DIR or --weights FILE",
        ("--run", "photos", "--src", "photos", "--dst", "out"): "photos: not a run folder",
        ("--run", "run", "--src", "photos", "--dst", "out", "--direction", "up"): "translate.direction: should be",
        ("--run", "run", "--src", "photos", "--dst", "out", "--set", "model.width=3"): "only translate.KEY=VALUE",
    }
    for arguments, message in cases.items():
        result = run_i2i("translate", *arguments, cwd=run)
        assert result.returncode == 2, result.stderr
        assert len(errors(result)) == 1
        assert message in result.stderr
        assert not (run / "out").exists()


def test_translate_says_how_far_it_is_where_there_is_no_terminal(run, run_python):
    code = "import i2i.cli.console as c; c.PLAIN_SECONDS = 0; from i2i.cli import main; main()"
    result = run_python("-c", code, "translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    assert [line for line in errors(result) if line.startswith("translated")] == [
        f"translated {done} of 4" for done in (1, 2, 3, 4)
    ]


def test_a_translation_that_cannot_be_encoded_is_reported_and_the_rest_is_done(run, run_python):
    code = (
        "from dataclasses import replace; from i2i.cli import main; from i2i.images.formats import FORMATS;"
        "FORMATS['.bmp'] = replace(FORMATS['.bmp'], name='NONE'); main()"
    )
    result = run_python("-c", code, "translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    assert result.returncode == 3
    assert "3 of 4 pictures translated into out" in result.stdout
    assert errors(result)[-1].startswith("not translated: photos/deep/d.bmp: cannot be written (40×36 as NONE: ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_translate_in_one_line_that_counts_however_often_it_comes(run, number, code, run_i2i, begin_i2i):
    for copy in range(200):
        shutil.copy(run / "photos" / "a.png", run / "photos" / f"{copy}.png")
    process = begin_i2i("translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    deadline = time.monotonic() + 120
    while not list(run.glob("out/*.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for pause in itertools.cycle((0.005, 0.05, 0.02)):
        if process.poll() is not None:
            break
        process.send_signal(number)
        time.sleep(pause)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == code, complaint
    assert "ignored" not in complaint
    count = len(translations(run / "out"))
    assert complaint.splitlines()[1:] == [f"Error: stopped; {count} of 204 pictures are written"]
    again = run_i2i("translate", "--run", "run", "--src", "photos", "--dst", "out", cwd=run)
    assert again.stdout == f"{204 - count} of 204 pictures translated into out; {count} were done before\n", (
        again.stderr
    )
    assert len(translations(run / "out")) == 204
    assert [path.name for path in run.rglob(".i2i*")] == [".i2i-manifest.jsonl"]


def test_translate_leaves_the_signals_as_they_were(run, run_python):
    code = (
        "import signal; from i2i.cli import i2i; before = signal.getsignal(2), signal.getsignal(15);"
        "\ntry: i2i.main(['translate', '--run', 'run', '--src', 'photos', '--dst', 'out'], standalone_mode=False)"
        "\nexcept SystemExit as end: assert end.code == 0"
        "\nprint(before == (signal.getsignal(2), signal.getsignal(15)))"
    )
    result = run_python("-c", code, cwd=run)
    assert result.stdout.splitlines()[1:] == ["True"], result.stderr


def test_a_destination_that_cannot_be_written_is_one_line(run, run_i2i):
    result = run_i2i("translate", "--run", "run", "--src", "photos", "--dst", "photos/a.png/out", cwd=run)
    assert result.returncode == 1
    assert errors(result) == ["Error: photos/a.png/out: cannot be written to: Not a directory"]


def test_three_mistakes_are_three_lines_and_exit_2(pictures, run_i2i):
    (pictures / "mine.yaml").write_text("trainer: {leaning_rate: 1}\nrun: {batch: 0}\nlosses: {cycle: {use: l11}}\n")
    result = run_i2i("fit", "--plugin", "cyclegan", "--config", "mine.yaml", "--src", "photos", "--target", "paintings",
                 cwd=pictures)  # fmt: skip
    assert result.returncode == 2
    assert sorted(errors(result)) == [
        "Error: mine.yaml: losses.cycle.use: unknown loss 'l11'; did you mean 'l1'? "
        "(known: features, gradient-penalty, hinge, l1, lpips, lsgan, minimax, mse, nonsaturating, r1, r2, "
        "relativistic-average, wgan-gp, zero-centred)",
        "Error: mine.yaml: run.batch: should be greater than or equal to 1, found 0",
        "Error: mine.yaml: trainer.leaning_rate: unknown key; did you mean 'learning_rate'?",
    ]


def test_wrong_uses_of_fit_are_one_line_each_and_exit_2(pictures, run_i2i):
    (pictures / "empty").mkdir()
    fit = ("fit", "--plugin", "cyclegan-digits")
    cases = {
        (*fit,): ["dataset.source: not given; use --src DIR", "dataset.target: not given; use --target DIR"],
        (*fit, "--src", "empty", "--target", "paintings"): ["/empty: holds no pictures"],
        (*fit, "--src", "photos", "--target", "gone"): ["/gone: no such file or folder"],
        (*fit, "--src", "photos", "--target", "paintings", "--steps", "x"): ["--steps: run.steps: should be a valid"],
        (*fit, "--target", "paintings", "--set", "run.btach=1", "--set", "run.batch"): [
            "--set run.batch: expected KEY=VALUE",
            "dataset.source: not given; use --src DIR",
            "--set: run.btach: unknown key; did you mean 'batch'?",
        ],
        ("fit",): ["say which recipe: --plugin NAME or --config FILE"],
        ("fit", "--resume", "photos"): ["photos: not a run folder"],
        ("fit", "--resume", "photos", "--batch", "3"): ["leave out --batch"],
    }
    if not _has_cuda():
        cases[(*fit, "--src", "photos", "--target", "paintings", "--device", "cuda")] = [
            "device 'cuda' is not available"
        ]
    for arguments, messages in cases.items():
        result = run_i2i(*arguments, cwd=pictures)
        assert result.returncode == 2, (arguments, result.stderr)
        assert len(errors(result)) == len(messages), result.stderr
        assert all(message in line for message, line in zip(messages, errors(result), strict=True)), result.stderr


def test_a_text_file_named_jpg_trains_and_is_named(pictures, run_i2i):
    (pictures / "photos" / "text.jpg").write_text("not a picture")
    result = run_i2i("fit", "--plugin", "cyclegan-digits", "--src", "photos", "--target", "paintings", *TINY,
                 "--steps", 1, "--out", "run", cwd=pictures)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert f"skipped: {pictures}/photos/text.jpg: " in result.stdout
    assert f"pictures left out: 1 ({pictures}/photos/text.jpg)" in result.stdout


def test_a_dry_run_says_what_it_needs_and_writes_nothing(pictures, run_i2i):
    before = set(pictures.rglob("*"))
    result = run_i2i("fit", "--plugin", "cyclegan-digits", "--src", "photos", "--target", "paintings", *TINY,
                     "--dry-run", cwd=pictures)  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert all(word in result.stdout for word in ("source: pictures: 4", "million parameters", "time: ", "GiB"))
    assert set(pictures.rglob("*")) == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends_and_the_run_goes_on_bit_for_bit(pictures, number, code, run_i2i, begin_i2i):
    fit = ["fit", "--plugin", "cyclegan-digits", "--src", "photos", "--target", "paintings", *TINY,
           "--set", "run.log_every=1"]  # fmt: skip
    process = begin_i2i(*fit, "--steps", 100000, "--out", "part", cwd=pictures)
    metrics = pictures / "part" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text().count("\n") >= 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == code, complaint
    assert "saved; go on with: i2i fit --resume part" in complaint
    assert "Traceback" not in complaint
    step = max(int(path.name.removeprefix("step-")) for path in (pictures / "part" / "checkpoints").iterdir())
    assert run_i2i("fit", "--resume", "part", "--steps", step + 2, cwd=pictures).returncode == 0
    whole = run_i2i(*fit, "--steps", step + 2, "--out", "whole", cwd=pictures)
    assert whole.returncode == 0
    one, other = (pictures / name / "checkpoints" / f"step-{step + 2:07d}" for name in ("part", "whole"))
    assert (one / "training.safetensors").read_bytes() == (other / "training.safetensors").read_bytes()


@pytest.mark.skipif(not (SHARED / "monet").is_dir(), reason=f"no pictures at {SHARED / 'monet'} (set I2I_TEST_DATA)")
def test_photos_are_translated_after_a_short_training(tmp_path, run_i2i):
    monet, few = SHARED / "monet", tmp_path / "few"
    few.mkdir()
    for source in sorted((monet / "photos-test").iterdir())[:3]:
        shutil.copy(source, few)
    fit = run_i2i("fit", "--plugin", "cyclegan-light", "--src", monet / "photos", "--target", monet / "paintings",
                  "--steps", 3, "--out", "r", "--set", "model.width=16", cwd=tmp_path)  # fmt: skip
    assert fit.returncode == 0, fit.stderr
    translate = run_i2i("translate", "--plugin", "cyclegan-light", "--run", "r", "--src", few, "--dst", "out",
                        cwd=tmp_path)  # fmt: skip
    assert translate.returncode == 0, translate.stderr
    sources = sorted(few.iterdir())
    assert [path.name for path in sorted((tmp_path / "out").glob("[!.]*"))] == [path.name for path in sources]
    for source in sources:
        with Image.open(source) as before, Image.open(tmp_path / "out" / source.name) as after:
            assert before.size == after.size
            difference = numpy.abs(numpy.asarray(before.convert("RGB"), float) - numpy.asarray(after.convert("RGB")))
            assert difference.mean() > 8


def _has_cuda():
    import torch

    return torch.cuda.is_available()
