"""`i2i translate` with a model that optimises each picture and may need no weights, as a user runs it."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from i2i.cli.progress import LiveCounter, PlainCounter
from i2i.cli.translate import translate

ETCHER = Path(__file__).parents[1] / "plugins" / "etcher"


@pytest.fixture(scope="module")
def site(tmp_path_factory, install_plugin):
    """Where the etcher is installed."""
    site = tmp_path_factory.mktemp("site")
    install_plugin(ETCHER, site)
    return site


@pytest.fixture
def folder(site, tmp_path, monkeypatch):
    """Where the user is: three photos and a plate."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("a", "b", "c"):
        Image.new("RGB", (10, 9), "navy").save(tmp_path / "photos" / f"{name}.png")
    Image.new("RGB", (4, 4), "red").save(tmp_path / "plate.png")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("i2i_etcher")]:
        del sys.modules[name]


PLATE = ("--set", "model.plate=plate.png")


def run(*arguments):
    return CliRunner().invoke(translate, ["--plugin", "etcher", *map(str, arguments)])


def everything(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*.*") if not file.name.startswith("."))


def test_pictures_are_translated_without_any_weights(folder, monkeypatch):
    monkeypatch.setattr("i2i.cli.console.PLAIN_SECONDS", 1000)  # however slow this machine is
    result = run(*PLATE, "--set", "translate.strokes=3", "--src", "photos", "--dst", "out")
    assert result.exit_code == 0, result.exception
    assert result.stdout == "3 of 3 pictures translated into out\n"
    assert result.stderr == "etcher: needs no weights\netching with strength 0.5, 1 pictures seen\n"
    assert everything(folder / "out") == ["a.png", "b.png", "c.png"]


def test_a_file_gives_the_options_and_a_set_is_laid_over_it(folder):
    (folder / "mine.yaml").write_text("base: etcher\nmodel: {plate: plate.png}\ntranslate: {strokes: 2}\n")
    few = run("--config", "mine.yaml", "--src", "photos", "--dst", "few", "--save-every", 1)
    assert "based on recipe" not in few.stderr, few.exception
    assert len(everything(folder / "few")) == 3 * 3
    run("--config", "mine.yaml", "--set", "translate.strokes=4", "--src", "photos", "--dst", "more", "--save-every", 1)
    assert len(everything(folder / "more")) == 3 * 5


def test_a_fitted_model_translates_as_its_recipe_says(folder, site, run_i2i):
    fit, where = ("fit", "--plugin", "etcher", "--src", "photos"), {"site": site, "cwd": folder}
    fitted = run_i2i(*fit, "--set", "translate.strokes=2", **where)
    assert fitted.returncode == 0, fitted.stderr
    assert "etching with strength 0.5, 0 pictures seen" in fitted.stdout
    dry = run_i2i(*fit, "--dry-run", **where)
    assert re.search(r"^time: .* for 2$", dry.stdout, re.MULTILINE), dry.stderr
    result = run("--src", "photos", "--dst", "out", "--save-every", 1)
    assert result.stderr.splitlines()[0].endswith("weights.safetensors (newest finished run of etcher under runs/)")
    assert result.stderr.splitlines()[1:] == ["etching with strength 0.5, 4 pictures seen"]
    assert len(everything(folder / "out")) == 3 * 3


def test_pictures_on_their_way_are_saved_every_so_often(folder):
    result = run(*PLATE, "--src", "photos/a.png", "--dst", "out", "--save-every", 3)
    assert result.exit_code == 0, result.exception
    assert everything(folder / "out") == ["a-steps/00003.png", "a-steps/00006.png", "a.png"]
    first, last, final = (Image.open(folder / "out" / name).getpixel((0, 0)) for name in everything(folder / "out"))
    assert first[0] < last[0] < final[0]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--save-every", 9), "--save-every 9 saved nothing: no translation took so many iterations"),
        (
            ("--save-every", 3, "--set", "translate.silent=true"),
            "--save-every 3 saved nothing: etcher makes no pictures on the way",
        ),
    ],
)
def test_where_nothing_is_saved_on_the_way_one_line_says_why(folder, arguments, why):
    result = run(*PLATE, "--src", "photos", "--dst", "out", *arguments)
    assert result.exit_code == 0
    assert result.stderr.splitlines()[2:] == [why]
    assert everything(folder / "out") == ["a.png", "b.png", "c.png"]


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("--src", "photos"), "no weights for etcher: none are shipped"),
        (("--src", "photos", "--set", "run.seed=1"), "--set run.seed=1: when translating only translate.KEY=VALUE can"),
        (("--src", "photos", *PLATE, "--run", "r"), "--set model.plate=plate.png: weights carry their own recipe"),
        (("--count", 3, *PLATE), "etcher translates pictures and makes no new ones: `i2i translate --plugin etcher "
                                 "--set model.plate=plate.png --dst out --src DIR`"),
        (("--count", 3, *PLATE, "--save-every", 2), "--save-every 2 is for pictures on their way to a translation: "
                                                    "it needs --src DIR"),
        (("--src", "photos", *PLATE, "--direction", "up"), "--direction: translate.direction: unknown key"),
    ],
)  # fmt: skip
def test_wrong_uses_are_refused_in_one_line(folder, arguments, refusal):
    result = run(*arguments, "--dst", "out")
    assert getattr(result.exception, "exit_code", None) == 2, result.exception
    assert str(result.exception).startswith(refusal)
    assert "\n" not in str(result.exception)
    assert not (folder / "out").exists()


