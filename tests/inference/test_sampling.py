import math
import sys
from importlib.metadata import EntryPoint
from itertools import islice
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from i2i import Geometry, I2IError, Options, RecipeError, UsageError, discover, load, normal_latents
from i2i.inference.numbered import numbered_before, write_numbered
from i2i.inference.sampling import Place, closed_walk, on_the_way, pictures_at
from i2i.inference.translator import Translated
from i2i.training.chance import seed_for
from i2i.training.runtime import Runtime

DOTS = Path(__file__).parents[1] / "plugins" / "dots"


@pytest.fixture
def dots(monkeypatch, tmp_path):
    """`dots(name, channels=…, **translate_options)`: that model of the plugin, loaded."""
    monkeypatch.syspath_prepend(str(DOTS))
    catalog = discover([EntryPoint("dots", "i2i_dots", "i2i")])
    assert not catalog.broken

    def loaded(name="dots", channels=3, **options):
        from i2i_dots.weights import save_weights

        return load(save_weights(tmp_path / f"{name}.safetensors", name, channels), options, catalog=catalog)

    yield loaded
    for name in [name for name in sys.modules if name.startswith("i2i_dots")]:
        del sys.modules[name]


def tensors(made):
    return [translated.picture for translated in made]


def same(some, others):
    return len(some) == len(others) and all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("shape", [(100,), (8, 1, 1), (2, 3, 4)])
def test_a_latent_between_two_has_its_share_of_the_angle_and_of_the_length(shape):
    departure, arrival = normal_latents((1, 2), shape)
    assert on_the_way(departure, arrival, 0) is departure
    assert on_the_way(departure, arrival, 1 - 1e-9).sub(arrival).abs().max() < 1e-5

    def angle(one, other):
        return math.acos(torch.cosine_similarity(one.double().flatten(), other.double().flatten(), 0))

    for share in (0.25, 0.5, 0.9):
        middle = on_the_way(departure, arrival, share)
        assert (middle.shape, middle.dtype) == (torch.Size(shape), torch.float32)
        assert angle(departure, middle) == pytest.approx(share * angle(departure, arrival), abs=1e-5)
        assert angle(middle, arrival) == pytest.approx((1 - share) * angle(departure, arrival), abs=1e-5)
        assert float(middle.norm()) == pytest.approx(
            (1 - share) * float(departure.norm()) + share * float(arrival.norm()), rel=1e-5
        )


def test_parallel_opposite_and_vanishing_latents_have_something_between_them():
    latent = normal_latents((1,), (50,))[0]
    assert torch.allclose(on_the_way(latent, latent, 0.3), latent)
    assert torch.allclose(on_the_way(latent, latent * (1 + 1e-7), 0.3), latent)
    assert torch.allclose(on_the_way(latent, 3 * latent, 0.5), 2 * latent)
    assert torch.allclose(on_the_way(latent, -latent, 0.25), 0.5 * latent)
    assert on_the_way(torch.zeros(50), torch.zeros(50), 0.5).abs().max() == 0
    assert on_the_way(torch.zeros(50), latent, 0.5).isfinite().all()


def test_a_walk_goes_through_every_stop_and_back_to_the_first():
    assert list(closed_walk(3, 2)) == [
        Place(0, 1, 0.0), Place(0, 1, 0.5), Place(1, 2, 0.0), Place(1, 2, 0.5), Place(2, 0, 0.0), Place(2, 0, 0.5),
    ]  # fmt: skip


def test_a_picture_depends_on_seed_and_number_alone(dots):
    translator = dots()
    assert (translator.samples, translator.translates, translator.name) == (True, False, "dots")
    pictures = tensors(translator.sampled(9, seed=7))
    assert [made.item for made in translator.sampled(3)] == [0, 1, 2]
    assert all(picture.shape == (3, 16, 16) and picture.dtype == torch.float32 for picture in pictures)
    assert 0 <= min(picture.min() for picture in pictures) < max(picture.max() for picture in pictures) <= 1
    assert same(tensors(translator.sampled(4, seed=7)), pictures[:4])
    for batch in (2, 4, 9, 50):
        assert same(tensors(translator.sampled(9, seed=7, batch=batch)), pictures)
    others = [*pictures[1:], *tensors(translator.sampled(9, seed=8))]
    assert not any(torch.equal(picture, pictures[0]) for picture in others)


