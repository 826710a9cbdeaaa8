"""`i2i evaluate` as a user runs it."""

from __future__ import annotations

import json
import os
import signal

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image

from i2i import discover, load, load_recipe, start
from i2i.cli.evaluate import evaluate
from i2i.cli.progress import Stopped, counting
from i2i.errors import I2IError, Interrupted


@pytest.fixture
def work(tmp_path, monkeypatch):
    """In a folder with predictions `big`, targets `hr` and originals `lr`, scale 2; nothing is in torch's cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    chance = numpy.random.default_rng(0)
    for folder in ("big", "hr", "lr"):
        (tmp_path / folder).mkdir()
    for number, name in enumerate(("a", "b", "c")):
        small = Image.fromarray(chance.integers(60, 190, (20 + number, 24, 3), dtype=numpy.uint8))
        small.save(tmp_path / "lr" / f"{name}_LR.png")
        large = small.resize((48, 40 + 2 * number), Image.Resampling.BICUBIC)
        large.point(lambda level, number=number: level + 2 * number).save(tmp_path / "big" / f"{name}_LR.png")
        large.save(tmp_path / "hr" / f"{name}_HR.bmp")
    return tmp_path


def run(*arguments):
    """(exit code, standard output, standard error); of an error its message, as `main` prints it."""
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    if isinstance(result.exception, I2IError):
        return result.exception.exit_code, result.stdout, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, result.stderr


PAIRS = ("--pred", "big", "--target", "hr", "--match", "_LR=_HR")


def test_the_table_shows_means_bicubic_the_ends_and_the_protocol(work):
    (work / "hr" / "more_HR.png").write_bytes((work / "hr" / "a_HR.bmp").read_bytes())
    code, out, err = run(*PAIRS, "--src", "lr", "--lpips", "none")
    assert (code, err) == (0, "1 target without a picture\n")
    lines = [line.split() for line in out.splitlines() if line.strip()]
    assert lines[0] == ["mean", "bicubic", "worst", "best"]
    # two levels of 255 apart, then four: 42.11 and 36.09 dB; the first picture is its target
    assert ["PSNR,", "RGB", "↑", "39.10", "∞", "36.09", "∞", "dB"] in lines
    assert "PSNR, Y: worst c_LR.png, best a_LR.png" in out
    assert "1 picture of infinite PSNR on Y, left out of its mean" in out
    protocol = out.splitlines()[-1]
    assert protocol.startswith(
        "3 pictures evaluated; pictures by: files; scale: 2; border: 2 pixels cropped on each side (the scale); Y:"
    )
    assert "bicubic: the originals of --src enlarged by Pillow's BICUBIC" in protocol


def test_json_and_csv_hold_the_same_figures(work):
    code, _, err = run(*PAIRS, "--src", "lr", "--json", "deep/all.json", "--csv", "all.csv")
    assert code == 0
    data = json.loads((work / "deep" / "all.json").read_text(encoding="utf-8"))
    assert data["remarks"] == err.splitlines()
    assert err.startswith("without LPIPS, as squeezenet1_1-b8a52dc0.pth and squeeze.pth would have to be fetched: ")
    first, *rest = (work / "all.csv").read_text(encoding="utf-8").splitlines()
    assert first.split(",")[:3] == ["file", "psnr_y", "ssim_y"]
    assert [row.split(",")[0] for row in rest] == [picture["file"] for picture in data["pictures"]]
    assert float(rest[2].split(",")[1]) == data["pictures"][2]["psnr_y"]
    assert rest[0].split(",")[1] == "inf"
    code, printed, _ = run(*PAIRS, "--src", "lr", "--json", "-")
    assert json.loads(printed) == data


def test_a_report_that_cannot_be_written_is_refused_before_anything_is_measured(work):
    (work / "file").touch()
    for flag in ("--csv", "--json"):
        code, out, message = run(*PAIRS, flag, "file/report")
        assert (code, out, message) == (1, "", "file: cannot be written to: File exists")


def test_misuse_leaves_no_folder_for_reports_behind(work):
    assert run("--pred", "big", "--target", "nowhere", "--json", "new/all.json")[0] == 2
    assert not (work / "new").exists()


def test_a_name_that_is_no_text_reaches_every_report(work):
    for folder, end in (("big", "_LR.png"), ("hr", "_HR.bmp")):
        (work / folder / f"b{end}").rename(work / folder / os.fsdecode(b"b\xff" + end.encode()))
    code, _, _ = run(*PAIRS, "--lpips", "none", "--json", "all.json", "--csv", "all.csv")
    assert code == 0
    assert "b\\udcff_LR.png" in (work / "all.csv").read_text(encoding="utf-8")


def test_a_folder_of_other_pictures_as_originals_is_refused(work):
    (work / "other").mkdir()
    Image.new("RGB", (3, 3)).save(work / "other" / "z.png")
    code, _, message = run(*PAIRS, "--src", "other")
    assert code == 2
    assert message == "other: holds none of the pictures' originals; they have a picture's name, or else its target's"


def test_without_a_scale_no_border_is_cropped_and_that_is_said(work):
    code, out, err = run(*PAIRS, "--lpips", "none")
    assert (code, err) == (0, "no border is cropped: the scale is not known: give --scale or --src\n")
    assert "border: no pixels cropped" in out
    assert "bicubic" not in out
    _, out, err = run(*PAIRS, "--lpips", "none", "--scale", 2, "--border", 5)
    assert err == ""
    assert "border: 5 pixels cropped on each side (as asked for)" in out
    assert "bicubic: targets shrunk as by MATLAB's imresize" in out
    _, out, err = run("--pred", "lr", "--target", "lr", "--scale", 1, "--lpips", "none")
    assert "border: no pixels cropped on each side (nothing was enlarged)" in out


def test_what_cannot_be_evaluated_is_listed_and_the_rest_is_done(work):
    (work / "big" / "b_LR.png").write_text("no picture")
    (work / "big" / "d_LR.png").write_bytes((work / "big" / "a_LR.png").read_bytes())
    (work / "big" / "e.png").write_bytes((work / "big" / "a_LR.png").read_bytes())
    (work / "lr" / "c_LR.png").unlink()
    code, out, err = run(*PAIRS, "--src", "lr", "--scale", 2, "--lpips", "none")
    assert code == 3
    assert err.splitlines() == [
        "1 picture passed over: --match replaces nothing in their names",
        "1 of 3 pictures have no original in --src",
        "not evaluated: big/b_LR.png: not a picture that Pillow can read (found text)",
        "not evaluated: big/d_LR.png: hr holds no d_HR.*",
    ]
    assert "bicubic: mean of 1 of 2 pictures" in out
    for number in range(12):
        (work / "big" / f"x{number}_LR.png").touch()
    assert run(*PAIRS, "--lpips", "none")[2].splitlines()[-1] == "and 4 more; --json lists all"
    (work / "lr" / "b_LR.png").write_text("no picture")
    code, out, err = run("--pred", "big/b_LR.png", "--target", "lr/b_LR.png", "--lpips", "none")
    assert (code, out) == (3, "")


@pytest.fixture
def model(work):
    """The flags that choose an untrained model of scale 1, its pictures and their targets."""
    noise = Image.effect_noise((40, 36), 60).convert("RGB")
    for folder in ("photos", "paintings"):
        (work / folder).mkdir()
        for name in ("a.png", "b.png"):
            noise.save(work / folder / name)
    small = ["model.width=4", "model.discriminator_width=4", "run.steps=1", "run.batch=1", "run.precision=fp32"]
    where = ["dataset.source=photos", "dataset.target=paintings"]
    catalog = discover()
    start(catalog, load_recipe(catalog, "cyclegan-digits", overrides=[*small, *where]), work / "run").run()
    return ["--run", "run", "--src", "photos", "--target", "paintings"]


def test_what_weights_make_is_measured_as_its_files_would_be(work, model):
    code, out, err = run(*model, "--lpips", "none", "--json", "-")
    assert (code, err.splitlines()[0].partition(":")[0]) == (0, "cyclegan-digits, step 1")
    direct = json.loads(out)
    (work / "out").mkdir()
    for name in ("a.png", "b.png"):
        load(work / "run").translate(work / "photos" / name).save(work / "out" / name)
    files = run("--pred", "out", "--src", "photos", "--target", "paintings", "--lpips", "none", "--json", "-")
    assert direct["pictures"] == json.loads(files[1])["pictures"]
    assert direct["protocol"]["scale"] == 1
    weights = "run/checkpoints/step-0000001/weights.safetensors"
    assert direct["protocol"]["pictures by"] == f"cyclegan-digits, step 1: {weights} (newest of run), fp32"
    (work / "photos" / "b.png").write_text("no picture")
    code, _, err = run(*model, "--lpips", "none", "--self-ensemble")
    assert code == 3
    assert err.splitlines()[-1] == "not evaluated: photos/b.png: not a picture that Pillow can read (found text)"


def test_a_scale_or_an_option_that_the_weights_do_not_have_is_refused(model):
    assert run(*model, "--scale", 4)[2].startswith("--scale 4: cyclegan-digits keeps pictures' size (×1)")
    code, _, message = run(*model, "--set", "translate.direction=sideways")
    assert (code, message) == (
        2,
        "translate.direction: should be 'source-to-target' or 'target-to-source', found 'sideways'",
    )


def test_sets_of_translations_and_of_files_are_compared(work, model):
    pytest.importorskip("torch_fidelity", reason="torch-fidelity is not installed: pip install 'i2i[evaluate]'")
    how = ("--unpaired", "--features", "random")
    sets = json.loads(run(*model, *how, "--json", "-")[1])
    assert sets["count"] == {"pictures": 2, "targets": 2}
    (work / "photos" / "c.png").write_text("no picture")
    code, out, err = run("--pred", "photos", "--target", "paintings", *how)
    assert "KID ↓" in out
    assert out.splitlines()[-1].startswith("2 pictures against 2; pictures by: files; features: random, mean of ")
    assert (code, err.splitlines()) == (3, [
        "not evaluated: photos/c.png: not a picture that Pillow can read (found text)",
        "2 pictures are too few for the covariance of 128 features: FID is biased, KID is not",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "say what to measure: --pred DIR, or --src DIR with --plugin NAME, --run DIR or --weights FILE"),
        (["--run", "r"], "--run also needs --src DIR: what to translate"),
        (["--pred", "big", "--run", "r"], "--pred and --run: either measure pictures or translate them, not both"),
        (["--pred", "big", "--set", "translate.a=1"], "--pred and --set: either measure pictures or translate them"),
        (["--pred", "big", "--self-ensemble"], "--pred and --self-ensemble: either measure pictures or translate"),
        (["--pred", "big", "--features", "random"], "--features: needs --unpaired"),
        (["--pred", "big", "--unpaired", "--match", "a=b"], "--match: leave --unpaired out"),
        (["--pred", "big", "--unpaired", "--csv", "a.csv"], "--csv: leave --unpaired out"),
        (["--pred", "big", "--unpaired", "--src", "lr"], "--src is for pairs, or for weights to translate: sets of"),
        (["--pred", "big", "--lpips", "none", "--lpips-heads", "a"], "--lpips none reads no file; leave --lpips-weig"),
        (["--pred", "big", "--json", "lr"], "lr: is a folder; --json is a file to write"),
        (["--pred", "big"], "big: none of its pictures has a target, such as big/a_LR.png: hr holds no a_LR.* (names"),
    ],
)
def test_misuse_is_refused_in_one_line(work, arguments, complaint):
    code, out, message = run("--target", "hr", *arguments)
    assert (code, out) == (2, "")
    assert message.startswith(complaint)
    assert "\n" not in message


def test_lpips_that_is_asked_for_and_cannot_be_had_is_an_error(work):
    code, _, message = run(*PAIRS, "--lpips-heads", "nowhere.pth")
    assert (code, message.endswith("nowhere.pth: no such file; put the LPIPS heads there")) == (1, True)


def test_a_signal_says_how_many_are_evaluated():
    told = pytest.raises(Interrupted, match=r"^stopped; 1 of 3 pictures are evaluated$")
    with told as stopped, counting(3, "evaluated", ["a"], "evaluated"):
        raise Stopped(signal.SIGINT)
    assert stopped.value.exit_code == 130


def test_the_command_is_listed(run_i2i):
    done = run_i2i("--help")
    assert "evaluate" in done.stdout
    assert os.linesep not in done.stderr
