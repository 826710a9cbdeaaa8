from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from i2i_vae import ModelOptions, SampleOptions, TrainerOptions
from i2i_vae.model import VAE
from i2i_vae.trainer import VAETrainer, divergence, psnr, reparameterised
from torch import Tensor
from torch.distributions import Laplace, Normal, kl_divergence

import i2i


class OneTurn:
    """Keeps the loss that is minimised; noise is the given one, or none."""

    def __init__(self, step: int = 0, noise: float = 0.0) -> None:
        self.step, self.loss = step, torch.zeros(())
        self.standing = noise

    @contextmanager
    def __call__(self, optimizer: str) -> Iterator[OneTurn]:
        assert optimizer == "autoencoder"
        yield self

    def minimise(self, loss: Any) -> None:
        self.loss = loss

    def noise(self, shape: Sequence[int]) -> Tensor:
        return torch.full(tuple(shape), self.standing)

    def reduce(self, tensor: Tensor) -> Tensor:
        return tensor


def trained_once(
    weights: Mapping[str, tuple[Any, float]], turns: OneTurn, size: Any = 16, **options: Any
) -> tuple[VAE, Tensor, Mapping[str, Tensor]]:
    """(model, pictures, scalars) of one step with these weighted losses by role."""
    model = VAE(ModelOptions(size=size, width=4, latent=6))
    losses = {"perceptual": None} | {
        role: (lambda loss, weight: lambda decoded, pictures: weight * loss(decoded, pictures))(*weighted)
        for role, weighted in weights.items()
    }
    pictures = torch.rand(2, 3, size, size)
    scalars = VAETrainer(model, losses, TrainerOptions(**options)).step({"picture": pictures}, turns)
    return model, pictures, scalars


def test_the_divergence_is_appendix_b_by_hand_and_that_of_torch() -> None:
    mean, deviation = torch.tensor([[0.0, 1.0, -2.0]]), torch.tensor([[1.0, 2.0, 0.5]])
    found = divergence(mean, deviation.square().log())
    by_hand = [0.0, 0.5 * (1 + 4 - 1 - math.log(4)), 0.5 * (4 + 0.25 - 1 - math.log(0.25))]
    torch.testing.assert_close(found, torch.tensor([by_hand]))
    torch.testing.assert_close(found, kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)))


def test_the_divergence_is_never_below_0_near_the_prior() -> None:
    log_variance = torch.linspace(-1e-3, 1e-3, 101)
    assert (divergence(torch.zeros(101), log_variance) >= 0).all()


def test_the_divergence_of_bfloat16_numbers_is_computed_in_float32() -> None:
    mean, log_variance = torch.randn(4, 6).bfloat16(), torch.randn(4, 6).bfloat16()
    found = divergence(mean, log_variance)
    assert found.dtype == torch.float32
    assert torch.equal(found, divergence(mean.float(), log_variance.float()))


def test_latents_are_drawn_from_the_posterior_and_its_parameters_learn() -> None:
    mean, log_variance = torch.tensor([1.0, -3.0]).requires_grad_(), torch.tensor([0.0, 2.0]).requires_grad_()
    drawn = reparameterised(mean.expand(20000, 2), log_variance.expand(20000, 2), torch.randn(20000, 2))
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.08, rtol=0)
    torch.testing.assert_close(drawn.var(0), log_variance.exp(), atol=0.0, rtol=0.05)
    drawn[:1].sum().backward()
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert (log_variance.grad != 0).all()


@pytest.mark.parametrize("size", [16, 32])
@pytest.mark.parametrize(
    ("loss", "weight", "family", "spread"),
    [
        (torch.nn.functional.mse_loss, 50.0, Normal, 0.1),  # w = 1 / 2s²
        (torch.nn.functional.l1_loss, 5.0, Laplace, 0.2),  # w = 1 / b
    ],
)
def test_at_any_size_the_loss_is_the_bound_of_equation_10_per_number(
    size: int, loss: Any, weight: float, family: Any, spread: float
) -> None:
    turns = OneTurn(noise=0.7)
    model, pictures, _ = trained_once({"reconstruction": (loss, weight)}, turns, size)
    mean, log_variance = model.encoder(pictures)
    deviation = (log_variance / 2).exp()
    likelihood = family(model.decoder(mean + 0.7 * deviation), spread)
    constant = family(0.0, spread).log_prob(torch.tensor(0.0))  # what the spread alone gives each number
    bound = (likelihood.log_prob(pictures) - constant).sum((1, 2, 3))
    bound = bound - kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(turns.loss, -bound.mean() / pictures[0].numel())