def test_samples_are_pil_images_in_order(dots):
    translator = dots()
    images = translator.sample(3, seed=7, batch=2)
    assert all(isinstance(image, Image.Image) and image.size == (16, 16) for image in images)
    for image, picture in zip(images, tensors(translator.sampled(3, seed=7)), strict=True):
        levels = numpy.asarray(image, dtype=float) / 255
        assert numpy.abs(levels - picture.permute(1, 2, 0).numpy()).max() < 1 / 255


def test_a_walk_stops_at_the_samples_and_moves_by_small_steps(dots):
    translator = dots()
    walk, stops = tensors(translator.walked(4, 20, seed=7)), tensors(translator.sampled(4, seed=7))
    assert len(walk) == 80
    assert same(walk[::20], stops)
    for batch in (3, 16):
        assert same(tensors(translator.walked(4, 20, seed=7, batch=batch)), walk)
    steps = [float((one - other).abs().mean()) for one, other in zip(walk, [*walk[1:], walk[0]], strict=True)]
    leaps = [float((one - other).abs().mean()) for one, other in zip(stops, [*stops[1:], stops[0]], strict=True)]
    assert min(steps) > 0
    assert max(steps) < 0.3 * min(leaps)


def test_a_grey_model_makes_grey_pictures_of_three_channels(dots):
    (picture,) = tensors(dots(channels=1).sampled(1))
    assert picture.shape == (3, 16, 16)
    assert torch.equal(picture[0], picture[1])
    assert torch.equal(picture[0], picture[2])


def test_the_options_of_a_request_are_heard(dots):
    bright, dark = (tensors(dots(class_name=name).sampled(2)) for name in ("bright", "dark"))
    assert same([picture * 0.25 for picture in bright], dark)
    assert same(tensors(dots().with_options(class_name="dark").sampled(2)), dark)
    with pytest.raises(RecipeError, match=r"translate\.class_name: should be a valid string, found 3"):
        dots(class_name=3)
    with pytest.raises(RecipeError, match=r"translate\.self: unknown key"):
        dots().with_options(**{"self": 3})


def test_walks_and_samples_are_of_the_class_that_is_named(dots):
    plain, dark = dots(), dots(class_name="dark")
    images = zip(plain.sample(3, seed=7), dark.sample(3, seed=7), strict=True)
    assert all(numpy.abs(numpy.asarray(one) / 4 - numpy.asarray(other)).max() <= 1 for one, other in images)
    walks = [tensors(translator.walked(3, 2, seed=7)) for translator in (plain, dark)]
    assert same([picture * 0.25 for picture in walks[0]], walks[1])
    for refused in (lambda: dots(class_name="grim").sample(1), lambda: list(dots(class_name="grim").walked(2, 3))):
        with pytest.raises(UsageError, match=r"^translate\.class_name: no class 'grim' in these weights; they know br"):
            refused()


@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (lambda dots: dots.sample(0), "count 0: at least 1, such as 64"),
        (lambda dots: dots.sampled(-3), "count -3: at least 1, such as 64"),
        (lambda dots: dots.sample(5, batch=0), "batch 0: at least 1, such as 8"),
        (lambda dots: dots.sampled(5, batch=0), "batch 0: at least 1, such as 8"),
        (lambda dots: dots.walked(3, 0), "frames 0: at least 1, such as 50"),
        (lambda dots: dots.walked(1, 5), "stops 1: at least 2, such as 4"),
        (lambda dots: dots.walked(3, 5, batch=-1), "batch -1: at least 1, such as 8"),
        (lambda dots: dots.translate(torch.rand(3, 8, 8), batch=0), "batch 0: at least 1, such as 8"),
        (lambda dots: list(dots.stream([], batch=0)), "batch 0: at least 1, such as 8"),
    ],
)
def test_less_than_can_be_made_is_refused_before_anything_is(dots, asked, refusal):
    with pytest.raises(UsageError) as refused:
        asked(dots("dots-both"))
    assert str(refused.value) == refusal


