"""Exact norms: tiles that wait for one another on the disk, that are computed again, or that correct a sample."""

import gc
import threading
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from i2i.contracts.geometry import Geometry
from i2i.errors import I2IError
from i2i.networks.generators import ResNetGenerator
from i2i.networks.layers import initialise
from i2i.tiling.exact import Cost, Profile, costs, painted, profiled, writing_speed
from i2i.tiling.kept import SMALL, Files, Kept
from i2i.tiling.layout import Layout
from i2i.tiling.recompute import recomputed, refined
from i2i.tiling.sample import corrected, spread
from i2i.tiling.spill import spilled

SIZE = (128, 112)
LOOKS = 9  # of the generator
MAPPINGS = Path("/proc/self/maps")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """A test that leaves one fails, whatever it was about."""
    before = set(threading.enumerate())
    with torch.no_grad():
        yield
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    made = ResNetGenerator(2, 8, resize=True).eval()
    made.apply(initialise)
    return made


@pytest.fixture(scope="module")
def geometry(generator):
    return Geometry(multiple_of=4, min_size=16, margin=generator.margin, tiling="statistics")


@pytest.fixture
def layout(geometry):
    return Layout.of(SIZE, geometry, 84)


@pytest.fixture(scope="module")
def image():
    """(3, H, W) of soft shapes, light in one corner."""
    noise = torch.rand(1, 3, 10, 8, generator=torch.Generator().manual_seed(1))
    soft = F.interpolate(noise, SIZE, mode="bicubic").clamp(0, 1)[0]
    return soft * torch.linspace(1, 0.2, SIZE[1])


class Computing:
    """Counts the tiles that it is asked for."""

    def __init__(self, model, image):
        self.model, self.image, self.asked = model, image, 0

    def __call__(self, tiles):
        self.asked += len(tiles)
        with torch.no_grad():
            return self.model(torch.stack([tile.outer.cut(self.image) for tile in tiles]))


@pytest.fixture
def compute(generator, image):
    return Computing(generator, image)


def levels_apart(outputs, layout, model, image):
    """The largest difference between what the inner boxes show and the picture translated whole, in 1/255."""
    expected = model(image[None])[0]
    whole = torch.full_like(expected, torch.nan)
    for tile, output in zip(layout, outputs, strict=True):
        tile.inner.cut(whole)[:] = tile.share.cut(output)
    return float((whole - expected).abs().max() * 255)


class Heard(list):
    """Fractions, as they were reported."""

    def is_told_well(self):
        return len(self) > 3 and self == sorted(self) and self[0] > 0 and 0.9 < self[-1] <= 1


def test_tiles_alone_are_far_from_the_whole(compute, layout, generator, image):
    """What all the others are measured against."""
    assert levels_apart((compute([tile])[0] for tile in layout), layout, generator, image) > 20


def test_spilled_tiles_are_the_whole_and_computed_once(compute, layout, generator, image, tmp_path):
    heard = Heard()
    outputs = spilled(compute, layout, tmp_path, heard.append, LOOKS)
    assert levels_apart(outputs, layout, generator, image) < 0.01
    assert compute.asked == len(layout) > 4
    assert list(tmp_path.iterdir()) == []
    assert heard.is_told_well()


def test_recomputed_moments_make_the_whole(compute, layout, generator, image):
    heard = Heard()
    statistics = recomputed(compute, layout, LOOKS, heard.append)
    assert compute.asked == LOOKS * len(layout)
    assert heard.is_told_well()
    assert levels_apart(painted(compute, layout, statistics), layout, generator, image) < 0.01


def test_refined_moments_make_the_whole(compute, layout, geometry, generator, image):
    heard = Heard()
    sample = spread(SIZE, geometry, 4 * 32**2, side=32)
    apart = levels_apart(painted(compute, layout, corrected(compute, sample, None)[0]), layout, generator, image)
    statistics = refined(compute, layout, sample, LOOKS, heard.append)
    assert heard.is_told_well()
    assert levels_apart(painted(compute, layout, statistics), layout, generator, image) < 0.5 < 20 < apart


def test_moments_are_refined_until_they_are_exact_if_they_must_be(
    compute, layout, geometry, generator, image, monkeypatch
):
    monkeypatch.setattr("i2i.tiling.recompute.TOLERANCE", 0)
    sample = spread(SIZE, geometry, 1, side=16)  # the least that there can be
    statistics = refined(compute, layout, sample, LOOKS)
    assert compute.asked == (LOOKS + 1) * len(layout) + LOOKS + 2
    assert levels_apart(painted(compute, layout, statistics), layout, generator, image) < 0.05


