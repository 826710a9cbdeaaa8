"""What sets the adversarial games apart: who saturates, whose labels are soft or noisy, who is judged how."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from i2i import I2IError

LossOf = Callable[..., nn.Module]
RoleOf = Callable[..., nn.Module]
FLIPPABLE = ("minimax", "nonsaturating", "lsgan", "hinge", "wgan-gp", "relativistic-average")


def slope(loss: Callable[[Tensor], Tensor], logit: float) -> float:
    logits = torch.tensor([logit], requires_grad=True)
    loss(logits).backward()
    assert logits.grad is not None
    return logits.grad.item()


def test_a_sure_discriminator_leaves_the_minimax_generator_without_gradient(loss: LossOf) -> None:
    minimax, nonsaturating = loss("minimax").generator, loss("nonsaturating").generator
    assert slope(minimax, -20.0) == pytest.approx(0, abs=1e-8)
    assert slope(nonsaturating, -20.0) == pytest.approx(-1)
    assert slope(minimax, 0.0) == slope(nonsaturating, 0.0) == -0.5  # both push towards "real"
    assert slope(minimax, 20.0) == pytest.approx(-1)


def test_the_minimax_game_is_zero_sum_in_the_generated_pictures(loss: LossOf) -> None:
    game, certain, fake = loss("minimax"), torch.full((5,), 1e4), torch.randn(5)
    assert game.discriminator(certain, fake) == -game.generator(fake)


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_the_logistic_game_neither_overflows_nor_vanishes_for_the_loser(loss: LossOf, size: float) -> None:
    logits = torch.tensor([size], requires_grad=True)
    value = loss("nonsaturating").generator(logits)
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert logits.grad.item() == (-1.0 if size < 0 else 0.0)


def test_lsgan_plays_for_the_logits_that_its_options_name(loss: LossOf) -> None:
    game, real, fake = loss("lsgan", real=0.9, fake=-1.0), torch.tensor([3.0, 0.0]), torch.tensor([0.5, -2.0])
    assert game.generator(fake).item() == pytest.approx((0.16 + 8.41) / 2)
    assert game.discriminator(real, fake).item() == pytest.approx((4.41 + 0.81) / 2 + (2.25 + 1) / 2)


def test_the_relativistic_sides_exchange_what_they_wish_for(loss: LossOf) -> None:
    """The generator wants of its pictures what the discriminator wants of the real ones."""
    game, real, fake = loss("relativistic-average"), torch.randn(4, 1, 3, 3), torch.randn(4, 1, 3, 3)
    assert game.generator(fake, real) == game.discriminator(fake, real)


def test_the_relativistic_game_on_equals_is_worth_two_bits_and_sees_no_common_offset(loss: LossOf) -> None:
    game, real, fake = loss("relativistic-average"), torch.randn(6).double(), torch.randn(6).double()
    same = torch.full((6,), 2.5)
    assert game.discriminator(same, same).item() == pytest.approx(2 * math.log(2))
    assert game.generator(same, same).item() == pytest.approx(2 * math.log(2))
    torch.testing.assert_close(game.discriminator(real + 7, fake + 7), game.discriminator(real, fake))


@pytest.mark.parametrize("name", ["minimax", "nonsaturating"])
def test_smoothing_makes_the_best_answer_to_real_pictures_less_than_sure(loss: LossOf, name: str) -> None:
    """Cross-entropy with the target 0.8 is least where σ(D) = 0.8."""
    game, fake = loss(name, smoothing=0.2), torch.tensor([-3.0])
    best = math.log(0.8 / 0.2)
    assert slope(lambda real: game.discriminator(real, fake), best) == pytest.approx(0, abs=1e-6)
    assert slope(lambda real: game.discriminator(real, fake), best + 1) > 0
    entropy = -0.8 * math.log(0.8) - 0.2 * math.log(0.2)
    rest = math.log1p(math.exp(-3))
    assert game.discriminator(torch.tensor([best]), fake).item() == pytest.approx(entropy + rest, rel=1e-6)


def test_smoothing_is_one_sided_and_the_discriminators_alone(loss: LossOf) -> None:
    plain, smooth = loss("nonsaturating"), loss("nonsaturating", smoothing=0.2)
    real = torch.zeros(1)  # where smoothing changes nothing: both answers are as likely
    for fake in (torch.tensor([4.0]), torch.tensor([-4.0])):
        assert smooth.discriminator(real, fake) == plain.discriminator(real, fake)
        assert smooth.generator(fake) == plain.generator(fake)


def test_relativistic_smoothing_charges_for_the_lead(loss: LossOf) -> None:
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([0.0, -2.0])  # leads of 4 and 2: 3 on average
    difference = loss("relativistic-average", smoothing=0.1).discriminator(real, fake)
    difference = difference - loss("relativistic-average").discriminator(real, fake)
    assert difference.item() == pytest.approx(0.1 * 3, rel=1e-5)


@pytest.mark.parametrize("name", FLIPPABLE)
def test_flipping_for_certain_exchanges_the_labels(loss: LossOf, name: str) -> None:
    real, fake = torch.randn(4, 1, 2, 2), torch.randn(4, 1, 2, 2)
    plain, flipped = loss(name), loss(name, flipping=1.0)
    assert flipped.discriminator(real, fake) == plain.discriminator(fake, real)
    assert flipped.generator(fake, real) == plain.generator(fake, real)


def test_flipping_takes_whole_samples_at_its_rate(loss: LossOf) -> None:
    """Least squares with real logits 1 and fake logits 0 counts the patches whose labels changed places, twice."""
    real, fake = torch.ones(4000, 1, 2, 2), torch.zeros(4000, 1, 2, 2)
    share = loss("lsgan", flipping=0.3).discriminator(real, fake).item() / 2
    assert share == pytest.approx(0.3, abs=0.03)
    one = torch.tensor([loss("lsgan", flipping=0.5).discriminator(real[:1], fake[:1]).item() for _ in range(50)])
    assert set(one.tolist()) == {0.0, 2.0}


def test_flipping_repeats_with_torchs_seed_and_draws_nothing_when_off(loss: LossOf) -> None:
    real, fake, game = torch.randn(9), torch.randn(9), loss("hinge", flipping=0.5)
    values = []
    for _ in range(2):
        torch.manual_seed(5)
        values.append(game.discriminator(real, fake))
    assert values[0] == values[1]
    before = torch.get_rng_state()
    loss("hinge").discriminator(real, fake)
    assert torch.equal(torch.get_rng_state(), before)


def test_flipping_asks_for_as_many_real_as_generated_pictures(loss: LossOf) -> None:
    with pytest.raises(I2IError, match=r"found logits \(3,\) of real and \(2,\) of generated .* set flipping=0"):
        loss("hinge", flipping=0.1).discriminator(torch.zeros(3), torch.zeros(2))
    assert torch.isfinite(loss("hinge").discriminator(torch.zeros(3), torch.zeros(2)))


REAL, FAKE = torch.tensor([0.7, 0.4, 0.2, -1.0]), torch.tensor([0.6, 0.1, -0.3, 0.4])


@pytest.mark.parametrize(
    ("name", "options", "shares"),
    [
        ("nonsaturating", {}, (0.75, 0.25)),  # the boundary is 0
        ("hinge", {}, (0.75, 0.25)),
        ("lsgan", {}, (0.25, 0.75)),  # ½
        ("lsgan", {"real": 1.0, "fake": -1.0}, (0.75, 0.25)),  # 0
        ("lsgan", {"real": 0.0, "fake": 1.0}, (0.75, 0.25)),  # ½, and real is below it
        ("wgan-gp", {}, (0.5, 0.25)),  # fake is 0.2 on average, real 0.075
        ("relativistic-average", {}, (0.5, 0.25)),
    ],
)
def test_accuracy_is_judged_at_each_games_own_boundary(
    role: RoleOf, name: str, options: dict[str, float], shares: tuple[float, float]
) -> None:
    real, fake = role(name, **options).accuracy(REAL.double(), FAKE.double())
    assert (real.item(), fake.item()) == shares


def test_wasserstein_weighs_its_penalty_by_its_option_and_leaves_it_out_at_zero(loss: LossOf) -> None:
    weights = torch.randn(3 * 2 * 2)
    real, fake = torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2)

    def linear(pictures: Tensor) -> Tensor:
        return pictures.flatten(1) @ weights

    expected = (weights.norm().item() / 2 - 1) ** 2  # the gradient of a picture on [-1, 1] is w/2
    assert loss("wgan-gp").penalty(linear, real, fake).item() == pytest.approx(10 * expected, rel=1e-5)
    assert loss("wgan-gp", penalty=0.5).penalty(linear, real, fake).item() == pytest.approx(expected / 2, rel=1e-5)
    assert loss("wgan-gp", penalty=0).penalty(linear, real, fake) is None