class Recording:
    """Says what it is asked."""

    geometry = Geometry()

    def __init__(self):
        self.requests, self.latents_asked = [], 0

    def latents(self, seeds):
        self.latents_asked += len(seeds)
        return normal_latents(seeds, (5,))

    def sample(self, latents, request):
        assert not torch.is_grad_enabled()
        self.requests.append(request)
        return latents[:, None, None, :3] * 100


def made(model, places, batch):
    return list(pictures_at(places, model, Options(), Runtime(torch.device("cpu"), "fp32"), 7, batch))


def test_a_frame_has_the_seed_of_the_stop_it_departs_from():
    model = Recording()
    pictures = made(model, closed_walk(2, 3), batch=4)
    assert [len(request.seeds) for request in model.requests] == [4, 2]
    departures = [seed_for("sample", 7, stop) for stop in (0, 0, 0, 1, 1, 1)]
    assert [seed for request in model.requests for seed in request.seeds] == departures
    assert all(0 <= picture.min() <= picture.max() <= 1 for picture in pictures)
    assert torch.is_grad_enabled()


def test_plain_samples_draw_each_latent_once():
    model = Recording()
    made(model, (Place(index, index) for index in range(5)), batch=2)
    assert model.latents_asked == 5


def test_pictures_are_made_as_they_are_asked_for(dots):
    assert len(list(islice(dots().sampled(10**9, batch=2), 3))) == 3
    assert len(list(islice(dots().walked(10**9, 10**9), 3))) == 3


def test_memory_that_ends_is_explained():
    model = Recording()

    def starve(latents, request):
        raise torch.OutOfMemoryError("CUDA out of memory")

    model.sample = starve
    with pytest.raises(I2IError, match=r"^out of memory; lower --batch$"):
        made(model, [Place(0, 0)], batch=1)


def test_what_a_model_cannot_do_is_refused_with_what_it_can(dots):
    with pytest.raises(UsageError, match=r"^dots makes pictures out of nothing: use sample\(count\), not translate"):
        dots().translate(torch.rand(3, 8, 8))
    refusal = r"^negative translates pictures: use translate\(pictures\), not sample\(count\)$"
    with pytest.raises(UsageError, match=refusal):
        dots("negative").sample(3)
    for refused in (lambda: dots("negative").sampled(3), lambda: dots("negative").walked(2, 3)):
        with pytest.raises(UsageError, match=refusal):
            refused()


def test_a_model_that_can_do_both_does_both(dots):
    both = dots("dots-both")
    picture = torch.rand(3, 16, 16)
    assert torch.allclose(both.translate(picture), 1 - picture)
    assert len(both.sample(2)) == 2


def test_numbered_pictures_of_before_are_those_that_are_not_written_now(tmp_path):
    for name in ("00000.png", "00002.png", "00003.png", "000001.png", "1.png", "00001.jpg", "x00009.png", "٠٠٠٠٩.png"):
        (tmp_path / name).touch()
    assert numbered_before(tmp_path, 3) == 2
    assert numbered_before(tmp_path, 1) == 3
    assert numbered_before(tmp_path, 100_001) == 3


@pytest.mark.parametrize(("total", "name"), [(1, "00000.png"), (100_000, "00000.png"), (100_001, "000000.png")])
def test_names_are_as_long_as_the_last_one_needs(tmp_path, total, name):
    pictures = [Translated(0, 0, torch.full((3, 4, 5), 0.5))]
    written = []
    (image,) = write_numbered(pictures, tmp_path, total, 1, written.append)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (image.size, written) == ((5, 4), [0])