NO_TORCH = """
import sys
from i2i.cli import i2i
from i2i.errors import I2IError
for line in sys.stdin.read().splitlines():
    try:
        i2i.main(["translate", "--plugin", "etcher", "--dst", "out", *line.split()], standalone_mode=False)
    except I2IError as error:
        print(error)
    assert "torch" not in sys.modules, line
"""


def test_mistakes_in_what_is_asked_for_cost_no_torch(folder, site):
    (folder / "photos" / "a-steps").mkdir()
    Image.new("RGB", (9, 10)).save(folder / "photos" / "a-steps" / "b.png")
    lines = {
        "--src photos --save-every 2": "out/a-steps/b.png: lies where the steps of photos/a.png would be written",
        "--src photos --set model.acid=x": "--set model.acid=x: weights carry their own recipe; to do without them",
        "--src photos --set model.plat=x": "--set: model.plat: unknown key; did you mean 'plate'?",
        "--src photos --set model.plate=x --set translate.stroke=1": "--set: translate.stroke: unknown key; did you",
        "--src photos --config none.yaml": "none.yaml: cannot be read as a recipe (no such file or directory)",
        "--src photos --config none.yaml --weights w": "--config none.yaml: weights carry their own recipe",
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    result = subprocess.run(
        [sys.executable, "-c", NO_TORCH],
        input="\n".join(lines), capture_output=True, text=True, env=environment, timeout=120,
    )  # fmt: skip
    assert result.stderr == ""
    said = result.stdout.splitlines()
    assert len(said) == len(lines)
    assert all(line.startswith(refusal) for line, refusal in zip(said, lines.values(), strict=True)), said


def test_where_there_is_no_terminal_lines_say_how_far_the_batch_is(folder, monkeypatch):
    monkeypatch.setattr("i2i.cli.console.PLAIN_SECONDS", 0)
    result = run(*PLATE, "--set", "translate.strokes=2", "--batch", 3, "--src", "photos", "--dst", "out")
    lines = result.stderr.splitlines()[2:]
    assert re.fullmatch(r"translated 0 of 3: 50 %, iteration 0, loss \d+\.\d+", lines[0])
    assert re.fullmatch(r"translated 0 of 3: 100 %, iteration 1, loss \d+\.\d+", lines[1])
    assert lines[2:] == [f"translated {done} of 3" for done in (1, 2, 3)]


def test_plain_lines_come_seldom(capsys):
    counter = PlainCounter(64, "translated", [], 1000.0)
    for step in range(100):
        counter.reported(["a"], step / 100, {})
    assert capsys.readouterr().err == ""


def test_numbers_are_whole_where_they_are_and_shares_stay_shares(capsys):
    counter = PlainCounter(64, "translated", ["x", "y"], -1.0)
    counter.reported(["a"], 1.5, {"scale": 2.0, "loss": 0.123456, "large": 1e20, "odd": float("nan")})
    assert capsys.readouterr().err == "translated 2 of 64: 100 %, scale 2, loss 0.1235, large 1e+20, odd nan\n"


def test_on_a_terminal_the_bar_moves_with_the_batch():
    screen = io.StringIO()
    with Progress(console=Console(file=screen, force_terminal=True, width=200)) as progress:
        counter = LiveCounter(8, "translated", ["x", "y"], progress)
        (task,) = progress.tasks
        counter.reported(["a", "b", "c", "d"], 0.5, {"loss": 0.25})
        assert (task.completed, task.fields["text"]) == (4, "50 %, loss 0.25")
        counter.count(6)
        assert (task.completed, task.fields["text"]) == (6, "")
        counter.reported(["a", "b", "c", "d"], 1, {})
        assert task.completed == 8


def test_the_live_line_shows_it(folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("i2i.cli.progress.is_live", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    result = run(*PLATE, "--set", "translate.strokes=2", "--src", "photos", "--dst", "out")
    assert result.exit_code == 0, result.exception
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", result.stderr)
    assert "translated" in plain
    assert re.search(r"\d/3", plain)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_amid_the_iterations_ends_it_in_one_line(folder, site, begin_i2i, number, code):
    options = [*PLATE, "--set", "translate.strokes=1000000", "--save-every", "5", "--src", "photos", "--dst", "out"]
    process = begin_i2i("translate", "--plugin", "etcher", *options, site=site, cwd=folder)
    deadline = time.monotonic() + 100
    while not list(folder.glob("out/a-steps/00010.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == code, complaint
    lines = [line for line in complaint.splitlines() if not line.startswith("translated ")]
    assert lines[2:] == ["Error: stopped; 0 of 3 pictures are written"]
    assert not list(folder.glob("out/**/*.part"))
