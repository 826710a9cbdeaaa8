"""What holds for every built-in loss: values computed by hand, kinds of numbers, gradients, options."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pydantic
import pytest
import torch
from torch import Tensor, nn

from i2i import LossSpec, discover
from i2i.training.building import WeightedLoss

LossOf = Callable[..., nn.Module]
SPECS: dict[str, LossSpec] = {
    entry.name: entry.value for entry in discover() if entry.kind == "loss" and entry.distribution == "i2i"
}
ADVERSARIAL = sorted(name for name, spec in SPECS.items() if spec.kind == "adversarial")
REGULARISERS = sorted(name for name, spec in SPECS.items() if spec.kind == "regulariser")
IMAGE = sorted(name for name, spec in SPECS.items() if spec.kind == "image")
PERCEPTUAL = ["features", "lpips"]
"""Tested in `test_perceptual.py`: they read files."""
PIXELS = sorted({*IMAGE} - {*PERCEPTUAL})
FAKE = torch.tensor([[0.5, -2.0]], dtype=torch.float64)
REAL = torch.tensor([[3.0, 0.0]], dtype=torch.float64)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def plays(kind: str, module: Any) -> list[Callable[[Tensor, Tensor], Tensor]]:
    """Everything that a loss computes from two tensors."""
    return [module] if kind == "image" else [module.generator, module.discriminator]


def test_the_built_in_losses_are_these() -> None:
    assert ADVERSARIAL == ["hinge", "lsgan", "minimax", "nonsaturating", "relativistic-average", "wgan-gp"]
    assert REGULARISERS == ["gradient-penalty", "r1", "r2", "zero-centred"]
    assert IMAGE == ["features", "l1", "lpips", "mse"]


@pytest.mark.parametrize("name", [*ADVERSARIAL, *REGULARISERS, *PERCEPTUAL])
def test_every_loss_but_the_plainest_names_its_paper_and_describes_its_options(name: str) -> None:
    assert SPECS[name].paper
    assert all(field.description for field in SPECS[name].options.model_fields.values())


@pytest.mark.parametrize(("name", "expected"), [("l1", (1 + 0 + 2 + 5) / 4), ("mse", (1 + 0 + 4 + 25) / 4)])
def test_image_losses_have_the_values_computed_by_hand(loss: LossOf, name: str, expected: float) -> None:
    prediction = torch.tensor([[[[1.0, 2.0], [3.0, -4.0]]]])
    target = torch.tensor([[[[0.0, 2.0], [5.0, 1.0]]]])
    assert loss(name)(prediction, target).item() == expected
    assert loss(name)(target, target).item() == 0


LOGISTIC = (softplus(-3) + softplus(0)) / 2 + (softplus(0.5) + softplus(-2)) / 2


@pytest.mark.parametrize(
    ("name", "generator", "discriminator"),
    [
        ("lsgan", (0.25 + 9) / 2, (4 + 1) / 2 + (0.25 + 4) / 2),
        ("minimax", -(softplus(0.5) + softplus(-2)) / 2, LOGISTIC),
        ("nonsaturating", (softplus(-0.5) + softplus(2)) / 2, LOGISTIC),
        ("hinge", 0.75, (0 + 1) / 2 + (1.5 + 0) / 2),
        ("wgan-gp", 0.75, -0.75 - 1.5),
        (  # real logits lead the fake ones' mean, -0.75, by 3.75 and 0.75; fake ones lead 1.5 by -1 and -3.5
            "relativistic-average",
            (softplus(1) + softplus(3.5)) / 2 + (softplus(3.75) + softplus(0.75)) / 2,
            (softplus(-3.75) + softplus(-0.75)) / 2 + (softplus(-1) + softplus(-3.5)) / 2,
        ),
    ],
)
def test_adversarial_losses_have_the_values_computed_by_hand(
    loss: LossOf, name: str, generator: float, discriminator: float
) -> None:
    game = loss(name)
    assert game.generator(FAKE, REAL).item() == pytest.approx(generator, rel=1e-14)
    assert game.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-14)
    if not SPECS[name].needs_real_logits:
        assert game.generator(FAKE, None) == game.generator(FAKE, REAL)


@pytest.mark.parametrize("name", [*ADVERSARIAL, *PIXELS])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_every_loss_is_one_number_of_its_inputs_kind(loss: LossOf, name: str, dtype: torch.dtype) -> None:
    first, second = torch.rand(2, 3, 4, 4, dtype=dtype), torch.rand(2, 3, 4, 4, dtype=dtype)
    for play in plays(SPECS[name].kind, loss(name)):
        value = play(first, second)
        assert value.shape == ()
        assert value.dtype == dtype
        assert torch.isfinite(value)


@pytest.mark.parametrize("name", [*ADVERSARIAL, *PIXELS])
def test_the_gradients_of_every_loss_are_right(loss: LossOf, name: str) -> None:
    first = torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    second = torch.randn(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    for play in plays(SPECS[name].kind, loss(name)):
        assert torch.autograd.gradcheck(play, (first, second))


@pytest.mark.parametrize("name", ADVERSARIAL)
@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 1, 3, 5)])
def test_games_are_won_by_logits_far_on_the_right_side(loss: LossOf, name: str, shape: tuple[int, ...]) -> None:
    game, high, low = loss(name), torch.full(shape, 1.0), torch.full(shape, -1.0)
    assert game.generator(high, low) < game.generator(low, high)
    assert game.discriminator(high, low) < game.discriminator(low, high)


@pytest.mark.parametrize("name", sorted({*SPECS} - {*PERCEPTUAL}))
def test_losses_hold_nothing_to_learn(loss: LossOf, name: str) -> None:
    assert list(loss(name).state_dict()) == []


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("minimax", {"smoothing": 0.5}),
        ("nonsaturating", {"smoothing": -0.1}),
        ("hinge", {"smoothing": 0.1}),
        ("hinge", {"flipping": 1.1}),
        ("wgan-gp", {"penalty": -1}),
        ("r1", {"every": 0}),
    ],
)
def test_options_out_of_bounds_are_refused(name: str, options: dict[str, float]) -> None:
    (key,) = options
    with pytest.raises(pydantic.ValidationError, match=key):
        SPECS[name].options(**options)


def test_least_squares_with_one_target_for_both_sides_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError, match=r"real 1\.0 and fake 1\.0 are the same target"):
        SPECS["lsgan"].options(fake=1)
    assert SPECS["lsgan"].options(real=-1, fake=1)


def test_a_weight_multiplies_what_the_generators_minimise_and_not_what_the_discriminators_do(loss: LossOf) -> None:
    game = WeightedLoss(loss("lsgan"), 3.0, needs_real_logits=False)
    assert game.weight == 3.0
    assert game.generator(FAKE, None) == 3 * loss("lsgan").generator(FAKE)
    assert game.discriminator(REAL, FAKE) == loss("lsgan").discriminator(REAL, FAKE)
    assert WeightedLoss(loss("l1"), 0.5, needs_real_logits=False)(FAKE, REAL) == loss("l1")(FAKE, REAL) / 2
