"""Proof: `gatys` takes the style and leaves the content, in the eyes of a network that had no part in the painting."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from i2i import open_picture, to_tensor
from i2i.features import FeatureOptions, build_features

pytestmark = pytest.mark.prove
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
JUDGE = DATA / "weights" / "squeezenet1_1-torchvision-norm.pth"
COMPRESSED = DATA / "weights" / "vgg19-16x-distilled.pth"
PHOTO = DATA / "style" / "gatys" / "Tuebingen_Neckarfront.jpg"
STYLES = {
    "starry night": DATA / "style" / "gatys" / "vangogh_starry_night.jpg",
    "the scream": DATA / "style" / "neural-style" / "the_scream.jpg",
    "mosaic": DATA / "style" / "pytorch-examples" / "style" / "mosaic.jpg",
}
FEATURES = {"learned": "{use: learned}", "vgg19": f"{{use: vgg19, weights: {COMPRESSED}}}"}
SIDE = 512


def picture(path, side=SIDE):
    """(1, 3, H, W) with a longer side of `side` pixels."""
    image = open_picture(path)
    image.thumbnail((side, side))
    return to_tensor(image)[None].float() / 255


def grams(judge, image):
    """Gram matrices of all fire modules, which no recipe uses together."""
    maps = judge(image, list(judge.layers))
    return {name: torch.einsum("chw,dhw->cd", found[0], found[0]) / found[0, 0].numel() for name, found in maps.items()}


def distance(judge, image, style):
    """Mean over layers of ‖G − A‖² / ‖A‖²."""
    found, wanted = grams(judge, image), grams(judge, style)
    return float(
        torch.stack(
            [(found[name] - wanted[name]).square().sum() / wanted[name].square().sum() for name in wanted]
        ).mean()
    )


def edges(image):
    """(H · W,): how steep the luma is, seen through a blur of 5 pixels."""
    luma = F.avg_pool2d(image.mean(1, keepdim=True), 5, 1, 2)
    return (luma.diff(dim=2)[..., :-1].square() + luma.diff(dim=3)[..., :-1, :].square()).sqrt().flatten()


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("style", STYLES)
def test_the_style_is_taken_and_the_content_is_still_there(features, style, tmp_path):
    for file in (JUDGE, COMPRESSED, PHOTO, STYLES[style]):
        if not file.exists():
            pytest.skip(f"{file} is not here")
    photo = open_picture(PHOTO)
    photo.thumbnail((SIDE, SIDE))
    photo.save(tmp_path / "photo.png")
    given = [f"model.style={STYLES[style]}", f"model.features={FEATURES[features]}"]
    command = [sys.executable, "-m", "i2i", "translate", "--plugin", "gatys", "--src", "photo.png", "--dst", "out"]
    started = time.perf_counter()
    settings = [part for text in given for part in ("--set", text)]
    done = subprocess.run([*command, *settings], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seconds = time.perf_counter() - started

    judge = build_features(FeatureOptions(use="squeezenet1_1", weights=str(JUDGE)))
    judge.prepare()
    before, after, wanted = picture(PHOTO), picture(tmp_path / "out" / "photo.png"), picture(STYLES[style])
    untouched, taken = (distance(judge, image, wanted) for image in (before, after))
    kept = float(torch.corrcoef(torch.stack([edges(before), edges(after)]))[0, 1])
    print(
        f"\n{features}, {style}: Gram distance {untouched:.3f} → {taken:.3f} ({taken / untouched:.2f} of the photo's), "
        f"edges correlated {kept:.2f}, {seconds:.0f} s"
    )
    assert taken <= untouched / 2
    assert kept > 0.4


@pytest.mark.parametrize(
    ("scales", "adds"),
    [("a photo is painted smaller and enlarged", []), ("the canvas is the photo's size", [{"size": 4000, "steps": 1}])],
)
def test_a_photo_of_twelve_megapixels_takes_less_than_four_gibibytes(scales, adds, tmp_path):
    style = Image.effect_noise((300, 400), 80).convert("RGB")
    style.save(tmp_path / "style.png")
    Image.effect_noise((400, 300), 80).resize((4000, 3000)).convert("RGB").save(tmp_path / "photo.jpg")
    sizes = [{"size": size, "steps": 2} for size in (128, 256, 512, 1024)] + [
        {"optimizer": "adam", **add} for add in adds
    ]
    given = ["model.style=style.png", f"translate.scales={sizes}", *(["translate.tile=512"] if adds else [])]
    command = [sys.executable, "-m", "i2i", "translate", "--plugin", "gatys", "--src", "photo.jpg", "--dst", "out"]
    settings = [part for text in given for part in ("--set", text)]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *settings], cwd=tmp_path)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    assert Image.open(tmp_path / "out" / "photo.jpg").size == (4000, 3000)
    gibibytes = usage.ru_maxrss / 2**20
    print(f"\n4000×3000, {scales}: {gibibytes:.2f} GiB at most, {time.perf_counter() - started:.0f} s")
    assert gibibytes < 4
