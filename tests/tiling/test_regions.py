import pytest
import torch

from i2i import Geometry
from i2i.inference.fitting import fitted
from i2i.tiling.layout import Box, Layout
from i2i.tiling.regions import in_unit_range, region

GEOMETRIES = [
    Geometry(),
    Geometry(multiple_of=4, min_size=8),
    Geometry(multiple_of=16, min_size=48),
    Geometry(channels=1, multiple_of=3),
]


def levels(kind, channels, height, width):
    if kind == "uint8":
        return torch.randint(0, 256, (channels, height, width), dtype=torch.uint8)
    if kind == "uint16":
        return torch.randint(0, 65536, (channels, height, width), dtype=torch.int32).to(torch.uint16)
    return torch.rand(channels, height, width)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 2), (13, 17), (48, 33)])
def test_a_region_is_bit_for_bit_that_cut_of_the_fitted_picture(kind, geometry, channels, size):
    values = levels(kind, channels, *size)
    whole = fitted(in_unit_range(values), geometry)
    height, width = whole.shape[-2:]
    boxes = [Box(0, 0, height, width), Box(height // 2, width // 3, height - height // 2, width - width // 3)]
    boxes += [Box(height - 1, width - 1, 1, 1), Box(height // 3, 0, 1, width)]
    for box in boxes:
        assert torch.equal(region(values, box, geometry), box.cut(whole))


def test_every_tile_of_a_layout_is_a_cut_of_the_fitted_picture():
    geometry = Geometry(multiple_of=4, min_size=16, margin=3, tiling="margin")
    values = levels("uint8", 3, 37, 61)
    whole = fitted(in_unit_range(values), geometry)
    for tile in Layout.of(geometry.padded(37, 61), geometry, 20):
        assert torch.equal(region(values, tile.outer, geometry), tile.outer.cut(whole))


def test_only_the_part_becomes_float():
    from i2i.tiling.footprint import LiveBytes

    values = torch.zeros(3, 1000, 1000, dtype=torch.uint8)
    with LiveBytes() as live:
        region(values, Box(500, 500, 10, 10), Geometry())
    assert live.peak < 20_000


def test_a_model_of_one_size_has_no_regions():
    with pytest.raises(ValueError, match="a model of one size is given whole pictures"):
        region(torch.zeros(3, 8, 8), Box(0, 0, 4, 4), Geometry(size=(8, 8)))
