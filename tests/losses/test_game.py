"""Both sides of the game: who sees which pictures, what is added when, what gradient goes where."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i import AdversarialGame, AdversarialOptions, I2IError
from i2i.losses.game import Verdict

RoleOf = Callable[..., Any]
REAL, FAKE = torch.rand(4, 3, 8, 8), torch.rand(4, 3, 8, 8)
GAMES = ("minimax", "nonsaturating", "lsgan", "hinge", "wgan-gp", "relativistic-average")


class Linear(nn.Module):
    """D(x) = w·x, which also remembers what it was shown and whether that was for learning.

    Its gradient is w/2 with respect to a picture on [-1, 1]: R1 is ‖w‖²/8.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.randn(3 * 8 * 8) / 8)
        self.shown: list[Tensor] = []
        self.learning: list[bool] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.shown.append(pictures.detach())
        self.learning.append(torch.is_grad_enabled())
        return pictures.flatten(1) @ self.weights


@pytest.fixture
def judge() -> Linear:
    return Linear()


@pytest.mark.parametrize("name", GAMES)
def test_with_nothing_added_the_game_is_the_adversarial_loss(role: RoleOf, judge: Linear, name: str) -> None:
    loss = role(name, 2.0, **({"penalty": 0} if name == "wgan-gp" else {}))
    game = AdversarialGame(loss)
    before = torch.get_rng_state()
    verdict = game.discriminator(judge, REAL, FAKE, 0)
    assert verdict.loss == verdict.adversarial == loss.discriminator(judge(REAL), judge(FAKE))
    assert verdict.penalty is None
    assert game.generator(judge, FAKE, REAL) == loss.generator(judge(FAKE), judge(REAL))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_verdict_tells_the_loss_and_detached_numbers_about_it(role: RoleOf, judge: Linear) -> None:
    judge.weights.data.fill_(1)
    game = AdversarialGame(role("hinge"), role("r1", 1.0))
    verdict = game.discriminator(judge, REAL, torch.cat([-FAKE[:3], FAKE[3:]]), 0)
    assert isinstance(verdict, Verdict)
    assert verdict.loss.requires_grad
    assert (verdict.real_accuracy.item(), verdict.fake_accuracy.item()) == (1.0, 0.75)
    assert not any(number.requires_grad for number in verdict[1:])
    assert all(number.dim() == 0 for number in verdict)


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("augment", [(), ("colour", "translation", "cutout")])
def test_each_sides_gradient_stays_on_its_side(role: RoleOf, judge: Linear, name: str, augment: tuple[str]) -> None:
    game = AdversarialGame(role(name), role("zero-centred", 1.0), augment)
    fake = FAKE.clone().requires_grad_()
    game.discriminator(judge, REAL, fake, 0).loss.backward()
    assert fake.grad is None
    assert judge.weights.grad is not None
    assert judge.weights.grad.abs().sum() > 0
    judge.requires_grad_(False)
    game.generator(judge, fake, REAL).backward()
    assert fake.grad is not None
    assert all(picture.abs().sum() > 0 for picture in fake.grad)


def test_a_generator_that_compares_has_the_real_pictures_judged_without_learning(role: RoleOf, judge: Linear) -> None:
    AdversarialGame(role("relativistic-average")).generator(judge, FAKE, REAL)
    assert [torch.equal(*pair) for pair in zip(judge.shown, (FAKE, REAL), strict=True)] == [True, True]
    assert judge.learning == [True, False]
    judge.shown.clear()
    AdversarialGame(role("nonsaturating")).generator(judge, FAKE, REAL)
    assert len(judge.shown) == 1


def test_the_losses_own_penalty_counts_at_every_step_unweighted(role: RoleOf, judge: Linear) -> None:
    game = AdversarialGame(role("wgan-gp", 5.0, penalty=2.0))
    plain = judge(FAKE).mean() - judge(REAL).mean()
    penalty = 2 * (judge.weights.norm() / 2 - 1) ** 2
    for step in range(3):
        verdict = game.discriminator(judge, REAL, FAKE, step)
        torch.testing.assert_close(verdict.loss, plain + penalty)
        torch.testing.assert_close(verdict.adversarial, plain.detach())
        torch.testing.assert_close(verdict.penalty, penalty.detach())


def test_a_lazy_regulariser_counts_as_much_more_as_it_is_computed_more_rarely(role: RoleOf, judge: Linear) -> None:
    game = AdversarialGame(role("hinge"), role("r1", 0.7, every=3))
    plain = role("hinge").discriminator(judge(REAL), judge(FAKE))
    penalty = 0.7 * judge.weights.square().sum() / 8
    for step in range(6):
        verdict = game.discriminator(judge, REAL, FAKE, step)
        torch.testing.assert_close(verdict.adversarial, plain.detach())
        if step in (2, 5):  # the third and the sixth step
            torch.testing.assert_close(verdict.loss, plain + 3 * penalty)
            torch.testing.assert_close(verdict.penalty, penalty.detach())
        else:
            assert (verdict.loss, verdict.penalty) == (plain, None)


def test_the_losses_own_penalty_and_the_regulariser_are_told_as_one(role: RoleOf, judge: Linear) -> None:
    game = AdversarialGame(role("wgan-gp", penalty=2.0), role("r1", 0.7, every=2))
    plain = judge(FAKE).mean() - judge(REAL).mean()
    own, flat = 2 * (judge.weights.norm() / 2 - 1) ** 2, 0.7 * judge.weights.square().sum() / 8
    between, due = (game.discriminator(judge, REAL, FAKE, step) for step in (0, 1))
    torch.testing.assert_close(between.penalty, own.detach())
    torch.testing.assert_close(due.penalty, (own + flat).detach())
    torch.testing.assert_close(due.loss, plain + own + 2 * flat)


