from __future__ import annotations

import pytest
import torch
from i2i_gatys.colour import LEVELS, luma, luma_levels, palette, repainted, with_luma_levels, with_luma_of
from torch import Tensor


def muted(seed: int, height: int = 40, width: int = 50) -> Tensor:
    """Colours far enough from black and white that no change of palette clips them."""
    chance = torch.Generator().manual_seed(seed)
    mixing = torch.eye(3) + 0.3 * torch.rand(3, 3, generator=chance)
    colours = torch.rand(1, 3, height, width, generator=chance)
    return 0.3 + 0.2 * torch.einsum("ij,bjhw->bihw", mixing, colours)


def test_a_palette_is_the_mean_and_the_covariance() -> None:
    picture = muted(0)
    mean, covariance = palette(picture)
    colours = picture.flatten(2)[0]
    torch.testing.assert_close(mean[0], colours.mean(1))
    torch.testing.assert_close(covariance[0], torch.cov(colours, correction=0))


def test_a_repainted_picture_has_the_palette_that_was_asked_for() -> None:
    mean, covariance = palette(muted(1))
    found = palette(repainted(muted(0), mean[0], covariance[0]))
    torch.testing.assert_close(found[0], mean, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[1], covariance, rtol=1e-2, atol=1e-5)


def test_a_picture_keeps_its_own_palette_as_it_is() -> None:
    picture = muted(0)
    mean, covariance = palette(picture)
    torch.testing.assert_close(repainted(picture, mean[0], covariance[0]), picture, rtol=0, atol=2e-3)


@pytest.mark.parametrize("picture", [torch.full((1, 3, 8, 8), 0.5), torch.rand(1, 1, 8, 8).expand(1, 3, 8, 8)])
def test_a_picture_of_one_colour_or_of_greys_is_repainted_without_noise(picture: Tensor) -> None:
    mean, covariance = palette(muted(1))
    found = repainted(picture, mean[0], covariance[0])
    assert found.isfinite().all()
    assert found.min() >= 0
    assert found.max() <= 1
    back = repainted(muted(1), *(moment[0] for moment in palette(picture)))
    assert back.isfinite().all()


def test_luma_levels_are_matched_rank_by_rank() -> None:
    levels = luma_levels(muted(1))
    assert levels.shape == (LEVELS,)
    assert torch.equal(levels, levels.sort().values)
    found = with_luma_levels(muted(0), levels)
    torch.testing.assert_close(luma_levels(found), levels, rtol=0, atol=2e-3)
    before, after = luma(muted(0)).flatten(), luma(found).flatten()
    order = before.argsort()
    assert (after[order].diff() >= -1e-6).all()


def test_the_light_of_one_picture_falls_on_the_hues_of_another() -> None:
    hues, light = muted(0), muted(1)
    found = with_luma_of(hues, light)
    torch.testing.assert_close(luma(found), luma(light))
    torch.testing.assert_close(found - luma(found), hues - luma(hues), rtol=0, atol=1e-6)


def test_what_is_flat_stays_flat() -> None:
    picture = muted(0)
    picture[..., :20, :] = 0.9
    found = with_luma_levels(picture, luma_levels(muted(1)))
    assert found[..., :20, :].flatten(2).std(dim=2).max() < 1e-6
    assert found[..., 20:, :].flatten(2).std(dim=2).min() > 0.01
