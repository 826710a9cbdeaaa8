"""`i2i translate --mask` with a model that paints holes orange, as a user runs it."""

import sys
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from PIL import Image

from i2i.cli.translate import translate

MENDER = Path(__file__).parents[1] / "plugins" / "mender"
ORANGE = (255, 128, 0)


@pytest.fixture(scope="module")
def site(tmp_path_factory, install_plugin):
    site = tmp_path_factory.mktemp("site")
    for name in ("mender", "enlarger"):
        install_plugin(MENDER.with_name(name), site)
    return site


@pytest.fixture
def folder(site, tmp_path, monkeypatch):
    """Where the user is: two pictures in folders, and masks of the same names."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.chdir(tmp_path)
    for name in ("old/a.png", "old/deep/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "navy").save(tmp_path / name)
    mask = Image.new("L", (8, 8))
    mask.paste(255, (0, 0, 8, 2))
    for name in ("masks/a.png", "masks/deep/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        mask.save(tmp_path / name)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith(("i2i_mender", "i2i_enlarger"))]:
        del sys.modules[name]


def run(*arguments, plugin="mender", src="old"):
    return CliRunner().invoke(translate, ["--plugin", plugin, "--src", src, "--dst", "new", *map(str, arguments)])


def orange_rows(path):
    return [bool((row == ORANGE).all()) for row in numpy.asarray(Image.open(path))]


def test_a_folder_of_masks_is_matched_by_name_and_known_pixels_stay_bit_for_bit(folder):
    result = run("--mask", "masks")
    assert result.exit_code == 0, result.output
    assert orange_rows("new/a.png") == [True] * 2 + [False] * 6
    assert (numpy.asarray(Image.open("new/a.png"))[2:] == (0, 0, 128)).all()
    assert "known pixels changed too, as this file format is not exact (PNG is): new/deep/b.jpg\n" in result.stderr
    assert "a.png" not in result.stderr


def test_one_mask_is_for_every_picture(folder):
    assert run("--mask", "masks/a.png").exit_code == 0
    assert orange_rows("new/a.png") == [True] * 2 + [False] * 6
    assert Image.open("new/deep/b.jpg").getpixel((4, 0))[0] > 240


def test_without_a_mask_transparency_shows_the_holes_and_a_picture_without_any_is_told(folder):
    picture = Image.new("RGBA", (8, 8), "navy")
    picture.paste((9, 9, 9, 0), (0, 0, 8, 1))
    picture.save("old/a.png")
    result = run()
    assert result.exit_code == 0
    assert orange_rows("new/a.png") == [True] + [False] * 7
    assert "copied, as nothing of it is transparent or masked: new/deep/b.jpg\n" in result.stderr
    assert result.stdout == "1 of 2 pictures translated into new, 1 copied\n"
    assert "known pixels" not in result.stderr
    assert Path("new/deep/b.jpg").read_bytes() == Path("old/deep/b.jpg").read_bytes()


def test_pictures_without_holes_are_said_to_be_copies(folder):
    result = run()
    assert result.exit_code == 0
    assert result.stdout == (
        "2 pictures copied into new, none translated: no holes (give --mask, or make them transparent)\n"
    )


@pytest.mark.parametrize(
    ("there", "given", "complaint"),
    [
        ([], "masks", "old/a.png: needs one mask of its name, found no a.* in masks"),
        (["masks/a.bmp", "masks/a.webp"], "masks",
         "old/a.png: needs one mask of its name, found masks/a.bmp and masks/a.webp"),
        ([], "nowhere", "nowhere: no such file or folder"),
        (["old/masks/a.png"], "old/masks",
         "old/masks/a.png: is a mask, and in --src; keep masks in a folder of their own"),
        (["old/b.png"], "old/b.png", "old/b.png: is a mask, and in --src; keep masks in a folder of their own"),
        (["new/a.png"], "new",
         "new/a.png: the translation of old/a.png would overwrite this mask; choose another --dst"),
    ],
)  # fmt: skip
def test_masks_that_do_not_belong_are_refused_before_any_work(folder, there, given, complaint):
    Path("masks/a.png").unlink()
    Path("old/deep/b.jpg").unlink()
    for name in there:
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8)).save(name)
    result = run("--mask", given)
    assert type(result.exception).__name__ == "UsageError"
    assert str(result.exception) == complaint
    assert not (folder / "new" / "deep").exists()
    assert all(Image.open(name).size == (8, 8) for name in there)


def test_a_mask_of_another_size_costs_that_picture_alone(folder):
    Image.new("L", (4, 8)).save("masks/a.png")
    result = run("--mask", "masks")
    assert result.exit_code == 3
    assert (
        "not translated: old/a.png: its mask masks/a.png has 4×8 pixels, the picture 8×8; both must be equal\n"
        in result.stderr
    )
    assert Path("new/deep/b.jpg").exists()


def test_a_mask_that_cannot_be_read_is_named(folder):
    Path("masks/a.png").write_bytes(b"no picture")
    result = run("--mask", "masks")
    assert result.exit_code == 3
    assert "not translated: masks/a.png: " in result.stderr


def test_a_model_that_fills_nothing_refuses_a_mask(folder):
    result = run("--mask", "masks", plugin="enlarger")
    assert str(result.exception) == "--mask masks: enlarger fills no holes; leave it out, or take a model that does"
    assert not (folder / "new").exists()


def test_a_mask_without_pictures_is_refused(folder):
    result = CliRunner().invoke(translate, ["--plugin", "mender", "--count", "4", "--mask", "masks", "--dst", "new"])
    assert str(result.exception) == "--mask is for pictures that are translated: it needs --src DIR"
