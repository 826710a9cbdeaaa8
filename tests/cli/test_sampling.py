"""`i2i translate` with a model that makes pictures out of nothing, as a user runs it."""

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image, ImageSequence

from i2i.cli import sampling
from i2i.cli.translate import translate

DOTS = Path(__file__).parents[1] / "plugins" / "dots"


@pytest.fixture(scope="module")
def site(tmp_path_factory, install_plugin):
    """Where the dots are installed."""
    site = tmp_path_factory.mktemp("site")
    install_plugin(DOTS, site)
    return site


@pytest.fixture
def folder(site, tmp_path, monkeypatch):
    """Where the user is: three weights files and a picture."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    from i2i_dots.weights import save_weights

    for name in ("dots", "dots-both", "negative"):
        save_weights(tmp_path / f"{name}.safetensors", name)
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (16, 16), "navy").save(tmp_path / "photos" / "a.png")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("i2i_dots")]:
        del sys.modules[name]


def run(*arguments, weights="dots"):
    return CliRunner().invoke(translate, ["--weights", f"{weights}.safetensors", *map(str, arguments)])


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def test_numbered_pictures_are_made_and_the_batch_does_not_matter(folder):
    result = run("--count", 11, "--seed", 7, "--batch", 1, "--dst", "one/")
    assert result.exit_code == 0, result.output
    assert result.stdout == "11 pictures made in one/\n"
    assert result.stderr == "dots, step 3: dots.safetensors (as given)\n"
    assert list(contents(folder / "one")) == [f"{number:05d}.png" for number in range(11)]
    assert len(set(contents(folder / "one").values())) == 11
    run("--count", 11, "--seed", 7, "--batch", 9, "--dst", "nine")
    assert contents(folder / "nine") == contents(folder / "one")
    run("--count", 2, "--seed", 7, "--dst", "few")
    assert contents(folder / "few").items() < contents(folder / "one").items()
    run("--count", 2, "--seed", 8, "--force", "--dst", "few")
    assert not contents(folder / "few").items() & contents(folder / "one").items()


def test_one_picture_is_one_picture(folder):
    assert run("--count", 1, "--dst", "out").stdout == "1 picture made in out/\n"


def test_a_sheet_shows_what_was_made(folder):
    result = run("--count", 6, "--grid", "--dst", "out")
    assert result.stdout == "6 pictures made in out/, with grid.png\n"
    with Image.open(folder / "out" / "grid.png") as sheet, Image.open(folder / "out" / "00000.png") as first:
        assert sheet.size == (304, 204)  # 3 × 2 cells of 96 pixels, 4 around each
        shown = sheet.crop((4, 4, 100, 100)).resize((16, 16), Image.Resampling.NEAREST)
        assert shown.tobytes() == first.tobytes()


def test_a_sheet_has_its_limit_and_says_so(folder, monkeypatch):
    monkeypatch.setattr(sampling, "SHEET", 4)
    result = run("--count", 9, "--grid", "--dst", "out")
    assert result.stdout == "9 pictures made in out/, with grid.png (the first 4)\n"
    with Image.open(folder / "out" / "grid.png") as sheet:
        assert sheet.size == (304, 204)


def test_large_pictures_wait_for_the_sheet_in_the_size_it_shows_them():
    first = []
    asked = sampling.Sampling(1, None, grid=True)
    passing = sampling._seen([Image.new("RGB", (1000, 500))], asked, lambda done: None, first)
    assert [picture.size for picture in passing] == [(1000, 500)]
    assert [picture.size for picture in first] == [(256, 128)]


def test_a_walk_is_frames_and_a_gif_that_loops_through_the_samples(folder):
    run("--count", 3, "--seed", 7, "--dst", "samples")
    result = run("--count", 3, "--interpolate", 5, "--seed", 7, "--dst", "walk")
    assert result.stdout == "15 pictures made in walk/, with walk.gif\n", result.output
    frames = contents(folder / "walk")
    assert list(frames) == [*(f"{number:05d}.png" for number in range(15)), "walk.gif"]
    for stop, picture in enumerate(contents(folder / "samples").values()):
        assert frames[f"{5 * stop:05d}.png"] == picture
    with Image.open(folder / "walk" / "walk.gif") as gif:
        assert (gif.info["loop"], gif.n_frames) == (0, 15)
        for number, frame in enumerate(ImageSequence.Iterator(gif)):
            with Image.open(folder / "walk" / f"{number:05d}.png") as picture:
                assert (numpy.asarray(frame.convert("RGB")) == numpy.asarray(picture)).all()
    run("--count", 3, "--interpolate", 5, "--seed", 7, "--batch", 9, "--dst", "batched")
    assert contents(folder / "batched") == frames


def test_a_walk_without_a_count_has_four_stops(folder):
    result = run("--interpolate", 2, "--grid", "--dst", "walk")
    assert result.stdout == "8 pictures made in walk/, with walk.gif and grid.png\n"


def test_the_sheet_of_a_walk_shows_its_stops(folder, monkeypatch):
    run("--count", 6, "--seed", 7, "--grid", "--dst", "samples")
    run("--count", 6, "--interpolate", 3, "--seed", 7, "--grid", "--dst", "walk")
    assert contents(folder / "walk")["grid.png"] == contents(folder / "samples")["grid.png"]
    monkeypatch.setattr(sampling, "SHEET", 6)
    result = run("--count", 7, "--interpolate", 2, "--seed", 7, "--grid", "--dst", "longer")
    assert result.stdout == "14 pictures made in longer/, with walk.gif and grid.png (the first 6 stops)\n"
    assert contents(folder / "longer")["grid.png"] == contents(folder / "samples")["grid.png"]


def test_a_class_is_made_when_it_is_named(folder):
    run("--count", 2, "--dst", "bright")
    run("--count", 2, "--class", "dark", "--dst", "dark")
    run("--count", 2, "--set", "translate.class_name=dark", "--dst", "set")
    bright, dark = (numpy.asarray(Image.open(folder / name / "00001.png"), float) for name in ("bright", "dark"))
    assert numpy.abs(bright / 4 - dark).max() <= 1
    assert contents(folder / "set") == contents(folder / "dark")
    run("--count", 2, "--interpolate", 3, "--class", "dark", "--dst", "walk")
    assert contents(folder / "walk")["00003.png"] == contents(folder / "dark")["00001.png"]


def test_what_an_earlier_command_left_is_said_in_one_line(folder):
    assert not [line for line in run("--count", 6, "--dst", "out").stderr.splitlines() if "earlier" in line]
    assert run("--count", 6, "--force", "--dst", "out").stderr.count("\n") == 1
    assert run("--count", 5, "--force", "--dst", "out").stderr.splitlines()[1:] == [
        "out/ also holds 1 numbered picture of an earlier command"
    ]
    again = run("--count", 2, "--interpolate", 1, "--grid", "--force", "--dst", "out")
    assert again.stdout == "2 pictures made in out/, with walk.gif and grid.png\n"
    assert again.stderr.splitlines()[1:] == ["out/ also holds 4 numbered pictures of an earlier command"]
    assert run("--count", 6, "--grid", "--force", "--dst", "out").stderr.splitlines()[1:] == [
        "out/ also holds walk.gif of an earlier command"
    ]
    assert run("--count", 2, "--force", "--dst", "out").stderr.splitlines()[1:] == [
        "out/ also holds 4 numbered pictures and walk.gif and grid.png of an earlier command"
    ]


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (("--count", 3), "00002.png"),
        (("--count", 3, "--grid"), "grid.png"),
        (("--count", 2, "--interpolate", 2), "walk.gif"),
        (("--count", 2, "--interpolate", 2), "00003.png"),
    ],
)
def test_what_is_there_already_is_replaced_by_force_alone(folder, flags, name):
    (folder / "new").mkdir()
    (folder / "new" / name).write_text("mine")
    result = run(*flags, "--dst", "new")
    assert getattr(result.exception, "exit_code", None) == 2, result.exception
    assert str(result.exception) == f"new/{name}: is there already; choose another --dst, or --force"
    assert contents(folder / "new") == {name: b"mine"}
    assert run(*flags, "--force", "--dst", "new").exit_code == 0
    assert (folder / "new" / name).read_bytes() != b"mine"


def test_what_has_another_name_stays_without_force(folder):
    (folder / "new").mkdir()
    for name in ("00003.png", "photo.png", "walk.gif", "grid.png"):
        (folder / "new" / name).write_text("mine")
    assert run("--count", 3, "--dst", "new").exit_code == 0
    assert [name for name, held in contents(folder / "new").items() if held == b"mine"] == [
        "00003.png", "grid.png", "photo.png", "walk.gif"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        ((), "say which pictures to translate, --src DIR, or how many new ones to make, --count 64"),
        (("--grid",), "say which pictures to translate, --src DIR, or how many new ones to make, --count 64"),
        (("--src", "photos", "--count", 3), "--src translates pictures, --count makes new ones: leave one of them out"),
        (("--src", "photos", "--interpolate", 3), "--src translates pictures, --interpolate makes new ones: leave one"),
        (("--src", "photos", "--grid"), "--src translates pictures, --grid makes new ones: leave one of them out"),
        (("--src", "photos", "--class", "dark"), "--src translates pictures, --class makes new ones: leave one of"),
        (("--count", 0), "--count 0: at least 1, such as --count 64"),
        (("--count", -1, "--interpolate", 3), "--count -1: at least 1, such as --count 64"),
        (("--interpolate", 0), "--interpolate 0: at least 1 frame from each picture to the next, such as 50"),
        (("--count", 1, "--interpolate", 3), "--interpolate walks from picture to picture: --count is at least 2"),
        (("--src", "photos"), "dots makes pictures out of nothing, without --src: "
                              "`i2i translate --weights dots.safetensors --dst 'the output' --count 64`"),
        (("--count", 3, "--class", "grim"), "translate.class_name: no class 'grim' in these weights; they know bright"),
        (("--interpolate", 3, "--class", "grim"), "translate.class_name: no class 'grim' in these weights; they know"),
        (("--count", 3, "--set", "translate.clas=dark"), "translate.clas: unknown key"),
    ],
)  # fmt: skip
def test_wrong_uses_are_refused_with_the_right_one(folder, arguments, refusal):
    result = run(*arguments, "--dst", "the output")
    assert getattr(result.exception, "exit_code", None) == 2, result.exception
    assert str(result.exception).startswith(refusal)
    assert not (folder / "the output").exists()


def test_a_wrong_class_is_one_line(folder, site, run_i2i):
    command = ["translate", "--weights", "dots.safetensors", "--count", 3, "--class", "grim", "--dst", "out"]
    result = run_i2i(*command, site=site, cwd=folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == ("Error: translate.class_name: no class 'grim' in these weights; they know bright, dark\n")
    assert not (folder / "out").exists()


@pytest.mark.parametrize("what", [("--count", 3), ("--src", "photos")], ids=["sampling", "translating"])
def test_a_destination_that_is_a_file_is_refused(folder, what):
    (folder / "afile").write_text("kept")
    result = run(*what, "--dst", "afile", weights="dots-both")
    assert getattr(result.exception, "exit_code", None) == 2, result.exception
    assert str(result.exception) == "afile: is a file; --dst is a folder to write to"
    assert (folder / "afile").read_text() == "kept"


def test_a_destination_that_cannot_be_written_to_is_one_line_after_the_first_picture(folder):
    result = run("--count", 3, "--dst", "photos/a.png/out")
    assert getattr(result.exception, "exit_code", None) == 1, result.exception
    assert str(result.exception) == "photos/a.png/out: cannot be written to: Not a directory"


@pytest.mark.parametrize("flags", [(), ("--class", "dark"), ("--interpolate", 3), ("--set", "translate.class_name=a")])
def test_a_translator_is_refused_to_sample(folder, flags):
    result = run("--count", 3, *flags, "--dst", "out", weights="negative")
    assert str(result.exception) == (
        "negative translates pictures and makes no new ones: "
        "`i2i translate --weights negative.safetensors --dst out --src DIR`"
    )
    assert not (folder / "out").exists()


def test_a_model_that_can_do_both_does_as_it_is_told(folder):
    translated = run("--src", "photos", "--dst", "out", weights="dots-both")
    assert translated.stdout == "1 of 1 pictures translated into out\n"
    assert Image.open(folder / "out" / "a.png").getpixel((0, 0)) == (255, 255, 127)
    assert run("--count", 2, "--dst", "new", weights="dots-both").stdout == "2 pictures made in new/\n"


def test_a_refusal_is_one_line_and_costs_no_torch(folder):
    code = (
        "import sys; from i2i.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules"
    )  # fmt: skip
    command = [sys.executable, "-c", code, "translate", "--plugin", "dots", "--dst", "out"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: say which pictures to translate, --src DIR, or how many new ones to make, --count 64\n"
    )


def test_it_says_how_far_it_is_where_there_is_no_terminal(folder, monkeypatch):
    monkeypatch.setattr("i2i.cli.console.PLAIN_SECONDS", 0)
    result = run("--count", 3, "--dst", "out")
    assert result.stderr.splitlines()[1:] == [f"made {done} of 3" for done in (1, 2, 3)]


def test_a_walk_that_cannot_be_finished_leaves_no_gif(folder, monkeypatch):
    def fail(image, path):
        raise MemoryError

    monkeypatch.setattr("i2i.inference.numbered.write_picture", fail)
    result = run("--interpolate", 3, "--dst", "walk")
    assert isinstance(result.exception, MemoryError)
    assert list((folder / "walk").iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "total"), [(("--count", "100000"), 100000), (("--interpolate", "25000"), 100000)], ids=["count", "walk"]
)
def test_a_signal_ends_it_in_one_line_that_counts_and_leaves_nothing_half_done(folder, site, flags, total, begin_i2i):
    words = ["translate", "--weights", "dots.safetensors", *flags, "--dst", "out"]
    process = begin_i2i(*words, site=site, cwd=folder)
    deadline = time.monotonic() + 120
    while not list(folder.glob("out/*.png")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for pause in itertools.cycle((0.005, 0.05, 0.02)):
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGINT)
        time.sleep(pause)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 130, complaint
    names = [path.name for path in (folder / "out").iterdir()]
    assert complaint.splitlines()[1:] == [f"Error: stopped; {len(names)} of {total} pictures are written"]
    assert sorted(names) == [f"{number:05d}.png" for number in range(len(names))]
