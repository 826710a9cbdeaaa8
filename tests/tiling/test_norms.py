"""Norms in tiles: found by their calls, answered by the moments of the whole picture."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from i2i.contracts.geometry import Geometry
from i2i.errors import I2IError
from i2i.networks import layers
from i2i.tiling.layout import Box, Layout, Tile
from i2i.tiling.moments import Moments, inner_moments, inner_places, together
from i2i.tiling.norms import Fixed, Met
from i2i.tiling.sample import corrected, spread

SIZE = (96, 80)
GEOMETRY = Geometry(multiple_of=4, min_size=8, margin=16, tiling="statistics")
LAYOUT = Layout.of(SIZE, GEOMETRY, 48)


class AdaptiveStyle(nn.Module):
    """Adaptive instance norm made of a mean and a standard deviation."""

    def forward(self, maps):
        mean, deviation = maps.mean((2, 3), keepdim=True), maps.std(dim=(-1, -2), keepdim=True)
        return (maps - mean) / (deviation + 1e-5) * 0.7 + 0.2


class OverLayer(nn.Module):
    """Layer norm over channels and places, made of a variance and a mean."""

    def forward(self, maps):
        variance, mean = torch.var_mean(maps, [1, 2, 3], correction=0)
        return (maps - mean[:, None, None, None]) * (variance[:, None, None, None] + 1e-5).rsqrt()


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())

    def forward(self, maps):
        return maps * self.weights(maps)


class Standardised(nn.Conv2d):
    """A convolution that takes the mean out of its weights, in the way that maps are averaged."""

    def forward(self, maps):
        return F.conv2d(maps, self.weight - self.weight.mean((2, 3), keepdim=True), self.bias, padding=1)


class Twice(nn.Module):
    """One norm called at two depths."""

    def __init__(self):
        super().__init__()
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.convolution = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, maps):
        return self.norm(self.convolution(self.norm(maps)) + maps)


class Functional(nn.Module):
    """Whatever function it is given."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, maps):
        return self.function(maps)


NORMS = {
    "instance norm": lambda: nn.InstanceNorm2d(8, affine=True),
    "instance norm as group norm": lambda: layers.InstanceNorm(8, affine=True),
    "group norm": lambda: nn.GroupNorm(2, 8),
    "group norm by torch": lambda: Functional(lambda maps: torch.group_norm(maps, 4)),
    "instance norm by torch": lambda: Functional(
        lambda maps: torch.instance_norm(maps, None, None, None, None, True, 0.1, 1e-3, False)
    ),
    "layer norm over all": lambda: Functional(lambda maps: F.layer_norm(maps, maps.shape[1:])),
    "mean and deviation": AdaptiveStyle,
    "variance and mean of all channels": OverLayer,
    "a pooled gate": Gate,
    "a norm called twice": Twice,
    "variance without a correction": lambda: Functional(
        lambda maps: maps / (maps.var((2, 3), unbiased=False, keepdim=True) + 1).sqrt()
    ),
    "mean of channels and places": lambda: Functional(lambda maps: maps - maps.mean((1, 2, 3))[:, None, None, None]),
    "running statistics": lambda: nn.InstanceNorm2d(8, track_running_stats=True).eval(),
    "standardised weights": lambda: Standardised(8, 8, 3),
}


def network(norm, seed=0):
    """(B, 3, H, W) → the same size, over maps of half the size with a norm at each of three depths."""
    torch.manual_seed(seed)
    first = [nn.Conv2d(3, 8, 3, padding=1), norm(), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), norm()]
    last = [nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1), norm(), nn.Conv2d(8, 3, 3, padding=1)]
    made = nn.Sequential(*first, nn.ReLU(), *last)
    for parameter in made.parameters():
        nn.init.normal_(parameter, 0.1, 0.4)
    return made.eval()


def picture(size=SIZE):
    """(3, H, W): light and colours change over it, so that no tile is like another."""
    noise = torch.rand(3, *size, generator=torch.Generator().manual_seed(1))
    return noise * torch.linspace(0.1, 1, size[0])[:, None] * torch.linspace(1, 0.3, size[1])


def computing(model, image):
    return lambda tiles: model(torch.stack([tile.outer.cut(image) for tile in tiles]))


def put_together(outputs, layout=LAYOUT):
    whole = torch.full((3, *layout.size), torch.nan)
    for tile, output in zip(layout, outputs, strict=True):
        tile.inner.cut(whole)[:] = tile.share.cut(output)
    return whole


def of_whole(model, image):
    """The moments of each look at a picture in one piece, by the machinery for one tile."""
    box = Box(0, 0, *image.shape[-2:])
    return corrected(computing(model, image), [Tile(box, box, 0, 0)], None)[0]


def in_tiles(model, image, statistics, layout=LAYOUT):
    outputs = []
    for tile in layout:
        with Fixed(statistics):
            outputs.append(computing(model, image)([tile])[0])
    return put_together(outputs, layout)


