"""`i2i translate` with a model that restores, here by repeating pixels, as a user runs it."""

import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image

from i2i.cli.translate import translate
from i2i.images.whole import open_whole

ENLARGER = Path(__file__).parents[1] / "plugins" / "enlarger"


@pytest.fixture(scope="module")
def site(tmp_path_factory, install_plugin):
    """Where the enlarger is installed."""
    site = tmp_path_factory.mktemp("site")
    install_plugin(ENLARGER, site)
    return site


@pytest.fixture
def folder(site, tmp_path, monkeypatch):
    """Where the user is: small pictures, and one that is not."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small" / "deep").mkdir(parents=True)
    for name in ("a_LR", "a_HR", "deep/b_LR"):
        Image.new("RGB", (3, 2), "navy").save(tmp_path / "small" / f"{name}.png")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("i2i_enlarger")]:
        del sys.modules[name]


def run(*arguments, plugin="enlarger", src="small"):
    return CliRunner().invoke(translate, ["--plugin", plugin, "--src", src, "--dst", "large", *map(str, arguments)])


def everything(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*.*") if not file.name.startswith("."))


def test_a_pattern_picks_among_the_pictures(folder):
    result = run("--glob", "*_LR.png")
    assert result.exit_code == 0, result.output
    assert result.stdout == "2 of 2 pictures translated into large\n"
    assert everything(folder / "large") == ["a_LR.png", "deep/b_LR.png"]
    with Image.open(folder / "large" / "a_LR.png") as image:
        assert (image.size, image.mode) == ((6, 4), "RGB")


def test_a_pattern_that_nothing_fits_is_one_line(folder):
    result = run("--glob", "*_SR.png")
    assert type(result.exception).__name__ == "UsageError"
    assert str(result.exception) == "--glob '*_SR.png': fits no picture (found 3, such as small/a_HR.png)"
    assert not (folder / "large").exists()


@pytest.mark.parametrize(
    ("plugin", "scale", "refusal"),
    [
        ("enlarger", 4, "--scale 4: enlarger enlarges ×2, as its weights were trained; "
                        "×4 is what --plugin enlarger-x4 does"),
        ("enlarger-x4", 2, "--scale 2: enlarger-x4 enlarges ×4, as its weights were trained; "
                           "×2 is what --plugin enlarger or enlarger-blue does"),
        ("enlarger", 3, "--scale 3: enlarger enlarges ×2, as its weights were trained; "
                        "×3 is what --plugin enlarger-x3-shipped does"),
        ("enlarger", 5, "--scale 5: enlarger enlarges ×2, as its weights were trained"),
        ("repainter", 8, "--scale 8: repainter keeps pictures' size (×1), as its weights were trained"),
    ],
)  # fmt: skip
def test_a_scale_that_the_weights_do_not_have_is_refused(folder, run_i2i, site, plugin, scale, refusal):
    arguments = ("--src", folder / "small", "--dst", folder / "large", "--scale", scale)
    result = run_i2i("translate", "--plugin", plugin, *arguments, site=site)
    assert (result.returncode, result.stderr) == (2, f"Error: {refusal}\n")
    assert not (folder / "large").exists()


def test_the_scale_of_the_weights_is_accepted(folder):
    assert run("--scale", 4, plugin="enlarger-x4").exit_code == 0
    with Image.open(folder / "large" / "a_LR.png") as image:
        assert image.size == (12, 8)


@pytest.mark.parametrize(
    ("flags", "refusal"),
    [
        (["--count", 3, "--glob", "*"], "--glob is for pictures that are translated: it needs --src DIR"),
        (["--count", 3, "--scale", 2], "--scale is for pictures that are translated: it needs --src DIR"),
        (["--count", 3, "--self-ensemble"], "--self-ensemble is for pictures that are translated: it needs --src DIR"),
        (["--src", "small", "--self-ensemble", "--save-every", 2],
         "--save-every shows a picture on its way, --self-ensemble makes eight: leave one of them out"),
    ],
)  # fmt: skip
def test_flags_that_do_not_go_together_are_refused(folder, flags, refusal):
    result = CliRunner().invoke(translate, ["--plugin", "enlarger", "--dst", "large", *map(str, flags)])
    assert (type(result.exception).__name__, str(result.exception)) == ("UsageError", refusal)


def test_self_ensemble_is_the_mean_of_eight_answers(folder):
    assert run("--self-ensemble", "--set", "model.blue=0.8", "--glob", "a_LR.png").exit_code == 0
    red = numpy.asarray(Image.open(folder / "large" / "a_LR.png"))[:, :, 0]
    assert red[:, [0, 1, -2, -1]].tolist() == [[51] * 4] * 4  # 0.8 × 255 in 2 of 8
    assert red[:, 2:4].max() == 0


def test_every_kind_of_picture_stays_what_it_is(folder, write_deep):
    levels = numpy.random.default_rng(0).integers(0, 65536, (2, 3, 4), "uint16")
    levels[..., 3] |= 4096  # nothing that is hardly seen
    pictures = folder / "kinds"
    pictures.mkdir()
    Image.new("L", (3, 2), 99).save(pictures / "grey.jpg")
    Image.new("1", (3, 2), 1).save(pictures / "bits.png")
    Image.new("LA", (3, 2), (9, 99)).save(pictures / "grey-alpha.png")
    Image.new("RGBA", (3, 2), (9, 8, 7, 99)).save(pictures / "alpha.webp", lossless=True)
    Image.new("RGBA", (3, 2), (9, 8, 7, 0)).quantize().save(pictures / "palette.png")
    Image.new("RGB", (3, 2), (9, 8, 7)).save(pictures / "colour.bmp")
    for channels in (1, 3, 4):
        write_deep(levels[:, :, :channels], pictures / f"deep{channels}.png")
        write_deep(levels[:, :, :channels], pictures / f"deep{channels}.tif")
    result = run(src="kinds")
    assert result.exit_code == 0, result.output
    assert result.stderr == "enlarger: needs no weights\n"
    for source in pictures.iterdir():
        before, after = open_whole(source), open_whole(folder / "large" / source.name)
        assert after.levels == before.levels
        assert after.values.shape == (len(before.values), 4, 6)
        if source.suffix != ".webp":
            expected = before.values.repeat_interleave(2, -1).repeat_interleave(2, -2)
            assert (after.values.float() - expected.float()).abs().max() <= (1 if source.suffix == ".jpg" else 0)


def test_what_a_format_does_not_hold_is_told_once_with_a_count(folder, write_deep):
    pictures = folder / "kinds"
    pictures.mkdir()
    for name in ("a.jpg", "b.jpg", "c.bmp"):
        Image.new("RGBA", (3, 2), (200, 0, 0, 0)).save(pictures / name, "PNG")
    write_deep(numpy.zeros((1, 1, 3), "uint16"), pictures / "d.jpg")
    result = run("--background", "#0000ff", src="kinds")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines()[1:] == [
        "transparency laid over #0000ff, as JPEG holds none: 2 pictures, such as large/a.jpg",
        "transparency laid over #0000ff, as BMP holds none: large/c.bmp",
        "8 of 16 bits kept, as JPEG is written with 8: large/d.jpg",
    ]
    assert numpy.asarray(Image.open(folder / "large" / "c.bmp"))[0, 0].tolist() == [0, 0, 255]


def test_an_answer_larger_than_its_format_holds_is_reported_and_the_rest_is_done(folder):
    pictures = folder / "wide"
    pictures.mkdir()
    Image.new("L", (4096, 1)).save(pictures / "a.webp")  # 16384 of 16383
    Image.new("L", (16384, 1)).save(pictures / "b.jpg")  # 65536 of 65500
    Image.new("L", (16384, 1)).save(pictures / "c.png")
    result = run("--scale", 4, plugin="enlarger-x4", src="wide")
    assert result.exit_code == 3
    lines = result.stderr.splitlines()[1:]
    assert [line.partition(": cannot be written (")[0] for line in lines] == [
        "not translated: wide/a.webp", "not translated: wide/b.jpg"
    ]  # fmt: skip
    assert "16384×4 as WEBP: " in lines[0]
    assert "65536×4 as JPEG: " in lines[1]
    assert everything(folder / "large") == ["c.png"]
