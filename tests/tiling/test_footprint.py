import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from i2i import Geometry, I2IError
from i2i.tiling.footprint import LARGEST, SAFETY, SLACK, Footprint, measured, side_for, useful_side
from i2i.tiling.live import LiveBytes

CPU = torch.device("cpu")
MARGIN = Geometry(margin=10, tiling="margin")


def child(script, *arguments):
    """What a process of its own prints as JSON."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_live_bytes_are_those_of_new_storages_as_long_as_they_live():
    old = torch.ones(1000)
    with LiveBytes() as live:
        old.view(10, 100).add_(1)
        assert live.now == 0
        new = torch.zeros(10)
        kept = new[3:].reshape(7, 1)
        assert live.now == 40
        del new
        assert live.now == 40
        del kept
        assert live.now == 0
        (torch.zeros(100) + 1).sum()
    assert live.peak == 800


def test_weights_do_not_count_and_their_casts_do():
    layer = nn.Linear(100, 100, bias=False).requires_grad_(False)
    with LiveBytes() as live:
        layer.weight.t().detach()
    assert live.peak == 0
    with LiveBytes() as live:
        layer.weight.to(torch.bfloat16)
    assert live.peak == 20_000


PEAK = """
import json, sys, torch
from pathlib import Path
from i2i.tiling.live import LiveBytes
from i2i.tiling.memory import settle, trim

def status(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

settle()
layers = {
    "in": torch.nn.Conv2d(3, 64, 7),
    "within": torch.nn.Conv2d(48, 48, 3),
    "out": torch.nn.Conv2d(64, 3, 7),
    "up": torch.nn.ConvTranspose2d(64, 32, 3, 2, 1, 1),
    "weights last": torch.nn.Conv2d(64, 64, 3).to(memory_format=torch.channels_last),
    "all last": torch.nn.Conv2d(64, 64, 3).to(memory_format=torch.channels_last),
}
found = {}
for name, layer in layers.items():
    def compute(side):
        picture = torch.rand(1, layer.in_channels, side, side)
        if name == "all last":
            picture = picture.to(memory_format=torch.channels_last)
        layer.requires_grad_(False)(picture)
    compute(64)
    trim()
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = status("VmRSS")
    compute(384)
    found[name] = [status("VmHWM") - before]
    with LiveBytes() as live:
        compute(384)
    found[name].append(live.peak)
print(json.dumps(found))
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="measures by /proc/self/clear_refs")
def test_what_is_counted_is_what_convolutions_take():
    for name, (taken, counted) in child(PEAK).items():
        assert 0.7 * counted < taken < counted + 8 * 2**20, name


def test_a_footprint_is_a_line_over_the_pixels():
    table = torch.zeros(1000)

    def compute(height, width):
        own = table + 1
        picture = torch.zeros(1, 3, height, width)
        return picture + own.mean()

    footprint = measured(compute, CPU, MARGIN)
    assert footprint.per_pixel == pytest.approx(2 * 3 * 4 * SAFETY)
    assert footprint.fixed == pytest.approx(SLACK + SAFETY * (4000 + 4), abs=SAFETY * 10)
    assert footprint.of(10, 20, batch=3) == pytest.approx(footprint.fixed + 600 * footprint.per_pixel, abs=1)


def test_what_two_small_tiles_take_tells_what_a_large_one_takes():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 8, 7), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1, output_padding=1), nn.ReLU(), nn.Conv2d(8, 3, 1),
    )  # fmt: skip

    def compute(height, width):
        with torch.no_grad():
            return model(torch.zeros(1, 3, height, width))

    footprint = measured(compute, CPU, Geometry(multiple_of=2))
    with LiveBytes() as live:
        compute(400, 300)
    assert live.peak <= (footprint.of(400, 300) - SLACK) / SAFETY <= 1.1 * live.peak


def test_the_model_is_tried_on_sizes_that_it_takes():
    sides = []

    def compute(height, width):
        sides.append((height, width))
        return torch.zeros(height, width)

    measured(compute, CPU, Geometry(multiple_of=48, min_size=50))
    measured(compute, CPU, Geometry(multiple_of=256, min_size=256))
    assert sides == [(96, 96), (96, 96), (192, 192), (256, 256), (256, 256), (512, 512)]


def test_what_a_model_sets_up_once_is_no_part_of_it():
    held = []

    def compute(height, width):
        if not held:
            held.append(torch.zeros(10**6))
        return torch.zeros(height, width)

    footprint = measured(compute, CPU, MARGIN)
    assert footprint == Footprint(SLACK, 4 * SAFETY)


