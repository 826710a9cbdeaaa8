import torch

from i2i.features.random import random_features, spread


def test_features_are_the_same_every_time_and_leave_torchs_chance_alone():
    pictures = torch.rand(3, 3, 20, 30)
    state = torch.get_rng_state()
    assert torch.equal(random_features(pictures), random_features(pictures))
    assert torch.equal(torch.get_rng_state(), state)
    assert random_features(pictures).shape == (3, 1792)


def test_a_grey_picture_has_the_features_of_itself_in_colour():
    grey = torch.rand(2, 1, 40, 40)
    assert torch.equal(random_features(grey), random_features(grey.expand(-1, 3, -1, -1)))


def test_a_pictures_features_do_not_depend_on_its_company():
    pictures = torch.rand(4, 3, 32, 32)
    torch.testing.assert_close(random_features(pictures)[:1], random_features(pictures[:1]))


def test_spread_is_the_mean_distance_of_two_different_rows():
    assert spread(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == (5 + 0 + 5) / 3


def test_pictures_that_differ_more_are_spread_wider():
    base, other = torch.rand(1, 3, 32, 32), torch.rand(16, 3, 32, 32)
    spreads = [spread(random_features(torch.lerp(base, other, share))) for share in (0.0, 0.25, 0.5, 1.0)]
    assert spreads[0] < 1e-6
    assert spreads == sorted(spreads)