def farthest(made, expected):
    """The largest difference, as a share of the largest number."""
    return float((made - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("norm", NORMS)
def test_tiles_that_know_the_moments_of_the_whole_make_the_same_picture(norm):
    model, image = network(NORMS[norm]), picture()
    with torch.no_grad():
        expected = model(image[None])[0]
        statistics = of_whole(model, image)
        made = in_tiles(model, image, statistics)
        alone = put_together(computing(model, image)([tile])[0] for tile in LAYOUT)
    assert farthest(made, expected) < 1e-4
    if statistics:
        assert farthest(alone, expected) > 0.01  # or else this test proves nothing


@pytest.mark.parametrize(
    ("norm", "count"),
    [("instance norm", 3), ("a norm called twice", 6), ("mean and deviation", 6), ("a pooled gate", 3)],
)
def test_each_call_is_a_look(norm, count):
    with torch.no_grad():
        assert len(of_whole(network(NORMS[norm]), picture())) == count


@pytest.mark.parametrize("norm", ["running statistics", "standardised weights"])
def test_what_looks_at_no_whole_picture_is_left_alone(norm):
    with torch.no_grad():
        assert of_whole(network(NORMS[norm]), picture()) == ()


def test_the_moments_of_a_layout_are_those_of_the_whole():
    model, image = network(NORMS["group norm"]), picture()
    found = []
    with torch.no_grad():
        expected = of_whole(model, image)

        def answer(place, look):
            met.append(inner_moments(look.maps[0], tile))
            return look.answer(expected[place])

        for tile in LAYOUT:
            met = []
            with Met(answer, 1):
                computing(model, image)([tile])
            found.append(met)
    for moments, whole in zip(map(together, zip(*found, strict=True)), expected, strict=True):
        assert moments.count == whole.count  # each place once
        torch.testing.assert_close(moments.mean, whole.mean, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(moments.variance(), whole.variance(), rtol=1e-5, atol=1e-6)


def test_maps_that_reach_beyond_the_picture_count_at_its_edges_only():
    """As of networks that pad once, at first, and then convolve without padding."""
    torch.manual_seed(0)
    first = [nn.ReflectionPad2d(8), nn.Conv2d(3, 8, 5), nn.InstanceNorm2d(8), nn.ReLU()]
    model = nn.Sequential(*first, nn.Conv2d(8, 8, 5), nn.InstanceNorm2d(8), nn.Conv2d(8, 3, 9)).eval()
    image = picture()
    with torch.no_grad():
        expected, whole = model(image[None])[0], of_whole(model, image)
        maps = image.new_zeros(8, *(side + 12 for side in LAYOUT.outer))
        counts = [inner_moments(maps, tile).count for tile in LAYOUT]
        made = in_tiles(model, image, whole)
    assert sum(counts) == whole[0].count == (96 + 12) * (80 + 12)
    assert farthest(made, expected) < 1e-4


@pytest.mark.parametrize("stride", [1, 2, 4, 0.5])
def test_the_places_of_inner_boxes_are_all_places_once(stride):
    for rows in ([row[0] for row in LAYOUT.rows], LAYOUT.rows[0]):
        found = []
        for tile in rows:
            top = rows is not LAYOUT.rows[0]
            outer, share, origin = (
                (tile.outer.height, (tile.share.top, tile.share.bottom), tile.outer.top)
                if top
                else (tile.outer.width, (tile.share.left, tile.share.right), tile.outer.left)
            )
            places = inner_places(int(outer / stride), outer, *share)
            found += [int(origin / stride) + place for place in range(places.start, places.stop)]
        assert found == list(range(int((SIZE[0] if top else SIZE[1]) / stride)))


def test_layers_with_no_place_for_a_tile_are_refused():
    with pytest.raises(I2IError, match="a tile of 8 pixels leaves no place in one of this model's layers: take larger"):
        inner_places(0, 8, 0, 8)


def test_moments_of_parts_are_those_of_the_whole():
    maps = torch.randn(4, 12, 10, dtype=torch.float64) * 3 + 1000
    parts = [maps[:, :5], maps[:, 5:5], maps[:, 5:, :3], maps[:, 5:, 3:]]
    found = together(map(Moments.of, parts))
    assert found.count == 120
    torch.testing.assert_close(found.mean, maps.mean((1, 2)))
    torch.testing.assert_close(found.variance(1), maps.var((1, 2)))
    grouped = found.over(2)
    assert grouped.count == 240
    torch.testing.assert_close(grouped.mean, maps.view(2, -1).mean(1).repeat_interleave(2))
    torch.testing.assert_close(grouped.variance(), maps.view(2, -1).var(1, correction=0).repeat_interleave(2))


@pytest.mark.parametrize("norm", ["instance norm", "group norm", "mean and deviation"])
def test_answers_are_of_the_type_that_autocast_gives(norm):
    model, image = network(NORMS[norm]), picture()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        types = []
        model[1].register_forward_hook(lambda module, given, answer: types.append(answer.dtype))
        expected = model(image[None])[0]
        made = in_tiles(model, image, of_whole(model, image))
    assert len(set(types)) == 1
    assert made.isfinite().all()
    assert (made - expected.float()).abs().mean() < 0.02 * expected.float().abs().mean()


def test_norms_of_double_precision_stay_that():
    model, image = network(NORMS["instance norm"]).double(), picture().double()
    with torch.no_grad():
        statistics = of_whole(model, image)
        box = LAYOUT.rows[0][0].outer
        with Fixed(statistics):
            assert model(box.cut(image)[None]).dtype == torch.float64


def test_several_tiles_at_once_are_what_they_are_one_by_one():
    model, image = network(NORMS["a pooled gate"]), picture()
    tiles = list(LAYOUT)[:3]
    with torch.no_grad():
        statistics = of_whole(model, image)
        with Fixed(statistics, 3):
            together_made = computing(model, image)(tiles)
        for tile, made in zip(tiles, together_made, strict=True):
            with Fixed(statistics):
                alone = computing(model, image)([tile])[0]
            torch.testing.assert_close(made, alone)


def test_a_sample_of_all_of_the_picture_gives_its_moments():
    """Convolutions of one pixel, so that a tile's edge changes nothing."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.InstanceNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1), nn.GroupNorm(2, 8))
    image = picture((64, 96))
    tiles = spread((64, 96), GEOMETRY, 64 * 96, side=32)
    assert len(tiles) == 6
    with torch.no_grad():
        for part, whole in zip(corrected(computing(model, image), tiles, None)[0], of_whole(model, image), strict=True):
            assert part.count == whole.count
            torch.testing.assert_close(part.mean, whole.mean, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(part.deviations, whole.deviations, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "pixels"), [(400, 300, 60000), (1200, 52, 30000), (48, 60, 10**6)])
def test_a_sample_lies_evenly_over_the_picture(height, width, pixels):
    tiles = spread((height, width), GEOMETRY, pixels, side=64)
    assert len({tile.outer for tile in tiles}) == len(tiles) == len({(tile.row, tile.column) for tile in tiles})
    shape = {(tile.outer.height, tile.outer.width) for tile in tiles}
    assert shape == {(min(64, height), min(64, width))}
    assert len(tiles) * 64 * min(64, width) <= pixels
    for tile, (side, length) in product(tiles, (("top", height), ("left", width))):
        assert getattr(tile.outer, side) % 4 == 0
        assert 0 <= getattr(tile.outer, side) <= length
    middle = [
        sum(tile.outer.top + tile.outer.bottom for tile in tiles),
        sum(t.outer.left + t.outer.right for t in tiles),
    ]
    assert abs(middle[0] / len(tiles) - height) <= 8
    assert abs(middle[1] / len(tiles) - width) <= 8


def test_a_sample_has_at_least_one_tile():
    (tile,) = spread((400, 300), GEOMETRY, 1, side=64)
    assert tile.outer == Box(168, 120, 64, 64)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.Flatten(2), nn.GroupNorm(2, 8)),
            r"normalises maps of shape \(1, 8, 2304\); it works in no tiles",
        ),
        (
            nn.LayerNorm([3, 48, 48]),
            "layer norm has a weight for each place: it knows one size and works in no tiles",
        ),
        (
            nn.Sequential(Functional(lambda images: torch.cat([images, images.flip(-1)])), nn.InstanceNorm2d(3)),
            "normalises 2 maps for 1 pictures; it works in no tiles",
        ),
    ],
)
def test_norms_that_tiles_cannot_serve_are_refused(model, message):
    with torch.no_grad(), pytest.raises(I2IError, match=message):
        in_tiles(model, picture(), ())


def test_a_norm_over_vectors_and_over_channels_is_nobodys_concern():
    model = nn.Sequential(
        Functional(lambda images: images.permute(0, 2, 3, 1)),
        nn.LayerNorm(3),
        Functional(lambda maps: maps.permute(0, 3, 1, 2)),
        Functional(lambda maps: maps + F.group_norm(maps[:, :, 0, 0], 1)[:, :, None, None] * 0),
    )
    with torch.no_grad():
        assert of_whole(model, picture()) == ()


@pytest.mark.parametrize("known", [2, 4])
def test_other_norms_than_those_known_are_refused(known):
    model, image = network(NORMS["instance norm"]), picture()
    with torch.no_grad():
        statistics = of_whole(model, image)
        others = (*statistics, statistics[-1])[:known]
        with pytest.raises(I2IError, match="computes differently in different parts of one picture"):
            in_tiles(model, image, others)
        with pytest.raises(I2IError, match="computes differently"):
            in_tiles(model, image, (statistics[0].over(8), Moments.of(torch.rand(4, 2, 2)), statistics[2]))
