import pytest
import torch

from i2i import Geometry
from i2i.inference.fitting import apply, apply_whole, filled
from i2i.tiling.regions import mirrored

ODD = Geometry(multiple_of=4, min_size=8)


def seen_by(geometry):
    """An identity model that remembers what it was given."""
    given = []

    def model(batch):
        given.append(batch)
        size = batch.shape[-1] * geometry.scale, batch.shape[-2] * geometry.scale
        return torch.nn.functional.interpolate(batch, size=size[::-1])

    return model, given


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("height", [1, 2, 5, 8, 13, 16])
@pytest.mark.parametrize("width", [1, 3, 7, 9, 16, 33])
def test_any_size_comes_back_as_size_times_scale_with_its_own_pixels(height, width, scale):
    geometry = Geometry(scale=scale, multiple_of=4, min_size=8)
    model, given = seen_by(geometry)
    picture = torch.rand(3, height, width)
    (answer,) = apply(model, [picture], geometry)
    assert answer.shape == (3, height * scale, width * scale)
    assert torch.equal(answer[:, ::scale, ::scale], picture)
    assert all(side % 4 == 0 and side >= 8 for side in given[0].shape[-2:])


def test_the_padding_mirrors_without_repeating_the_edge():
    assert mirrored(4, 9, torch.device("cpu")).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert mirrored(1, 3, torch.device("cpu")).tolist() == [0, 0, 0]


def test_pictures_of_different_sizes_and_one_padded_size_share_a_batch():
    model, given = seen_by(ODD)
    pictures = [torch.rand(3, 5, 7), torch.rand(3, 8, 6)]
    answers = apply(model, pictures, ODD)
    assert len(given) == 1
    assert all(torch.equal(answer, picture) for answer, picture in zip(answers, pictures, strict=True))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 7), (40, 24), (64, 8)])
def test_a_model_of_one_size_is_given_pictures_brought_to_it_and_answers_in_theirs(height, width):
    geometry = Geometry(size=(16, 8))
    given = []

    def model(batch):
        given.append(batch)
        return batch

    ramp = torch.linspace(0, 1, width).expand(3, height, width)
    (answer,) = apply(model, [ramp], geometry)
    assert given[0].shape == (1, 3, 16, 8)
    assert answer.shape == (3, height, width)
    assert torch.allclose(answer, ramp, atol=0.1)


def test_a_picture_that_has_the_one_size_is_not_touched():
    picture = torch.rand(3, 16, 8)
    (answer,) = apply(lambda batch: batch, [picture], Geometry(size=(16, 8)))
    assert torch.equal(answer, picture)


def test_pictures_of_all_sizes_share_a_batch_of_a_model_of_one_size():
    assert {Geometry(size=(16, 8)).padded(*size) for size in [(1, 1), (300, 20)]} == {(16, 8)}


def test_a_one_channel_model_is_given_luma_and_answers_grey():
    geometry = Geometry(channels=1)
    model, given = seen_by(geometry)
    picture = torch.zeros(3, 2, 2)
    picture[1] = 1
    (answer,) = apply(model, [picture], geometry)
    assert given[0].shape == (1, 1, 2, 2)
    assert torch.allclose(answer, torch.full((3, 2, 2), 0.587))


def test_answers_stay_within_the_range():
    (answer,) = apply(lambda batch: batch * 3 - 1, [torch.rand(3, 4, 4)], Geometry())
    assert answer.min() >= 0
    assert answer.max() <= 1


def repeating(images, mask, alpha_of):
    """A model that enlarges by 2, and answers a little less than white and a little more than black."""
    return (images * 0.98 + 0.01).repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_every_kind_of_picture_comes_back_as_its_kind():
    pictures = [torch.rand(channels, 5, 4).clamp(min=0.1) for channels in (1, 2, 3, 4)]
    answers = apply_whole(repeating, pictures, Geometry(scale=2, restores=True))
    for picture, answer in zip(pictures, answers, strict=True):
        assert answer.shape == (len(picture), 10, 8)
        colours = slice(0, 3 if len(picture) > 2 else 1)
        assert torch.allclose(answer[colours, ::2, ::2], picture[colours] * 0.98 + 0.01, atol=1e-6)


