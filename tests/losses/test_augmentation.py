"""What differentiable augmentation does to pictures, and to the gradients that come back through them."""

from __future__ import annotations

import time

import pytest
import torch
from torch import Tensor

from i2i.losses.augmentation import DifferentiableAugmentation, cut_out, recolour, translate

KINDS = ("colour", "translation", "cutout")


def numbered(count: int, height: int, width: int) -> Tensor:
    """Pictures of which every pixel is another number in [1, 2): never the grey of a fill."""
    pixels = torch.arange(height * width, dtype=torch.float64).view(1, 1, height, width)
    return (1 + pixels / (height * width)).expand(count, 1, height, width)


def test_no_kinds_leave_the_very_same_pictures() -> None:
    pictures = torch.rand(2, 3, 8, 8)
    assert DifferentiableAugmentation(())(pictures) is pictures


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS])
@pytest.mark.parametrize("channels", [1, 3])
def test_shapes_and_kinds_of_numbers_stay(kinds: tuple[str, ...], channels: int) -> None:
    augment = DifferentiableAugmentation(kinds)
    for dtype in (torch.float32, torch.float64):
        pictures = torch.rand(4, channels, 12, 20, dtype=dtype)
        changed = augment(pictures)
        assert (changed.shape, changed.dtype) == (pictures.shape, dtype)
        assert torch.isfinite(changed).all()
        assert not torch.equal(changed, pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same_changes_bit_for_bit(kind: str) -> None:
    augment, pictures, results = DifferentiableAugmentation((kind,)), torch.rand(6, 3, 16, 16), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(augment(pictures))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_is_changed_in_its_own_way(kind: str) -> None:
    same = torch.rand(1, 3, 32, 32).expand(8, 3, 32, 32)
    changed = DifferentiableAugmentation((kind,))(same)
    assert len({picture.numpy().tobytes() for picture in changed}) > 6


def test_kinds_apply_in_the_order_given() -> None:
    """A hole that is cut before recolouring is recoloured too."""
    white = torch.ones(16, 1, 8, 8)
    for kinds, holes_stay_grey in ((("colour", "cutout"), True), (("cutout", "colour"), False)):
        changed = DifferentiableAugmentation(kinds)(white)
        assert all((picture == 0.5).any() for picture in changed) == holes_stay_grey


# translation


def test_translation_moves_whole_pictures_by_up_to_an_eighth_and_fills_with_grey() -> None:
    height, width, count = 16, 24, 400
    pictures, shifts = numbered(count, height, width), set()
    for before, after in zip(pictures[:, 0], translate(pictures)[:, 0], strict=True):
        y, x = torch.nonzero(after > 0.75)[0].tolist()  # the first pixel that is the picture's
        from_y, from_x = torch.nonzero(before == after[y, x])[0].tolist()
        down, right = y - from_y, x - from_x
        expected = torch.full_like(before, 0.5)
        kept = before[max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
        expected[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = kept
        assert torch.equal(after, expected)
        shifts.add((down, right))
    assert shifts == {(down, right) for down in range(-2, 3) for right in range(-3, 4)}


def test_translation_moves_all_channels_together() -> None:
    grey = torch.rand(8, 1, 16, 16).expand(8, 3, 16, 16)
    moved = translate(grey)
    assert torch.equal(moved[:, 0], moved[:, 1])
    assert torch.equal(moved[:, 0], moved[:, 2])


# cutout


def test_cutout_greys_half_of_each_side_anywhere_but_no_more() -> None:
    height, width, count = 16, 24, 2000
    pictures = numbered(count, height, width)
    cut = cut_out(pictures)
    holes = cut == 0.5
    assert torch.equal(cut[~holes], pictures[~holes])
    tall, wide = holes.any(3).sum(2), holes.any(2).sum(2)  # (B, 1) each
    assert torch.equal(holes.sum((2, 3)), tall * wide), "a rectangle"
    assert (tall.min(), tall.max()) == (height // 4, height // 2)
    assert (wide.min(), wide.max()) == (width // 4, width // 2)
    often = holes.float().mean((0, 1))  # of each pixel
    assert often[height // 2, width // 2] == pytest.approx(0.25, abs=0.05), "the middle is no likelier than a quarter"
    assert often[0, 0] > 0.03, "corners too"


# colour


def test_recolouring_shifts_a_flat_grey_by_up_to_a_quarter() -> None:
    """Saturation and contrast leave a flat grey alone."""
    flat = recolour(torch.full((2000, 3, 2, 2), 0.5, dtype=torch.float64))
    shifts = flat[:, 0, 0, 0] - 0.5
    torch.testing.assert_close(flat - 0.5, shifts.view(-1, 1, 1, 1).expand_as(flat), rtol=0, atol=1e-7)
    assert -0.25 <= shifts.min() < -0.24
    assert 0.24 < shifts.max() <= 0.25
    assert shifts.mean() == pytest.approx(0, abs=0.02)


def test_recolouring_stretches_contrast_from_half_to_half_as_much_again_about_the_mean() -> None:
    """Without colour there is no saturation: the two halves' difference is the factor of contrast."""
    halves = torch.tensor([0.2, 0.8], dtype=torch.float64).view(1, 1, 1, 2).expand(2000, 1, 2, 2)
    changed = recolour(halves)
    factors = (changed[:, 0, 0, 1] - changed[:, 0, 0, 0]) / 0.6
    assert 0.5 <= factors.min() < 0.52
    assert 1.48 < factors.max() <= 1.5
    assert (changed.mean((1, 2, 3)) - 0.5).abs().max() <= 0.25 + 1e-9


def test_recolouring_takes_saturation_from_none_to_double() -> None:
    """A flat colour's channels differ by saturation times contrast as much as before."""
    red = torch.tensor([0.9, 0.1, 0.1], dtype=torch.float64).view(1, 3, 1, 1).expand(4000, 3, 2, 2)
    changed = recolour(red)
    stretch = (changed[:, 0] - changed[:, 1]).mean((1, 2)) / 0.8
    assert 0 <= stretch.min() < 0.02
    assert 2.8 < stretch.max() <= 3.0
    assert stretch.mean() == pytest.approx(1, abs=0.05)


# gradients


@pytest.mark.parametrize("channels", [1, 3])
def test_recolouring_passes_gradient_to_every_pixel_also_where_it_leaves_the_range(channels: int) -> None:
    extremes = torch.rand(64, channels, 8, 8).round().double().requires_grad_()
    changed = recolour(extremes)
    assert changed.min() < 0
    assert changed.max() > 1
    weights = torch.rand_like(changed) + 0.5
    (gradient,) = torch.autograd.grad((weights * changed).sum(), extremes)
    assert (gradient != 0).all()


def test_translation_and_cutout_pass_gradient_exactly_to_the_pixels_that_are_still_seen() -> None:
    for change in (translate, cut_out):
        pictures = numbered(16, 16, 16).clone().requires_grad_()
        changed = change(pictures)
        (gradient,) = torch.autograd.grad(changed.sum(), pictures)
        for before, after, seen in zip(pictures[:, 0], changed[:, 0], gradient[:, 0], strict=True):
            assert set(seen.unique().tolist()) <= {0.0, 1.0}
            assert torch.equal(seen.bool(), torch.isin(before, after))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_first_and_second_gradients_are_right(kind: str, channels: int) -> None:
    """Second ones are what a gradient penalty on an augmented discriminator needs."""
    augment = DifferentiableAugmentation((kind,))

    def changed(pictures: Tensor) -> Tensor:
        torch.manual_seed(2)
        return augment(pictures).square().sum((1, 2, 3))

    pictures = torch.rand(2, channels, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(changed, (pictures,))
    assert torch.autograd.gradgradcheck(changed, (pictures,))


def test_a_small_batch_is_augmented_in_a_few_milliseconds() -> None:
    augment, pictures = DifferentiableAugmentation(KINDS), torch.rand(64, 3, 32, 32)
    seconds = []
    for _ in range(8):
        began = time.perf_counter()
        augment(pictures)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.02
