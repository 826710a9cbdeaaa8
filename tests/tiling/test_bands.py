import pytest
import torch
from torch import nn

from i2i import Geometry
from i2i.inference.fitting import apply, restored
from i2i.tiling.bands import assembled, line_bytes
from i2i.tiling.footprint import LiveBytes
from i2i.tiling.layout import Layout, smallest_side
from i2i.tiling.regions import region


class Shuffled(nn.Sequential):
    """Two 3×3 convolutions and a pixel shuffle: each output sees two pixels around."""

    def __init__(self, scale):
        torch.manual_seed(0)
        convolutions = nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3 * scale**2, 3, padding=1)
        super().__init__(*convolutions, nn.PixelShuffle(scale), nn.Sigmoid())
        self.geometry = Geometry(scale=scale, margin=2, tiling="margin")


class Strided(nn.Sequential):
    """Down to a half or a quarter and back: where a tile begins matters."""

    def __init__(self, unit, least):
        torch.manual_seed(0)
        layers = [nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")]
        for _ in range(unit.bit_length() - 1):
            layers += [nn.Tanh(), nn.Conv2d(4, 4, 3, stride=2, padding=1)]
        for _ in range(unit.bit_length() - 1):
            layers += [nn.Tanh(), nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)]
        super().__init__(*layers, nn.Conv2d(4, 3, 3, padding=1), nn.Sigmoid())
        self.geometry = Geometry(multiple_of=unit, min_size=least, margin=2 + 3 * (unit - 1), tiling="margin")


def untiled(model, picture):
    with torch.no_grad():
        return apply(model, [picture], model.geometry)[0]


def tiled(model, picture, side, overlap=None, feather=0):
    geometry = model.geometry
    size = picture.shape[-2:]
    layout = Layout.of(geometry.padded(*size), geometry, side, overlap)
    with torch.no_grad():
        outputs = (model(region(picture, tile.outer, geometry)[None])[0] for tile in layout)
        whole = torch.cat(list(assembled(outputs, layout, geometry.scale, feather)), dim=1)
    assert whole.shape == (3, *(length * geometry.scale for length in layout.size))
    return restored(whole, size, geometry), len(layout)


def farthest(one, other):
    return (one - other).abs().max().item()


@pytest.mark.parametrize("feather", [0, 4])
@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (9, 33), (41, 37), (64, 64)])
def test_tiles_that_overlap_by_the_margin_equal_the_whole_picture(size, scale, feather):
    model, picture = Shuffled(scale), torch.rand(3, *size)
    overlap = model.geometry.margin + feather // 2  # fades too lie where both tiles are right
    for side in (2 * overlap + 5, 17, 64):
        answer, _ = tiled(model, picture, side, overlap, feather)
        assert farthest(answer, untiled(model, picture)) < 1e-6


def test_so_they_do_at_every_small_size():
    model = Shuffled(2)
    for height in range(1, 17):
        for width in range(1, 17):
            picture = torch.rand(3, height, width)
            answer, _ = tiled(model, picture, 5)
            assert farthest(answer, untiled(model, picture)) < 1e-6, (height, width)


@pytest.mark.parametrize("feather", [0, 8])
@pytest.mark.parametrize(("unit", "least"), [(2, 1), (4, 16), (8, 8), (8, 40)])
@pytest.mark.parametrize("size", [(3, 5), (1, 130), (63, 64), (99, 47)])
def test_so_they_do_where_the_network_halves_pictures(unit, least, size, feather):
    model, picture = Strided(unit, least), torch.rand(3, *size)
    overlap = model.geometry.margin + feather // 2
    smallest = smallest_side(model.geometry, overlap)
    for side in (smallest + model.geometry.multiple_of, smallest + 9):
        answer, count = tiled(model, picture, side, overlap, feather)
        assert count > 1 or max(model.geometry.padded(*size)) <= side
        assert farthest(answer, untiled(model, picture)) < 1e-6