def test_alpha_goes_through_the_model_but_stays_among_its_neighbours():
    picture = torch.ones(4, 6, 6)
    picture[3, :, :3] = 0
    picture[3, 0, 5] = 0.5
    (answer,) = apply_whole(repeating, [picture], Geometry(scale=2, restores=True))
    alpha = answer[3]
    assert torch.equal(alpha[:, :5], torch.zeros(12, 5))  # exactly transparent up to the last transparent centre
    assert torch.allclose(alpha[:, 5], torch.full((12,), 0.01))
    assert torch.allclose(alpha[:, 6], torch.full((12,), 0.99))
    assert alpha[3:, 7:].min() == 1  # exactly opaque


def test_the_model_is_told_whose_alpha_it_sees_and_opaque_alpha_is_spared():
    told = []

    def model(images, mask, alpha_of):
        told.append((len(images), alpha_of))
        return images

    opaque, clear = torch.ones(2, 3, 3), torch.zeros(4, 3, 3)
    answers = apply_whole(model, [torch.rand(3, 3, 3), opaque, clear], Geometry(restores=True))
    assert told == [(3, None), (1, [2])]
    assert torch.equal(answers[1][1], torch.ones(3, 3))
    assert torch.equal(answers[2][3], torch.zeros(3, 3))


@pytest.mark.parametrize("scale", [1, 3])
def test_a_new_picture_is_in_colours_and_carries_the_alpha_that_the_model_never_sees(scale):
    told = []

    def model(images, mask, alpha_of):
        told.append(alpha_of)
        return torch.zeros(len(images), 3, images.shape[-2] * scale, images.shape[-1] * scale)

    picture = torch.rand(2, 4, 5)
    picture[1, :2] = 0
    (answer,) = apply_whole(model, [picture], Geometry(scale=scale))
    assert told == [None]
    assert answer.shape == (4, 4 * scale, 5 * scale)
    centre = scale // 2
    assert torch.allclose(answer[3, centre::scale, centre::scale], picture[1])
    assert answer[3, :scale].amax() == 0


@pytest.mark.parametrize("size", [(1, 7), (9, 1), (16, 16), (13, 27)])
def test_what_is_invisible_takes_the_colours_of_what_is_visible_around(size):
    colour, alpha = torch.zeros(3, *size), torch.zeros(1, *size)
    colour[:, 0, 0] = torch.tensor([0.9, 0.5, 0.1])
    alpha[:, 0, 0] = 0.3
    assert torch.allclose(filled(colour, alpha), torch.tensor([0.9, 0.5, 0.1]).view(3, 1, 1).expand(3, *size))


def test_the_colour_of_what_is_hardly_seen_does_not_count():
    colour, alpha = torch.zeros(3, 4, 4), torch.full((1, 4, 4), 1 / 255)
    colour[1] = 1  # green that nobody sees
    colour[:, :2] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    alpha[:, :2] = 1
    assert torch.allclose(filled(colour, alpha), torch.tensor([1.0, 0, 0]).view(3, 1, 1).expand(3, 4, 4))


def test_what_is_visible_keeps_its_colours_and_so_does_what_has_nothing_visible_around():
    colour = torch.rand(3, 8, 8)
    alpha = (torch.rand(1, 8, 8) > 0.5).float() * 0.2
    assert torch.equal(filled(colour, alpha)[:, alpha[0] > 0], colour[:, alpha[0] > 0])
    for uniform in (0.0, 0.5):
        assert torch.equal(filled(colour, torch.full((1, 8, 8), uniform)), colour)


def test_no_dark_halo_creeps_into_the_edges_of_what_is_visible():
    picture = torch.zeros(4, 12, 12)
    picture[:, 4:8, 4:8] = 1  # white on transparent black

    def blurring(images, mask, alpha_of):
        return torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)

    (answer,) = apply_whole(blurring, [picture], Geometry(restores=True))
    assert torch.allclose(answer[:3][:, answer[3] > 0], torch.ones(()))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mask_keeps_its_one_channel_whatever_the_model_takes(channels):
    mask = torch.rand(2, 1, 4, 4)
    assert Geometry(channels=channels).channelled(mask) is mask
