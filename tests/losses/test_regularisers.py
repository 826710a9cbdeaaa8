"""Gradient penalties where the gradient is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from i2i import I2IError

LossOf = Callable[..., nn.Module]
REGULARISERS = ("r1", "r2", "gradient-penalty", "zero-centred")
REAL, FAKE = torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4)


class Linear(nn.Module):
    """D(x) = w·x, one logit a picture: its gradient is w everywhere, w/2 on [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(48))

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.flatten(1) @ self.weights


def bowl(pictures: Tensor) -> Tensor:
    """D(x) = ½ ‖x‖²: its gradient is x, x/2 on [-1, 1]."""
    return pictures.square().flatten(1).sum(1) / 2


def patches(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Tanh(), nn.Conv2d(width, 1, 3, padding=1))


def test_every_regulariser_knows_the_gradient_of_a_linear_discriminator(loss: LossOf) -> None:
    discriminator = Linear()
    length = discriminator.weights.detach().norm().item() / 2
    expected = {"r1": length**2 / 2, "r2": length**2 / 2}
    expected |= {"gradient-penalty": (length - 1) ** 2, "zero-centred": length**2}
    for name, value in expected.items():
        assert loss(name)(discriminator, REAL, FAKE).item() == pytest.approx(value, rel=1e-5)


def test_penalties_are_those_of_pictures_on_the_papers_scale(loss: LossOf) -> None:
    """The same discriminator as a function of s = 2x − 1 in [-1, 1]."""
    discriminator = patches()
    signed = (2 * REAL - 1).requires_grad_()
    (gradients,) = torch.autograd.grad(discriminator((signed + 1) / 2).mean((1, 2, 3)).sum(), signed)
    squared = gradients.square().sum((1, 2, 3))
    expected = {"r1": squared.mean() / 2, "r2": squared.mean() / 2, "zero-centred": squared.mean()}
    expected["gradient-penalty"] = (squared.sqrt() - 1).square().mean()
    for name in REGULARISERS:
        torch.testing.assert_close(loss(name)(discriminator, REAL, REAL), expected[name])


def test_r1_looks_at_real_pictures_and_r2_at_generated_ones(loss: LossOf) -> None:
    """‖∇D(x)‖² = ‖x‖² / 4 in the bowl."""
    for name, pictures in (("r1", REAL), ("r2", FAKE)):
        expected = sum(picture.norm().item() ** 2 for picture in pictures) / len(pictures) / 4 / 2
        assert loss(name)(bowl, REAL, FAKE).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["gradient-penalty", "zero-centred"])
def test_interpolates_lie_between_each_pair_at_a_place_of_their_own(loss: LossOf, name: str) -> None:
    seen: list[Tensor] = []

    def watched(pictures: Tensor) -> Tensor:
        seen.append(pictures.detach())
        return bowl(pictures)

    real, fake = torch.zeros(200, 1, 2, 2), torch.ones(200, 1, 2, 2)
    loss(name)(watched, real, fake)
    (pictures,) = seen
    shares = pictures[:, 0, 0, 0]
    assert torch.equal(pictures, shares[:, None, None, None].expand_as(pictures))
    assert 0 <= shares.min() < 0.1 < 0.9 < shares.max() <= 1
    assert len(shares.unique()) > 190


def test_one_centred_penalty_averages_over_pictures_not_over_their_gradients(loss: LossOf) -> None:
    """Between x and x is only x: slopes of 1 and 3 cost 0 and 4, their mean 2, where a mean slope would cost 1."""
    pictures = torch.zeros(2, 1, 2, 2)
    slopes = torch.tensor([2.0, 6.0])  # on [0, 1]

    def discriminator(pictures: Tensor) -> Tensor:
        return slopes * pictures[:, 0, 0, 0]

    assert loss("gradient-penalty")(discriminator, pictures, pictures).item() == 2
    assert loss("zero-centred")(discriminator, pictures, pictures).item() == 5
    assert loss("r1")(discriminator, pictures, pictures).item() == 2.5


