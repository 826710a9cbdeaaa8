from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i import LossSpec, discover
from i2i.plugins import resolve
from i2i.training.building import WeightedLoss

SPECS: dict[str, LossSpec] = {
    entry.name: entry.value for entry in discover() if entry.kind == "loss" and entry.distribution == "i2i"
}
ADVERSARIAL = sorted(name for name, spec in SPECS.items() if spec.kind == "adversarial")
IMAGE = sorted(name for name, spec in SPECS.items() if spec.kind == "image")
FAKE = torch.tensor([[0.5, -2.0]], dtype=torch.float64)
REAL = torch.tensor([[3.0, 0.0]], dtype=torch.float64)


def loss(name: str, **options: Any) -> nn.Module:
    return resolve(SPECS[name].build)(SPECS[name].options(**options))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_the_built_in_losses_are_these() -> None:
    assert ADVERSARIAL == ["hinge", "lsgan", "nonsaturating"]
    assert IMAGE == ["l1", "mse"]


@pytest.mark.parametrize(("name", "expected"), [("l1", (1 + 0 + 2 + 5) / 4), ("mse", (1 + 0 + 4 + 25) / 4)])
def test_image_losses_have_the_values_computed_by_hand(name: str, expected: float) -> None:
    prediction = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])
    target = torch.tensor([[[[0.0, 2.0], [5.0, 1.0]]]])
    assert loss(name)(prediction, target).item() == expected
    assert loss(name)(target, target).item() == 0


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("lsgan", (0.25 + 9) / 2, (4 + 1) / 2 + (0.25 + 4) / 2),
        (
            "nonsaturating",
            (softplus(-0.5) + softplus(2)) / 2,
            (softplus(-3) + softplus(0)) / 2 + (softplus(0.5) + softplus(-2)) / 2,
        ),
        ("hinge", 0.75, (0 + 1) / 2 + (1.5 + 0) / 2),
    ],
)
def test_adversarial_losses_have_the_values_computed_by_hand(name: str, generator: float, discriminator: float) -> None:
    game = loss(name)
    assert game.generator(FAKE, None).item() == pytest.approx(generator, rel=1e-14)
    assert game.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-14)


def test_lsgan_plays_for_the_logits_that_its_options_name() -> None:
    game = loss("lsgan", real=0.9, fake=-1.0)
    assert game.generator(FAKE).item() == pytest.approx((0.16 + 8.41) / 2)
    assert game.discriminator(REAL, FAKE).item() == pytest.approx((4.41 + 0.81) / 2 + (2.25 + 1) / 2)


@pytest.mark.parametrize("name", sorted(SPECS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_loss_is_one_number_of_its_inputs_kind(name: str, dtype: torch.dtype) -> None:
    first, second = torch.rand(2, 3, 4, 4, dtype=dtype), torch.rand(2, 3, 4, 4, dtype=dtype)
    for play in plays(name):
        value = play(first, second)
        assert value.shape == ()
        assert value.dtype == dtype
        assert torch.isfinite(value)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_the_gradients_of_every_loss_are_right(name: str) -> None:
    torch.manual_seed(0)
    first = torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    second = torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    for play in plays(name):
        assert torch.autograd.gradcheck(play, (first, second))


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_games_are_won_by_logits_far_on_the_right_side(name: str) -> None:
    game, high, low = loss(name), torch.full((4,), 1.0), torch.full((4,), -1.0)
    assert game.generator(high) < game.generator(low)
    assert game.discriminator(high, low) < game.discriminator(low, high)
    assert not SPECS[name].needs_real_logits


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_the_logistic_game_neither_overflows_nor_vanishes_for_the_loser(size: float) -> None:
    logits = torch.tensor([size], requires_grad=True)
    value = loss("nonsaturating").generator(logits)
    value.backward()
    assert torch.isfinite(value)
    assert logits.grad.item() == (-1.0 if size < 0 else 0.0)


@pytest.mark.parametrize("name", sorted(SPECS))
def test_losses_hold_nothing_to_learn(name: str) -> None:
    assert list(loss(name).state_dict()) == []


def test_a_weight_multiplies_what_the_generators_minimise_and_not_what_the_discriminators_do() -> None:
    game = WeightedLoss(loss("lsgan"), 3.0, needs_real_logits=False)
    assert game.weight == 3.0
    assert game.generator(FAKE, None) == 3 * loss("lsgan").generator(FAKE)
    assert game.discriminator(REAL, FAKE) == loss("lsgan").discriminator(REAL, FAKE)
    assert WeightedLoss(loss("l1"), 0.5, needs_real_logits=False)(FAKE, REAL) == loss("l1")(FAKE, REAL) / 2


def plays(name: str) -> list[Callable[[Tensor, Tensor], Tensor]]:
    """Everything that a loss computes from two tensors."""
    module = loss(name)
    return [module] if SPECS[name].kind == "image" else [module.generator, module.discriminator]
