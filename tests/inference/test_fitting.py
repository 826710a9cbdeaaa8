import pytest
import torch

from i2i import Geometry
from i2i.inference.fitting import apply, mirrored

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