def test_the_largest_tile_that_fits_is_taken():
    geometry = Geometry(multiple_of=8, margin=10, tiling="margin")
    footprint = Footprint(1000, 2)
    for available in (6_000, 50_000, 500_000, 5_000_000):
        side = side_for(footprint, available, geometry)
        assert side % 8 == 0
        assert footprint.of(side, side) <= available < footprint.of(side + 8, side + 8)
    assert side_for(footprint, 10**9, geometry) == LARGEST
    assert side_for(footprint, 10**9, Geometry(multiple_of=300)) == 1800


def test_the_band_that_tiles_are_laid_into_counts_too():
    footprint = Footprint(0, 1)
    assert side_for(footprint, 10_000, MARGIN) == 100
    assert side_for(footprint, 10_000, MARGIN, line=150) == 50  # 50 · 50 + 150 · 50


@pytest.mark.parametrize(
    ("geometry", "overlap", "side"),
    [
        (MARGIN, None, 30),
        (MARGIN, 0, 1),
        (Geometry(multiple_of=4, margin=87), None, 264),
        (Geometry(multiple_of=256, min_size=256, margin=765), 32, 768),
        (Geometry(multiple_of=4, min_size=64, margin=1), None, 64),
    ],
)
def test_a_tile_is_of_use_where_a_third_of_it_is_its_own(geometry, overlap, side):
    assert useful_side(geometry, overlap) == side


def test_too_little_memory_is_told_with_what_is_missing():
    footprint = Footprint(10 * 10**6, 1000)
    geometry = Geometry(multiple_of=4, margin=87, tiling="statistics")
    needed = footprint.of(264, 264)
    assert side_for(footprint, needed, geometry) == 264
    with pytest.raises(I2IError) as refused:
        side_for(footprint, needed - 10_000_000, geometry)
    assert str(refused.value) == (
        "memory: tiles of 264×264 pixels, the smallest that are of use, take 80MB and "
        "the budget is 10MB short of it; raise --memory, or take a smaller model"
    )
    assert side_for(footprint, needed - 10_000_000, geometry, overlap=16) > 200


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_its_own_count_is_taken():
    device = torch.device("cuda")
    footprint = measured(lambda height, width: torch.zeros(4, height, width, device=device) + 1, device, MARGIN)
    assert footprint.per_pixel == pytest.approx(2 * 16 * SAFETY, rel=0.1)


LARGE_PICTURE = """
import json, sys, threading, time
import torch
from i2i import Geometry
from i2i.tiling.bands import assembled, line_bytes
from i2i.tiling.footprint import measured, side_for
from i2i.tiling.layout import Layout
from i2i.tiling.memory import anonymous, settle, trim
from i2i.tiling.regions import region

height, width, budget = map(int, sys.argv[1:])
geometry = Geometry(scale=2, margin=2, tiling="margin")
convolutions = torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(32, 12, 3, padding=1)
model = torch.nn.Sequential(*convolutions, torch.nn.PixelShuffle(2)).requires_grad_(False)
settle()
picture = torch.randint(0, 256, (3, height, width), dtype=torch.uint8)
footprint = measured(lambda h, w: model(torch.zeros(1, 3, h, w)), torch.device("cpu"), geometry)
trim()
side = side_for(footprint, budget, geometry, line=line_bytes(width, 2))
layout = Layout.of((height, width), geometry, side)
before = most = anonymous()
done = False

def watch():
    global most
    while not done:
        most = max(most, anonymous())
        time.sleep(0.0005)

watcher = threading.Thread(target=watch)
watcher.start()
lines = 0
for band in assembled((model(region(picture, tile.outer, geometry)[None])[0] for tile in layout), layout, 2):
    lines += band.shape[1]
done = True
watcher.join()
print(json.dumps([side, len(layout), lines, most - before, footprint.of(height, width)]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="watches /proc")
def test_a_picture_far_larger_than_the_memory_given_stays_inside_it():
    budget = 60 * 10**6
    side, tiles, lines, taken, whole = child(LARGE_PICTURE, 1200, 700, budget)
    assert tiles > 4
    assert lines == 2400
    assert whole > 4 * budget
    assert taken <= budget
    assert taken > footprint_of_tensors(side)


def footprint_of_tensors(side):
    """What the tile's widest layer alone takes: the watcher was awake."""
    return 32 * 4 * side * side
