"""Proof: large pictures are translated in tiles within the memory that is given, and nobody sees where tiles meet.

The pictures are mosaics of real photos, or of drawn ones where there are none; no two parts of them are alike. They go
through `i2i translate --memory 3GB` while the memory that the process has of its own (`RssAnon` of /proc/PID/status) is
looked at all the time: 12,000×8,000 pixels through the generator of `cyclegan-light`, whose norms look at the whole
picture, 24 megapixels of it with exact norms, and 24 megapixels enlarged four times with the shipped weights of srgan.
Of a picture that also fits whole, both answers are compared.

I2I_PROVE_WEIGHTS names weights of a cyclegan, else they are random. I2I_PROVE_SHRINK divides the sides of the large
pictures and I2I_PROVE_MEMORY is what they get, for a try.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

import i2i
from i2i.tiling.layout import Layout
from i2i.tiling.memory import parsed, spelled
from i2i.tiling.sample import blended_overlap
from i2i.training.building import build_model

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(6 * 3600),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
SHRINK = int(os.environ.get("I2I_PROVE_SHRINK", "1"))
MEMORY = os.environ.get("I2I_PROVE_MEMORY", "3GB")
HUGE, LARGE = (12000 // SHRINK, 8000 // SHRINK), (6000 // SHRINK, 4000 // SHRINK)
"""(width, height)."""
BOTH_FIT, SIDE = (1920, 1280), 512
CELL, FADE = 448, 64
"""Pixels from one photo of a mosaic to the next, and over which they blend."""


@dataclass(frozen=True)
class Watched:
    """What became of a command."""

    code: int
    said: list
    anonymous: int
    """Bytes, at the most."""
    seconds: float

    @property
    def told(self):
        return f"{self.anonymous / 1e9:.2f} GB at most, {self.seconds:.0f} s"


def watched(*arguments):
    """Run the command line and look at its memory twenty times a second."""
    began, anonymous = time.monotonic(), 0
    line = [sys.executable, "-m", "i2i", *map(str, arguments)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        anonymous = max([anonymous, *(int(row.split()[1]) * 1024 for row in status.splitlines() if "RssAnon" in row)])
        time.sleep(0.05)
    said = process.stdout.read()
    print(f"\n{said}")
    return Watched(process.returncode, said.splitlines(), anonymous, time.monotonic() - began)


def photos():
    """Square photos (H, W, 3) of 512 pixels a side, and what they are."""
    real = sorted((DATA / "monet" / "photos-test").glob("*.jpg"))
    if real:
        side = (CELL + FADE, CELL + FADE)
        return [numpy.asarray(Image.open(path).convert("RGB").resize(side)) for path in real], "real photos"
    chance = numpy.random.default_rng(0)
    return [_drawn(chance) for _ in range(12)], "drawn pictures"


def _drawn(chance):
    """Clouds: noise of every size, the larger the stronger."""
    whole = numpy.zeros((CELL + FADE, CELL + FADE, 3))
    for level in range(2, 10):
        noise = Image.fromarray(chance.integers(0, 256, (2**level, 2**level, 3), numpy.uint8))
        whole += (numpy.asarray(noise.resize(whole.shape[:2], Image.Resampling.BICUBIC)) - 127.5) / 2 ** (level / 2)
    return (whole + 127.5).clip(0, 255).astype(numpy.uint8)


def mosaic(size, path, seed=0):
    """A picture of photos that blend into each other, each turned, mirrored, lightened and tinted by chance."""
    (width, height), chance = size, numpy.random.default_rng(seed)
    cells, kind = photos()
    ramp = (numpy.arange(FADE) + 0.5) / FADE
    window = numpy.concatenate([ramp, numpy.ones(CELL - FADE), ramp[::-1]])
    window = (window[:, None] * window)[:, :, None].astype(numpy.float32)
    across = -(-width // CELL)
    picture = numpy.empty((height, width, 3), numpy.uint8)
    rest = numpy.zeros((FADE, across * CELL + FADE, 3), numpy.float32)
    for top in range(0, height, CELL):
        strip = numpy.zeros((CELL + FADE, across * CELL + FADE, 3), numpy.float32)
        strip[:FADE] += rest
        for left in range(0, across * CELL, CELL):
            cell = numpy.rot90(cells[chance.integers(len(cells))], chance.integers(4))[:, :: chance.choice([-1, 1])]
            tint = chance.uniform(0.75, 1.15) * chance.uniform(0.95, 1.05, 3)
            strip[:, left : left + CELL + FADE] += window * (cell * tint).astype(numpy.float32)
        rest = strip[CELL:].copy()
        rows = picture[top : top + CELL]
        slope = 0.8 + 0.2 * numpy.cos(numpy.linspace(0, 5, width) + 3 * top / height)[None, :, None]
        rows[:] = (strip[: len(rows), :width] * slope).clip(0, 255)
    Image.fromarray(picture).save(path, compress_level=1)
    return kind


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("large")


@pytest.fixture(scope="module")
def weights(folder):
    """Of a cyclegan: (file, its geometry, what it is)."""
    catalog = i2i.discover()
    if given := os.environ.get("I2I_PROVE_WEIGHTS"):
        return Path(given), i2i.load(given, device="cpu").geometry, "trained weights"
    torch.manual_seed(0)
    recipe = i2i.load_recipe(catalog, "cyclegan-light")
    spec, model, path = recipe.model.entry.value, build_model(recipe.model), folder / "weights.safetensors"
    tensors = {key: tensor for key, tensor in model.state_dict().items() if key.split(".")[0] in spec.inference}
    versions = {"model_version": spec.version, "api_version": i2i.API_VERSION}
    i2i.Weights(recipe=recipe.as_dict(), tensors=tensors, step=0, **versions).save(path)
    return path, model.geometry, "random weights"


@pytest.fixture(scope="module")
def huge(folder):
    return folder / "huge.png", mosaic(HUGE, folder / "huge.png")


@pytest.fixture(scope="module")
def large(folder):
    return folder / "large.png", mosaic(LARGE, folder / "large.png", seed=1)


@pytest.fixture(autouse=True)
def _as_large_as_they_are(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)


def assert_within_memory(found, target, size):
    assert found.code == 0, found.said
    assert found.said[-1].startswith("1 of 1 pictures translated into "), found.said
    assert found.anonymous <= parsed(MEMORY), f"{spelled(found.anonymous)} of {MEMORY}"
    with Image.open(target) as image:
        assert image.size == size
        image.verify()
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == [".i2i-manifest.jsonl"]


@pytest.mark.parametrize("file_format", ["png", "tiff"])
def test_96_megapixels_through_norms_that_look_at_the_whole_picture(file_format, huge, weights, tmp_path, figure):
    picture, kind = huge
    arguments = ("--weights", weights[0], "--src", picture, "--dst", tmp_path, "--format", file_format)
    found = watched("translate", *arguments, "--memory", MEMORY)
    assert_within_memory(found, target := next(tmp_path.glob("huge.*")), HUGE)
    what = f"{HUGE[0]}×{HUGE[1]} pixels of {kind}, {weights[2]}, {file_format}"
    figure(f"{what}: {found.told}, a file of {spelled(target.stat().st_size)}")


def test_24_megapixels_with_exact_norms(large, weights, tmp_path, figure):
    picture, kind = large
    arguments = ("--weights", weights[0], "--src", picture, "--dst", tmp_path, "--tile-norms", "exact")
    found = watched("translate", *arguments, "--memory", MEMORY)
    assert_within_memory(found, tmp_path / "large.png", LARGE)
    told = [line for line in found.said if line.startswith("exact norms, ")]
    assert len(told) == 1, found.said
    figure(f"{LARGE[0]}×{LARGE[1]} pixels of {kind}, {weights[2]}: {found.told}; told before: {told[0]}")


@pytest.mark.parametrize("file_format", ["png", "tiff"])
def test_24_megapixels_enlarged_four_times(file_format, large, tmp_path, figure):
    picture, kind = large
    arguments = ("--plugin", "srresnet-compact", "--src", picture, "--dst", tmp_path, "--format", file_format)
    found = watched("translate", *arguments, "--memory", MEMORY)
    size = 4 * LARGE[0], 4 * LARGE[1]
    assert_within_memory(found, target := next(tmp_path.glob("large.*")), size)
    what = f"{LARGE[0]}×{LARGE[1]} pixels of {kind} to {size[0]}×{size[1]}, {file_format}"
    figure(f"{what}: {found.told}, a file of {spelled(target.stat().st_size)}")


def levels(path):
    with Image.open(path) as image:
        return numpy.asarray(image.convert("RGB")).astype(int)


def translated(picture, destination, *arguments):
    found = watched("translate", *arguments, "--src", picture, "--dst", destination)
    assert found.code == 0, found.said
    return levels(destination / picture.name)


def steps(picture, layout, feather):
    """Mean steps between neighbours across the tiles' borders, and where tiles blend beside them: of that elsewhere."""
    places = [{tile.inner.top for tile in layout} - {0}, {tile.inner.left for tile in layout} - {0}]
    found = [[], [], []]
    for axis, borders in enumerate(places):
        differences = numpy.abs(numpy.diff(picture, axis=axis)).mean(axis=(2, 1 - axis))
        kind = numpy.full(len(differences), 2)
        for border in borders:
            kind[border - feather // 2 : border + feather // 2] = 1
            kind[border - 1] = 0
        for number, gathered in enumerate(found):
            gathered.extend(differences[kind == number])
    across, blended, elsewhere = (numpy.mean(gathered) for gathered in found)
    return across / elsewhere, blended / elsewhere


@pytest.fixture(scope="module")
def both_fit(folder):
    return folder / "both-fit.png", mosaic(BOTH_FIT, folder / "both-fit.png", seed=2)


@pytest.fixture(scope="module")
def untiled(both_fit, weights, folder):
    return translated(both_fit[0], folder / "untiled", "--weights", weights[0], "--tile", max(BOTH_FIT))


def test_exact_norms_give_what_comes_out_without_tiles(both_fit, untiled, weights, tmp_path, figure):
    exact = translated(both_fit[0], tmp_path, "--weights", weights[0], "--tile", SIDE, "--tile-norms", "exact")
    difference = numpy.abs(exact - untiled)
    what = f"{BOTH_FIT[0]}×{BOTH_FIT[1]} pixels in tiles of {SIDE}, exact norms, {weights[2]}"
    figure(f"{what}: {(difference > 0).mean():.3%} of levels differ, by {difference.max()} at most")
    assert difference.max() <= 1
    assert untiled.std() > 10


def test_quick_norms_show_no_border(both_fit, untiled, weights, tmp_path, figure):
    quick = translated(both_fit[0], tmp_path, "--weights", weights[0], "--tile", SIDE)
    geometry = weights[1]
    overlap, feather = blended_overlap(geometry)
    layout = Layout.of(geometry.padded(*BOTH_FIT[::-1]), geometry, SIDE, overlap)
    assert len(layout) > 1
    across, blended = steps(quick, layout, feather)
    content = steps(untiled, layout, feather)
    difference = numpy.abs(quick - untiled)
    figure(
        f"{BOTH_FIT[0]}×{BOTH_FIT[1]} pixels in {len(layout)} tiles of {SIDE}, quick norms, {weights[2]}: the mean "
        f"step between neighbours is {across:.3f} of that elsewhere across borders, {blended:.3f} where tiles blend "
        f"({content[0]:.3f} and {content[1]:.3f} at the same places without tiles); the picture is "
        f"{difference.mean():.2f} levels from that without tiles in the mean, {numpy.quantile(difference, 0.99):.0f} "
        "or less in 99 %"
    )
    assert across <= 1.05 * max(1, content[0])
    assert blended <= 1.05 * max(1, content[1])


def test_tiles_with_the_models_margin_give_what_comes_out_without_them(folder, tmp_path, figure):
    size, arguments = (BOTH_FIT[0] // 2, BOTH_FIT[1] // 2), ("--plugin", "srresnet-compact")
    mosaic(size, picture := folder / "half.png", seed=3)
    whole = translated(picture, tmp_path / "whole", *arguments, "--tile", max(size))
    tiled = translated(picture, tmp_path / "tiled", *arguments, "--tile", 200)
    difference = numpy.abs(tiled - whole)
    what = f"{size[0]}×{size[1]} pixels enlarged four times in tiles of 200"
    figure(f"{what}: {(difference > 0).mean():.4%} of levels differ, by {difference.max()} at most")
    assert difference.max() <= 1
