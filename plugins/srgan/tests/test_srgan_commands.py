"""The commands of the README, each in a process of its own, on real files."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image

import i2i

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
SET5 = SHARED / "sr" / "Set5" / "image_SRF_4"
T91 = SHARED / "sr" / "T91"
SMALL = [
    part for text in ("model.blocks=1", "model.width=8", "dataset.crop=32", "run.batch=2") for part in ("--set", text)
]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command(python: str) -> Run:
    """`command(*words, cwd=folder)`: the command line."""

    def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        words = [python, "-m", "i2i", *map(str, arguments)]
        return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)

    return run


def measured(command: Run, cwd: Path, *arguments: str | Path) -> dict[str, dict[str, float]]:
    done = command("evaluate", *arguments, "--lpips", "none", "--json", "-", cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["metrics"]


def needed(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"no pictures at {folder}")
    return folder


@pytest.fixture(scope="module")
def shipped() -> i2i.Translator:
    recipe = i2i.load_recipe(i2i.discover(), "srgan")
    assert recipe.weights is not None
    return i2i.load(recipe.weights)


@pytest.mark.parametrize(
    ("name", "scale", "least", "similarity", "bicubic"),
    [("srgan", 4, 31.0, 0.875, 28.42), ("srresnet-compact-x2", 2, 36.5, 0.95, 33.64)],
)
def test_shipped_weights_are_far_better_than_bicubic(
    tmp_path: Path, name: str, scale: int, least: float, similarity: float, bicubic: float, command: Run
) -> None:
    folder = needed(SHARED / "sr" / "Set5" / f"image_SRF_{scale}")
    done = command("translate", "--plugin", name, "--src", folder, "--glob", "*_LR.png", "--dst", "big", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "5 of 5 pictures translated into big\n"), done.stderr
    found = measured(command, tmp_path, "--pred", "big", "--target", folder, "--match", "_LR=_HR", "--src", folder)
    assert found["psnr_y"]["bicubic"] == pytest.approx(bicubic, abs=0.01)
    assert found["psnr_y"]["mean"] >= least
    assert found["ssim_y"]["mean"] >= similarity


def test_eight_ways_are_better_than_one(tmp_path: Path, command: Run) -> None:
    folder = needed(SET5)
    common = ("--plugin", "srgan", "--src", folder, "--glob", "*3_*_LR.png", "--target", folder, "--match", "_LR=_HR")
    once, eight = (measured(command, tmp_path, *common, *flag)["psnr_y"]["mean"] for flag in ([], ["--self-ensemble"]))
    assert eight > once + 0.02


def test_stage_two_follows_stage_one_and_translates(tmp_path: Path, command: Run) -> None:
    pictures = needed(T91)
    common = ("--src", pictures, "--steps", "2", *SMALL)
    first = command("fit", "--plugin", "srresnet", *common, "--out", "a", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    discriminator = ("--set", "model.discriminator_width=8", "--set", "losses.content.features.use=random")
    second = command("fit", "--plugin", "srgan", "--init", "a", *common, *discriminator, "--out", "b", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    low = sorted(needed(SET5).glob("*_LR.png"))[0]
    done = command("translate", "--plugin", "srgan", "--run", "b", "--src", low, "--dst", "big", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    width, height = Image.open(low).size
    assert Image.open(tmp_path / "big" / low.name).size == (4 * width, 4 * height)


def test_a_scale_that_the_weights_do_not_have_is_refused_with_the_recipe_that_does(
    tmp_path: Path, command: Run
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    done = command("translate", "--plugin", "srgan", "--scale", "2", "--src", "a.png", "--dst", "o", cwd=tmp_path)
    assert done.returncode == 2
    assert "--scale 2: srresnet-compact enlarges ×4" in done.stderr
    assert "--plugin srresnet-compact-x2" in done.stderr


def test_a_crop_larger_than_every_picture_is_learned_from_all_the_same(tmp_path: Path, command: Run) -> None:
    (tmp_path / "tiny").mkdir()
    Image.new("RGB", (20, 9), "teal").save(tmp_path / "tiny" / "a.png")
    done = command("fit", "--plugin", "srresnet", "--src", "tiny", "--steps", "1", "--out", "r", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_crop_that_cannot_be_divided_is_one_line(tmp_path: Path, command: Run) -> None:
    (tmp_path / "tiny").mkdir()
    Image.new("RGB", (20, 9), "teal").save(tmp_path / "tiny" / "a.png")
    done = command("fit", "--plugin", "srresnet", "--src", "tiny", "--set", "model.scale=3", "--set", "dataset.crop=97",
                   "--out", "r", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "Error: dataset: crop 97 cannot be divided by the scale, 3; 96 can\n"
    assert not (tmp_path / "r").exists()


def test_grey_stays_grey_and_16_bits_stay_16(shipped: i2i.Translator, tmp_path: Path) -> None:
    ramp = numpy.linspace(0, 65535, 24 * 24).reshape(24, 24)
    Image.fromarray((ramp / 257).astype(numpy.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(ramp.astype(numpy.uint16)).save(tmp_path / "deep.png")
    grey, deep = shipped.translate([tmp_path / "grey.png", tmp_path / "deep.png"])
    assert (grey.mode, grey.size) == ("L", (96, 96))
    assert (deep.mode, deep.size) == ("I;16", (96, 96))
    assert len(numpy.unique(numpy.asarray(deep))) > 2000
    assert numpy.abs(numpy.asarray(deep) / 257 - numpy.asarray(grey)).max() < 2


def test_transparency_is_enlarged_with_the_picture(shipped: i2i.Translator) -> None:
    disc = numpy.hypot(*(numpy.mgrid[:24, :24] - 11.5)) < 8
    pixels = numpy.zeros((24, 24, 4), numpy.uint8)
    pixels[disc] = (250, 200, 40, 255)
    large = numpy.asarray(shipped.translate(Image.fromarray(pixels)))
    assert large.shape == (96, 96, 4)
    share = (large[..., 3] / 255).mean()
    assert share == pytest.approx(disc.mean(), rel=0.05)
    seen = large[large[..., 3] > 0][:, :3].astype(int)
    assert numpy.abs(seen - (250, 200, 40)).max() <= 12  # no dark rim


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (5, 1)])
def test_pictures_of_a_few_pixels_become_larger_too(shipped: i2i.Translator, size: tuple[int, int]) -> None:
    assert shipped.translate(Image.new("RGB", size, "teal")).size == (4 * size[0], 4 * size[1])