def test_a_negative_weight_of_the_regulariser_is_refused(role: RoleOf) -> None:
    with pytest.raises(I2IError) as refusal:
        AdversarialGame(role("hinge"), role("r1", -2.0))
    assert str(refusal.value) == (
        "losses.regulariser.weight is -2.0: it would reward a steep discriminator; "
        "set one above 0, or 0 to leave it out"
    )


@pytest.mark.parametrize("every", [0, -3])
def test_a_regulariser_that_is_never_computed_is_refused(role: RoleOf, every: int) -> None:
    regulariser = role("r1")
    regulariser.every = every
    with pytest.raises(I2IError, match=f"is computed every {every} steps: its `every` must be at least 1"):
        AdversarialGame(role("hinge"), regulariser)


def test_a_regulariser_of_no_weight_costs_nothing(role: RoleOf, judge: Linear) -> None:
    AdversarialGame(role("hinge"), role("r1", 0.0)).discriminator(judge, REAL, FAKE, 0)
    assert len(judge.shown) == 2


def test_whatever_the_judge_sees_is_augmented(role: RoleOf, judge: Linear) -> None:
    """A shift by one pixel, or a hole, shows as mid-grey, which the pictures have nowhere."""
    game = AdversarialGame(role("relativistic-average"), role("r1", 1.0), ("cutout",))
    game.generator(judge, FAKE, REAL)
    game.discriminator(judge, REAL, FAKE, 0)
    assert len(judge.shown) == 5  # fake, real; real, fake, real for the regulariser
    assert all((picture == 0.5).any() for pictures in judge.shown for picture in pictures)


def test_penalties_differentiate_through_the_augmentation(role: RoleOf, judge: Linear) -> None:
    """Under a cutout the discriminator's gradient is 0 at the hole: R1 sees at most three quarters and more."""
    judge.weights.data.fill_(1)
    game = AdversarialGame(role("wgan-gp", penalty=0), role("r1", 1.0), ("cutout",))
    verdict = game.discriminator(judge, REAL, FAKE, 0)
    real, fake, again = judge.shown
    seen = (again != 0.5).sum((1, 2, 3)).float()
    torch.testing.assert_close(verdict.loss, judge(fake).mean() - judge(real).mean() + seen.mean() / 8)


def test_a_judge_may_close_over_what_it_knows(role: RoleOf) -> None:
    networks, labels = [Linear(), Linear()], torch.tensor([0, 1, 1, 0])

    def judge(pictures: Tensor) -> Tensor:
        return torch.stack([network(pictures) for network in networks], 1).gather(1, labels[:, None])

    game = AdversarialGame(role("hinge"), role("r1", 2.0))
    expected = torch.stack([network.weights for network in networks]).square().sum(1)[labels].mean() / 4
    plain = role("hinge").discriminator(judge(REAL), judge(FAKE))
    torch.testing.assert_close(game.discriminator(judge, REAL, FAKE, 0).loss, plain + expected)


@pytest.mark.parametrize("regulariser", ["r1", "r2", "gradient-penalty", "zero-centred"])
def test_a_convolutional_game_in_bfloat16_with_everything_on_is_finite(role: RoleOf, regulariser: str) -> None:
    judge = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.GroupNorm(2, 4), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 2))
    game = AdversarialGame(role("wgan-gp"), role(regulariser, 10.0, every=2), ("colour", "translation", "cutout"))
    with torch.autocast("cpu", torch.bfloat16):
        verdict = game.discriminator(judge, REAL, FAKE, 1)
    verdict.loss.backward()
    assert verdict.loss.dtype == torch.float32
    assert verdict.penalty > 0
    assert all(torch.isfinite(parameter.grad).all() for parameter in judge.parameters())


@pytest.mark.parametrize("name", GAMES)
def test_bfloat16_logits_are_compared_in_float32(role: RoleOf, name: str) -> None:
    logits = torch.linspace(-3, 2, 1000).bfloat16()
    loss = role(name, **({"penalty": 0} if name == "wgan-gp" else {}))
    game = AdversarialGame(loss)
    pictures = torch.rand(1000, 1, 2, 2)
    assert game.generator(lambda _: logits, pictures, pictures) == loss.generator(logits.float(), logits.float())
    verdict = game.discriminator(lambda _: logits, pictures, pictures, 0)
    assert verdict.loss == loss.discriminator(logits.float(), logits.float())
    assert verdict.loss.dtype == torch.float32


def test_options_name_the_kinds_of_augmentation() -> None:
    assert AdversarialOptions().augment == ()
    assert AdversarialOptions(augment=["cutout", "colour"]).augment == ("cutout", "colour")
    with pytest.raises(ValueError, match="'colour', 'translation' or 'cutout'"):
        AdversarialOptions(augment=["color"])


def test_the_losses_names_cost_no_torch_and_a_plain_game_no_kornia() -> None:
    code = """
import sys
from i2i import AdversarialOptions
assert "torch" not in sys.modules
from i2i import AdversarialGame
AdversarialGame(None)
assert "kornia" not in sys.modules
AdversarialGame(None, augment=["cutout"])
assert "kornia" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