def test_beta_weighs_the_divergence_alone() -> None:
    losses = []
    for beta in (0.0, 1.0, 4.0):
        torch.manual_seed(0)
        turns = OneTurn()
        _, _, scalars = trained_once({"reconstruction": (torch.nn.functional.mse_loss, 1.0)}, turns, beta=beta)
        losses.append(float(turns.loss.detach()))
        assert losses[-1] == pytest.approx(float(scalars["reconstruction"] + beta * scalars["kl"] / (3 * 16 * 16)))
    assert losses[0] < losses[1] < losses[2]


def test_beta_rises_to_its_full_in_so_many_steps() -> None:
    options = TrainerOptions(beta=4, beta_warm_up=8)
    assert [options.beta_at(step) for step in (0, 3, 7, 8, 100)] == [0.5, 2, 4, 4, 4]
    assert TrainerOptions().beta_at(0) == 1


def test_the_step_takes_the_beta_of_its_step() -> None:
    weighted = []
    for step in (0, 9):
        torch.manual_seed(0)
        turns = OneTurn(step)
        _, _, scalars = trained_once({"reconstruction": (torch.nn.functional.mse_loss, 1.0)}, turns, beta_warm_up=10)
        weighted.append(float((turns.loss.detach() - scalars["reconstruction"]) * 3 * 16 * 16 / scalars["kl"]))
    assert weighted == pytest.approx([0.1, 1.0], rel=1e-3)


def test_a_perceptual_loss_is_added_with_its_weight() -> None:
    mse, l1 = torch.nn.functional.mse_loss, torch.nn.functional.l1_loss
    turns = OneTurn()
    _, _, scalars = trained_once({"reconstruction": (mse, 2.0), "perceptual": (l1, 3.0)}, turns, beta=0)
    assert float(turns.loss.detach()) == pytest.approx(float(scalars["reconstruction"] + scalars["perceptual"]))
    assert {"reconstruction", "perceptual", "kl", "active", "psnr"} == set(scalars)


def test_a_latent_is_active_where_it_says_something_about_the_picture() -> None:
    model = VAE(ModelOptions(size=16, width=4, latent=4))
    with torch.no_grad():
        model.encoder.posterior.weight.zero_()
        model.encoder.posterior.bias.copy_(torch.tensor([0, 0.1, 0.5, 0, 0, 0, 0, -3]))
    trainer = VAETrainer(model, {"reconstruction": torch.nn.MSELoss(), "perceptual": None}, TrainerOptions())
    scalars = trainer.step({"picture": torch.rand(2, 3, 16, 16)}, OneTurn())
    assert scalars["active"] == 0.5  # 0, 0.005, 0.125 and about 1 nats


def test_psnr_is_that_of_the_mean_squared_error() -> None:
    assert psnr(torch.full((1, 1, 4, 4), 0.6), torch.full((1, 1, 4, 4), 0.5)).item() == pytest.approx(20, abs=1e-4)
    assert psnr(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item() == pytest.approx(100)


def test_the_learning_rate_rises_and_falls() -> None:
    options = TrainerOptions(warm_up=10, decay_from=100, decay_to=200)
    trainer = VAETrainer(VAE(ModelOptions(size=16, width=2)), {}, options)
    rates = [trainer.learning_rate("autoencoder", step) for step in (0, 9, 50, 150, 200)]
    assert rates == pytest.approx([0.1, 1, 1, 0.5, 0])


def test_one_optimizer_holds_every_parameter_once() -> None:
    model = VAE(ModelOptions(size=16, width=2))
    (optimizer,) = VAETrainer(model, {}, TrainerOptions()).optimizers().values()
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(held) == len({id(parameter) for parameter in held}) == len(list(model.parameters()))


def test_the_preview_shows_pictures_their_reconstructions_and_always_the_same_samples() -> None:
    model = VAE(ModelOptions(size=16, width=2))
    trainer = VAETrainer(model, {}, TrainerOptions())
    trainer.translate_options = SampleOptions()
    pictures = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        columns, again = trainer.preview({"picture": pictures}), trainer.preview({"picture": pictures})
        reconstruction = model.translate(pictures, i2i.Request())
    assert list(columns) == ["picture", "reconstruction", "sample 1", "sample 2", "sample 3", "sample 4"]
    assert torch.equal(columns["reconstruction"], reconstruction)
    assert all(torch.equal(columns[title], again[title]) for title in columns)
    assert {column.shape for column in columns.values()} == {pictures.shape}
    trainer.translate_options = SampleOptions(temperature=0)
    with torch.no_grad():
        alike = trainer.preview({"picture": pictures})
    assert torch.allclose(alike["sample 1"][0], alike["sample 4"][1])