@pytest.mark.parametrize("name", REGULARISERS)
def test_a_penalty_does_not_grow_with_the_number_of_patches(loss: LossOf, name: str) -> None:
    discriminator = Linear()

    def repeated(pictures: Tensor) -> Tensor:
        return discriminator(pictures)[:, None, None, None].expand(-1, 1, 6, 7)

    torch.testing.assert_close(
        loss(name)(repeated, REAL, FAKE), loss(name)(discriminator, REAL, FAKE), rtol=1e-5, atol=1e-6
    )


def test_only_the_discriminator_learns_from_a_penalty_and_rightly(loss: LossOf) -> None:
    """d/dw ½‖w/2‖² = w/4; d/dw ‖w/2‖² = w/2; d/dw (‖w/2‖ − 1)² = (‖w‖/2 − 1) w / ‖w‖."""
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    for name in REGULARISERS:
        discriminator = Linear()
        loss(name)(discriminator, real, fake).backward()
        weights = discriminator.weights.detach()
        length = weights.norm()
        factors = {"r1": 1 / 4, "r2": 1 / 4, "zero-centred": 1 / 2, "gradient-penalty": (length / 2 - 1) / length}
        torch.testing.assert_close(discriminator.weights.grad, factors[name] * weights)
    assert real.grad is None
    assert fake.grad is None


@pytest.mark.parametrize("name", REGULARISERS)
def test_under_bfloat16_autocast_a_penalty_is_that_of_float32(loss: LossOf, name: str) -> None:
    discriminator = patches()
    torch.manual_seed(1)
    exact = loss(name)(discriminator, REAL, FAKE)
    (wanted,) = torch.autograd.grad(exact, discriminator[0].weight)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        assert discriminator(REAL).dtype == torch.bfloat16
        value = loss(name)(discriminator, REAL.bfloat16().float(), FAKE.bfloat16())
        (found,) = torch.autograd.grad(value, discriminator[0].weight)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, exact, rtol=1e-2, atol=1e-6)  # the pictures were rounded
    assert torch.isfinite(found).all()
    assert torch.nn.functional.cosine_similarity(found.flatten(), wanted.flatten(), dim=0) > 0.999


@pytest.mark.parametrize("name", REGULARISERS)
def test_the_gradients_of_a_penalty_are_right(loss: LossOf, name: str) -> None:
    discriminator = patches(2).double()
    real, fake = REAL[:2].double(), FAKE[:2].double()
    kernel = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)

    def penalty(kernel: Tensor) -> Tensor:
        torch.manual_seed(3)
        convolved = nn.functional.conv2d
        return loss(name)(lambda pictures: discriminator[1:](convolved(pictures, kernel)), real, fake)

    assert torch.autograd.gradcheck(penalty, (kernel,))


@pytest.mark.parametrize("name", ["gradient-penalty", "r1"])
def test_a_flat_discriminator_has_a_finite_penalty_and_gradient(loss: LossOf, name: str) -> None:
    discriminator = Linear()
    with torch.no_grad():
        discriminator.weights.zero_()
    value = loss(name)(discriminator, REAL, FAKE)
    value.backward()
    assert value == (1.0 if name == "gradient-penalty" else 0.0)
    assert torch.isfinite(discriminator.weights.grad).all()


@pytest.mark.parametrize("name", ["gradient-penalty", "zero-centred"])
def test_points_between_unequal_batches_are_refused(loss: LossOf, name: str) -> None:
    with pytest.raises(I2IError, match=r"as many of each, of one size; found \(5, 3, 4, 4\) and \(3, 3, 4, 4\)"):
        loss(name)(bowl, REAL, FAKE[:3])
    assert torch.isfinite(loss("r1")(bowl, REAL, FAKE[:3]))


@pytest.mark.parametrize("name", REGULARISERS)
def test_how_often_a_regulariser_is_computed_is_an_option_that_its_role_tells(
    role: Callable[..., nn.Module], name: str
) -> None:
    assert role(name).every == 1
    assert role(name, every=16).every == 16