def test_so_they_do_where_a_network_takes_large_multiples_alone():
    model = Shuffled(1)
    model.geometry = Geometry(multiple_of=64, min_size=64, margin=2, tiling="margin")
    picture = torch.rand(3, 200, 290)
    answer, count = tiled(model, picture, smallest_side(model.geometry))
    assert count == 2 * 3
    assert farthest(answer, untiled(model, picture)) < 1e-6


@pytest.mark.parametrize("model", [Shuffled(2), Strided(4, 1)], ids=["shuffled", "strided"])
def test_an_overlap_below_the_margin_is_seen(model):
    picture = torch.rand(3, 61, 67)
    for overlap in (0, 1):
        if model.geometry.multiple_of == 1 or overlap == 0:
            answer, _ = tiled(model, picture, 24, overlap)
            assert farthest(answer, untiled(model, picture)) > 1e-3


class Unequal(nn.Module):
    """Makes each tile lighter than the one before, which is the worst that a too small overlap can do."""

    geometry = Geometry(tiling="margin")

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, pictures):
        self.calls += 1
        return pictures + 0.05 * self.calls


@pytest.mark.parametrize("overlap", [4, 8])
def test_feathered_borders_have_no_step(overlap):
    grey = torch.zeros(3, 50, 70)
    hard, _ = tiled(Unequal(), grey, 32, overlap)
    soft, _ = tiled(Unequal(), grey, 32, overlap, feather=8)
    for dimension in (1, 2):
        step = hard.diff(dim=dimension).abs().max()
        assert step > 0.04
        assert soft.diff(dim=dimension).abs().max() <= step / 8 + 1e-6
    assert soft.min() >= hard.min() - 1e-6
    assert soft.max() <= hard.max() + 1e-6


def test_a_feather_reaches_no_farther_than_both_tiles_do():
    soft, _ = tiled(Unequal(), torch.zeros(3, 40, 1), 24, overlap=2, feather=1000)
    steps = soft[0, :, 0].diff()
    assert (steps != 0).sum() <= 2 * 8 + 1
    hard, _ = tiled(Unequal(), torch.zeros(3, 40, 1), 24, overlap=0, feather=1000)
    assert (hard[0, :, 0].diff() != 0).sum() >= 1


def test_where_tiles_agree_feathers_change_nothing():
    picture = torch.rand(3, 50, 70)
    answer, count = tiled(Keeping(), picture, 20, overlap=4, feather=7)
    assert count > 9
    assert torch.equal(answer, picture)


class Keeping(nn.Identity):
    geometry = Geometry(tiling="margin")


def test_bands_come_before_the_tiles_below_them_are_asked_for():
    layout = Layout.of((60, 50), Keeping.geometry, 20, overlap=4)
    asked = []

    def outputs():
        for tile in layout:
            asked.append(tile.row)
            yield torch.zeros(1, tile.outer.height, tile.outer.width)

    bands = assembled(outputs(), layout, 1, feather=4)
    heights = []
    for row, band in enumerate(bands):
        heights.append(band.shape[1])
        assert max(asked) == row
    assert sum(heights) == 60


def test_no_more_than_a_band_is_held():
    layout = Layout.of((2000, 60), Keeping.geometry, 64, overlap=8)
    height, width = layout.outer

    with LiveBytes() as live:
        for band in assembled((torch.zeros(3, height, width) for _ in layout), layout, 1, feather=8):
            assert band.shape[2] == 60
    whole = 3 * 2000 * 60 * 4
    assert live.peak <= line_bytes(60, 1) * height + 3 * height * width * 4 * 2 < whole / 2


def test_too_few_outputs_are_noticed():
    layout = Layout.of((60, 60), Keeping.geometry, 20)
    with pytest.raises(ValueError, match="shorter"):
        list(assembled([torch.zeros(3, 20, 20)] * 4, layout, 1))
