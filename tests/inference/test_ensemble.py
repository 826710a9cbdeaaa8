from functools import partial

import pytest
import torch

from i2i import Request
from i2i.inference.ensemble import WAYS, in_all_ways


class Enlarging:
    """Repeats pixels, and darkens the left edge, so that how a picture lies matters."""

    def __init__(self, edge=0.0):
        self.edge = edge
        self.seen = []

    def translate(self, images, request):
        self.seen.append(images.clone())
        request.report(0.5, loss=1.0)
        request.show(1, images)
        answer = images.repeat_interleave(2, -1).repeat_interleave(2, -2)
        answer[..., 0] *= 1 - self.edge
        return answer


@pytest.mark.parametrize("shape", [(2, 3, 5, 8), (1, 1, 1, 1), (1, 3, 4, 4)])
def test_a_model_that_does_not_care_how_a_picture_lies_answers_the_same(shape):
    images = torch.rand(shape)
    expected = Enlarging().translate(images, Request())
    assert torch.allclose(in_all_ways(Enlarging(), images, Request()), expected)


def test_the_eight_ways_differ_one_comes_after_another_and_none_is_larger_than_the_batch():
    model = Enlarging()
    in_all_ways(model, torch.arange(12.0).view(1, 1, 3, 4), Request())
    assert len(model.seen) == WAYS == 8
    assert [tuple(seen.shape[-2:]) for seen in model.seen] == [(3, 4), (4, 3)] * 4
    assert len({(*seen.shape, *seen.flatten().tolist()) for seen in model.seen}) == 8


def test_what_a_model_does_to_one_edge_is_spread_over_all_four():
    mean = in_all_ways(Enlarging(edge=0.8), torch.ones(1, 1, 3, 3), Request())[0, 0]
    assert torch.allclose(mean[2:4, 2:4], torch.ones(2, 2))
    for turned in (mean.rot90(1), mean.rot90(2), mean.flip(0)):
        assert torch.allclose(turned, mean)
    assert mean[0, 3] == pytest.approx(0.8)  # each edge is the left one in two of eight ways


def test_the_sum_is_kept_in_full_precision():
    class Half:
        def translate(self, images, request):
            return torch.full_like(images, 0.1, dtype=torch.bfloat16)

    assert in_all_ways(Half(), torch.zeros(1, 3, 2, 2), Request()).dtype == torch.float32


def test_progress_is_of_the_whole_and_pictures_on_the_way_are_not_shown():
    heard, seen = [], []
    request = Request(report=lambda fraction, **scalars: heard.append((fraction, scalars)), show=partial(seen.append))
    in_all_ways(Enlarging(), torch.zeros(1, 3, 2, 2), request)
    assert heard == [((way + 0.5) / 8, {"loss": 1.0}) for way in range(8)]
    assert seen == []
