"""Proof: a picture in tiles is what it is as a whole with exact norms, and shows no borders with quick ones."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from i2i import Geometry, Request, ResNetGenerator, initialise, load, open_picture, to_tensor
from i2i.inference.painting import of_thumbnail
from i2i.tiling.bands import assembled
from i2i.tiling.exact import painted, profiled
from i2i.tiling.layout import Layout
from i2i.tiling.recompute import recomputed, refined
from i2i.tiling.sample import blended_overlap, spread
from i2i.tiling.spill import spilled

pytestmark = pytest.mark.prove
DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
PHOTO = DATA / "style" / "gatys" / "Tuebingen_Neckarfront.jpg"
CANDY = DATA / "weights" / "fast-style-candy.pth"


@pytest.fixture(autouse=True)
def _without_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def photo():
    """(3, 576, 768)."""
    if not PHOTO.exists():
        pytest.skip(f"nothing at {PHOTO}")
    return to_tensor(open_picture(PHOTO).resize((768, 576), Image.Resampling.LANCZOS)).float() / 255


@pytest.fixture(scope="module")
def candy(tmp_path_factory):
    """A trained network of 15 instance norms and its geometry."""
    if not CANDY.exists():
        pytest.skip(f"nothing at {CANDY}")
    weights = tmp_path_factory.mktemp("candy") / "candy.safetensors"
    subprocess.run([sys.executable, "-m", "i2i", "import", CANDY, "--out", weights], check=True, capture_output=True)
    model = load(weights, device="cpu").model
    return lambda images: model.translate(images, Request()), model.geometry


@pytest.fixture(scope="module")
def resnet():
    """CycleGAN's generator of nine blocks and 23 instance norms, untrained."""
    torch.manual_seed(0)
    network = ResNetGenerator(9, 64, resize=False).eval()
    network.apply(initialise)
    sizes = {"multiple_of": network.multiple_of, "min_size": network.min_size, "margin": network.margin}
    return network, Geometry(**sizes, tiling="statistics")


class Computing:
    """Counts the pixels that a model is asked for."""

    def __init__(self, model, picture):
        self.model, self.picture, self.pixels = model, picture, 0

    def __call__(self, tiles):
        images = torch.stack([tile.outer.cut(self.picture) for tile in tiles])
        self.pixels += images[:, 0].numel()
        with torch.no_grad():
            return self.model(images)


def put_together(outputs, layout, feather=0):
    return torch.cat(list(assembled(outputs, layout, 1, feather)), 1)


def alone(compute, layout):
    """Each tile by its own norms."""
    return (compute([tile])[0] for tile in layout)


def apart(made, whole):
    """Mean and largest difference in 1/255."""
    difference = (made - whole).abs() * 255
    return float(difference.mean()), float(difference.max())


def steps(picture, layout):
    """How far neighbouring pixels are apart across the borders between inner boxes, as a multiple of elsewhere."""
    across, elsewhere = [], []
    for dimension, ends in (
        (1, {row[0].inner.top for row in layout.rows}),
        (2, {t.inner.left for t in layout.rows[0]}),
    ):
        found = picture.diff(dim=dimension).abs().mean([place for place in range(3) if place != dimension])
        at = torch.zeros(len(found), dtype=torch.bool)
        at[[end - 1 for end in ends if end]] = True
        across.append(found[at])
        elsewhere.append(found[~at])
    return float(torch.cat(across).mean() / torch.cat(elsewhere).mean())


@pytest.mark.parametrize(("network", "ways"), [("candy", "spilled recomputed refined"), ("resnet", "spilled refined")])
def test_exact_tiles_are_the_whole_picture(network, ways, photo, request, tmp_path):
    model, geometry = request.getfixturevalue(network)
    layout = Layout.of((576, 768), geometry, 384)
    began = time.perf_counter()
    whole = model(photo[None])[0]
    took = time.perf_counter() - began
    profile = profiled(Computing(model, photo), next(iter(layout)))
    naive = apart(put_together(alone(Computing(model, photo), layout), layout), whole)
    print(f"\n{network}, 768×576, {profile.looks} norms, {len(layout)} tiles of {layout.outer}: whole in {took:.0f} s")
    print(f"each tile by its own norms: {naive[0]:.1f}/255 off, {naive[1]:.0f} at most")
    for way in ways.split():
        compute = Computing(model, photo)
        began = time.perf_counter()
        if way == "spilled":
            outputs = spilled(compute, layout, tmp_path)
        elif way == "recomputed":
            outputs = painted(compute, layout, recomputed(compute, layout, profile.looks))
        else:
            sample = spread(layout.size, geometry, 4 * 128**2, side=128)
            outputs = painted(compute, layout, refined(compute, layout, sample, profile.looks))
        mean, most = apart(put_together(outputs, layout), whole)
        share = compute.pixels / photo[0].numel()
        print(f"{way}: {mean:.5f}/255 off, {most:.4f} at most, {share:.1f} × the pixels, ", end="")
        print(f"{time.perf_counter() - began:.0f} s")
        assert most <= 1
    assert naive[1] > 20


@pytest.mark.parametrize("network", ["candy", "resnet"])
def test_quick_tiles_show_no_borders(network, photo, request):
    model, geometry = request.getfixturevalue(network)
    overlap, feather = blended_overlap(geometry)
    layout = Layout.of((576, 768), geometry, 288, overlap)
    whole = model(photo[None])[0]
    found = Counter()
    compute = Computing(model, photo)
    small = F.interpolate(photo[None], (440, 588), mode="bilinear", antialias=True)  # `AT_LEAST` pixels
    statistics = of_thumbnail(lambda: model(small))
    made = {
        "each by its own norms": put_together(alone(compute, layout), layout),
        "by the picture's made smaller": put_together(painted(compute, layout, statistics), layout, feather),
    }
    print(f"\n{network}, 768×576, {len(layout)} tiles of {layout.outer}, overlap {overlap}, feather {feather}")
    for what, picture in made.items():
        found[what] = steps(picture, layout) / steps(whole, layout)
        mean, most = apart(picture, whole)
        print(f"{what}: {mean:.1f}/255 off, {most:.0f} at most; steps across borders {found[what]:.3f} × the whole's")
    assert found["by the picture's made smaller"] <= 1.05
    assert network == "resnet" or found["each by its own norms"] > 1.05  # that one is untrained