class Branching(nn.Module):
    """Views, in-place changes, results in pairs, other devices of precision and gradients, norms called twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8, affine=True)
        self.last = nn.Conv2d(8, 3, 1)
        self.register_buffer("shift", torch.full((8, 1, 1), 0.1))
        self.inside, self.after = [], []

    def forward(self, images):
        maps = self.first(images)
        left, right = maps.chunk(2, 1)  # views of one memory
        left *= 2  # in place: `maps` sees it
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            self.inside.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
            coarse = self.second(maps.detach()).float().detach()
        normed = self.norm(maps) + self.shift.view(8, 1, 1)
        right += 1  # after a pause: still the same memory
        self.after.append((torch.is_grad_enabled(), torch.is_autocast_enabled("cpu")))
        mixed = self.norm(torch.cat([left, right], 1) + normed + coarse)
        try:
            mixed.view(1, 2)
        except RuntimeError:  # what torch raises arrives where it was called
            mixed = F.relu(mixed, inplace=True)
        return self.last(mixed)


def test_spilling_changes_nothing_that_a_model_can_see(layout, image, tmp_path):
    torch.manual_seed(0)
    model = Branching()
    apart = levels_apart(spilled(Computing(model, image), layout, tmp_path), layout, model, image)
    assert apart < 0.02 * 255  # bfloat16 inside
    assert set(model.inside) == {(True, True)}
    assert set(model.after) == {(False, False)}
    for tensor in (*model.parameters(), *model.buffers(), image):
        assert tensor.untyped_storage().filename is None  # weights stay where they are


def test_a_model_without_norms_takes_no_second_look(layout, image, tmp_path):
    model = nn.Conv2d(3, 3, 3, padding=1)
    compute = Computing(model, image)
    assert levels_apart(spilled(compute, layout, tmp_path), layout, model, image) < 0.01
    assert recomputed(compute, layout, 0) == refined(compute, layout, list(layout)[:1], 0) == ()


class Failing(Computing):
    """Raises something at the second look of one of the tiles."""

    def __init__(self, model, image, error, at):
        super().__init__(model, image)
        self.error, self.at, self.looks = error, at, 0
        self.ended = []

    def __call__(self, tiles):
        number = self.asked
        try:
            output = super().__call__(tiles)
            self.looks += 1
            if number == self.at:
                raise self.error
            return self.model(output)
        finally:
            self.ended.append(number)
            torch.zeros(1)  # a torch call on the way out


@pytest.mark.parametrize("error", [I2IError("no more"), RuntimeError("broken"), KeyboardInterrupt(), SystemExit(3)])
def test_what_fails_in_a_tile_is_raised_and_ends_all_others(error, layout, generator, image, tmp_path):
    failing = Failing(generator, image, error, at=2)
    with pytest.raises(type(error)):
        list(spilled(failing, layout, tmp_path))
    assert sorted(failing.ended) == list(range(len(layout)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_fails_in_torch_is_raised_and_ends_all_others(error, compute, layout, tmp_path, monkeypatch):
    calls = []

    def interrupted(*args, **kwargs):
        calls.append(threading.current_thread())
        if len(calls) == 20:
            raise error
        return convolution(*args, **kwargs)

    convolution = F.conv2d
    monkeypatch.setattr("i2i.tiling.paused.Paused._reply", replied(interrupted))
    with pytest.raises(error):
        list(spilled(compute, layout, tmp_path))
    assert set(calls) == {threading.current_thread()}
    assert list(tmp_path.iterdir()) == []


def replied(instead):
    """`_reply` that calls `instead` for convolutions."""
    from i2i.tiling.paused import Paused

    original = Paused._reply

    def reply(self, call, made):
        return original(
            self, call, made if call.function is not F.conv2d else lambda: instead(*call.args, **call.kwargs)
        )

    return reply


def test_nothing_is_left_where_nobody_takes_all_outputs(compute, layout, tmp_path):
    outputs = spilled(compute, layout, tmp_path)
    next(outputs)
    outputs.close()
    assert list(tmp_path.iterdir()) == []
    outputs = spilled(compute, layout, tmp_path)
    next(outputs)
    del outputs
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def in_memory():
    """Bytes of all tensors that no file backs and that are worth one, weights and pictures left out."""
    tensors = [found for found in gc.get_objects() if type(found) is torch.Tensor and not found.requires_grad]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage() for tensor in tensors}
    sizes = [storage.nbytes() for storage in storages.values() if storage.filename is None]
    return sum(size for size in sizes if size >= SMALL)


def test_tiles_that_wait_take_no_memory(compute, layout, tmp_path):
    profile = profiled(compute, next(iter(layout)))
    before = in_memory()
    found = []

    def look(done):
        """At a look in the middle of the work, and at the last."""
        if done in (0.5, (LOOKS * len(layout)) / ((LOOKS + 1) * len(layout))):
            found.append(in_memory() - before)

    list(spilled(compute, layout, tmp_path, look, LOOKS))
    assert len(layout) * min(profile.kept) > 5 * max(profile.kept)
    assert len(found) == 2
    assert max(found) <= max(profile.kept)


def test_a_file_has_no_name_and_is_gone_with_its_tensor(tmp_path):
    files = Files(tmp_path)
    numbers = torch.rand(SMALL)
    moved = files(numbers.untyped_storage())
    assert list(tmp_path.iterdir()) == []
    assert files.written == moved.nbytes() == 4 * SMALL
    assert files(moved) is None  # it is in a file already
    assert files(torch.rand(8).untyped_storage()) is None  # not worth one
    assert torch.empty(0).set_(moved, 0, (SMALL,), (1,)).equal(numbers)
    if MAPPINGS.exists():
        assert str(tmp_path) in MAPPINGS.read_text()
        del moved
        assert str(tmp_path) not in MAPPINGS.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
def test_a_full_disk_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("secrets.token_hex", lambda length: "token")
    (tmp_path / ".i2i-norms-token.0").symlink_to("/dev/full")
    with pytest.raises(
        I2IError, match="the disk is full of what exact norms put aside; free some, or take --tile-norms quick"
    ):
        Files(tmp_path)(torch.rand(SMALL).untyped_storage())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(I2IError, match=r"cannot put aside what exact norms need \(No such file or directory\)"):
        Files(tmp_path / "missing")(torch.rand(SMALL).untyped_storage())


def test_views_stay_views_of_one_memory_wherever_it_moves(tmp_path):
    kept = Kept()
    maps = torch.rand(1, 4, 200, 200).contiguous(memory_format=torch.channels_last)
    part = maps[:, 1:3, ::2]
    kept.note((maps, [part]), ())
    before, strides = maps.clone(), part.stride()
    assert kept.bytes() == 4 * 160_000
    kept.move(Files(tmp_path))
    assert part.stride() == strides
    assert maps.is_contiguous(memory_format=torch.channels_last)
    part += 1
    before[:, 1:3, ::2] += 1
    assert maps.equal(before)
    kept.move(lambda storage: storage.clone())  # as back to another device
    part += 1
    before[:, 1:3, ::2] += 1
    assert maps.equal(before)
    assert maps.untyped_storage().filename is None


def test_what_comes_from_outside_is_not_kept():
    kept, weight, image = Kept(), nn.Parameter(torch.rand(4, 4)), torch.rand(4, 4)
    view = weight.view(16)
    kept.note(view, (weight, 16))
    kept.note(weight, ([weight],))
    kept.note(image[:2], ((image, 0), {}))
    assert list(kept) == []
    product = weight.detach() * image
    kept.note(product, (weight, image))
    kept.note(row := product[0], (product, 0))
    assert {id(tensor) for tensor in kept} == {id(product), id(row)}
    gone = weakref.ref(product)
    del product, row
    assert gone() is None
    assert list(kept) == []


def test_costs_are_of_all_tiles_the_cheapest_first(layout, tmp_path):
    profile = Profile(seconds=10, until_look=(1, 2, 9), kept=(1000, 3000, 2000))
    assert profile.looks == 3
    speed = writing_speed(tmp_path)
    assert speed > 1e5
    tiles = len(layout)
    found = costs(profile, layout, tmp_path)
    assert [cost.way for cost in found] == ["spilled", "recomputed", "refined"]
    assert found[0].disk_bytes == tiles * 3000
    assert found[0].seconds == pytest.approx(tiles * 10, rel=0.2)
    assert found[1:] == [Cost("recomputed", tiles * 22, 0), Cost("refined", tiles * 70, 0)]
    deep = Profile(10, tuple(range(1, 10)), (2**60,) * 9)
    assert [cost.way for cost in costs(deep, layout, tmp_path)] == ["recomputed", "refined"]  # no disk is so large
    deeper = Profile(10, tuple(place / 10 for place in range(100)), (2**60,) * 100)
    assert [cost.way for cost in costs(deeper, layout, tmp_path)] == ["refined", "recomputed"]


def test_a_tile_is_profiled_without_a_thread_left(compute, layout):
    found = profiled(compute, next(iter(layout)))
    assert found.looks == LOOKS
    assert 0 < found.until_look[0] < found.until_look[-1] < found.seconds
    assert min(found.kept) > SMALL
    assert compute.asked == 1


class Unsteady(nn.Module):
    """Normalises what is light."""

    def forward(self, images):
        return F.instance_norm(images) if images.mean() > 0.3 else images


@pytest.mark.parametrize("way", ["spilled", "recomputed"])
def test_a_model_that_computes_differently_in_different_tiles_is_refused(way, layout, image, tmp_path):
    compute = Computing(Unsteady(), image)
    ways = {
        "spilled": lambda: list(spilled(compute, layout, tmp_path)),
        "recomputed": lambda: recomputed(compute, layout, 1),
    }
    with pytest.raises(I2IError, match="computes differently in different parts of one picture"):
        ways[way]()
