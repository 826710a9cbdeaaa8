import pytest
import torch
import torch.nn.functional as F

from i2i.features.learned import LearnedFeatures

LAYERS = list(LearnedFeatures().layers)


def texture(height, width, seed, waves=(0.7, 0.2)):
    """(1, 3, height, width): waves of one direction under noise, coloured."""
    chance = torch.Generator().manual_seed(seed)
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    wave = torch.sin(waves[0] * rows + waves[1] * columns)
    noise = torch.rand(1, 3, height, width, generator=chance)
    return (0.5 + wave * torch.tensor([0.3, 0.2, -0.1])[:, None, None] + 0.2 * (noise - 0.5)).clamp(0, 1)


@pytest.fixture(scope="module")
def learned():
    features = LearnedFeatures()
    features.learn([texture(150, 190, seed=0), texture(90, 70, seed=1, waves=(0.1, 0.4))])
    return features


def gram(maps):
    flat = maps[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def test_the_same_pictures_give_the_same_features_and_leave_torchs_chance_alone(learned):
    again = LearnedFeatures()
    state = torch.get_rng_state()
    again.learn([texture(150, 190, seed=0), texture(90, 70, seed=1, waves=(0.1, 0.4))])
    assert torch.equal(torch.get_rng_state(), state)
    for name, buffer in learned.named_buffers():
        assert torch.equal(again.get_buffer(name), buffer), name


def test_filters_have_their_shapes_before_learning_and_go_into_new_features(learned):
    new = LearnedFeatures()
    before = {name: buffer.shape for name, buffer in new.named_buffers()}
    assert {name: buffer.shape for name, buffer in learned.named_buffers()} == before
    assert sum(buffer.numel() * 4 for buffer in learned.buffers()) < 8e6
    new.load_state_dict(learned.state_dict())
    picture = texture(70, 64, seed=2)
    for octave in (0, 3):
        expected, found = learned(picture, LAYERS, octave), new(picture, LAYERS, octave)
        assert all(torch.equal(expected[name], found[name]) for name in LAYERS)


@pytest.mark.parametrize("size", [(64, 64), (65, 79), (129, 90)])
def test_every_map_has_the_channels_and_positions_that_its_layer_tells(learned, size):
    with torch.no_grad():
        found = learned(torch.rand(2, 3, *size), LAYERS)
    for name, layer in learned.layers.items():
        assert found[name].shape == (2, layer.channels, size[0] // layer.stride, size[1] // layer.stride), name


def test_only_what_is_asked_for_comes_back(learned):
    assert set(learned(texture(64, 64, seed=0), ["strokes2", "gradients"])) == {"strokes2", "gradients"}
    assert set(learned.style_layers) | set(learned.content_layers) == set(LAYERS)


@pytest.mark.parametrize("octave", [0, 2])
def test_a_tile_with_its_margin_has_the_maps_of_the_whole_picture(learned, octave):
    picture = texture(413, 437, seed=3)
    block = max(layer.stride for layer in learned.layers.values())
    with torch.no_grad():
        whole = learned(picture, LAYERS, octave)
    for name, layer in learned.layers.items():
        margin = -(-layer.reach // block) * block
        start, inside = margin + block, 2 * block
        first, last = start - margin, start + inside + layer.reach
        assert last <= 413, name
        with torch.no_grad():
            tile = learned(picture[..., first:last, first:last], [name], octave)[name]
        of_tile = slice(margin // layer.stride, (margin + inside) // layer.stride)
        of_whole = slice(start // layer.stride, (start + inside) // layer.stride)
        torch.testing.assert_close(
            tile[..., of_tile, of_tile], whole[name][..., of_whole, of_whole], rtol=1e-5, atol=1e-5
        )


def test_no_pixel_beyond_its_reach_touches_a_position_and_some_at_its_reach_does(learned):
    picture = texture(320, 320, seed=4)
    for name, layer in learned.layers.items():
        place = 160 // layer.stride
        seen = picture.clone().requires_grad_()
        learned(seen, [name])[name][0, :, place, place].square().sum().backward()
        rows = seen.grad.abs().amax((0, 1, 3)).nonzero()
        first, last = place * layer.stride - layer.reach, (place + 1) * layer.stride - 1 + layer.reach
        assert (rows.min(), rows.max()) == (max(first, 0), min(last, 319)), name


def test_gradients_are_those_of_the_maps(learned):
    exact = LearnedFeatures().double()
    exact.load_state_dict(learned.state_dict())
    picture = texture(64, 64, seed=5).double().requires_grad_()
    layers = ["colours", "gradients", "dabs0", "strokes1", "figures0", "strokes3", "dabs4"]

    def energy(pixels):
        return sum(maps.square().mean() for maps in exact(pixels, layers, octave=1).values())

    (slope,) = torch.autograd.grad(energy(picture), picture)
    chance = torch.Generator().manual_seed(0)
    for _ in range(4):
        way = torch.randn(picture.shape, generator=chance, dtype=torch.float64)
        step = 1e-7
        with torch.no_grad():
            measured = (energy(picture + step * way) - energy(picture - step * way)) / (2 * step)
        torch.testing.assert_close((slope * way).sum(), measured, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "style",
    [
        torch.full((1, 3, 100, 100), 0.3),
        torch.zeros(1, 3, 32, 32),
        torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)),
        torch.rand(1, 3, 5, 300, generator=torch.Generator().manual_seed(0)),
        torch.eye(40).expand(1, 3, 40, 40),
    ],
    ids=["grey", "small and black", "small noise", "a strip", "one line"],
)
def test_odd_styles_give_finite_maps_and_gradients(style):
    features = LearnedFeatures()
    features.learn([style])
    picture = texture(64, 64, seed=6).requires_grad_()
    maps = features(picture, LAYERS)
    sum(found.square().mean() for found in maps.values()).backward()
    assert all(found.isfinite().all() for found in maps.values())
    assert picture.grad.isfinite().all()
    assert max(float(found.detach().abs().max()) for found in maps.values()) < 1e4


def test_crops_of_one_texture_are_much_more_alike_than_two_textures(learned):
    one, same = texture(96, 96, seed=7), texture(96, 96, seed=8)
    other = F.interpolate(texture(32, 32, seed=9, waves=(0.1, 0.9)), (96, 96), mode="bilinear")
    with torch.no_grad():
        maps = [learned(picture, LAYERS, 3) for picture in (one, same, other)]
    for name in ("dabs0", "strokes0", "figures0", "dabs1", "strokes1"):
        target, alike, unlike = (gram(found[name]) for found in maps)
        assert 5 * (alike - target).square().sum() < (unlike - target).square().sum(), name
