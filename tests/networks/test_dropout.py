"""Dropout as noise: in training torch's own, afterwards a function of each picture's seed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from i2i import ResNetGenerator, UNetGenerator, initialise
from i2i.networks.layers import Dropout, Layers, chance_of

NOISY = [ResNetGenerator(2, 4, False, dropout=True), UNetGenerator(32, 4, False, dropout=True)]
KINDS = ["resnet", "unet"]


@pytest.fixture(params=NOISY, ids=KINDS)
def network(request: pytest.FixtureRequest) -> nn.Module:
    """A generator with dropout, lively enough for its noise to show, as one that translates."""
    for module in request.param.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_normal_(module.weight)
    return request.param.eval()


@pytest.fixture
def pictures() -> Tensor:
    return torch.rand(3, 3, 32, 32)


@torch.no_grad()
def test_without_seeds_there_is_noise_in_training_only(network: nn.Module, pictures: Tensor) -> None:
    assert torch.equal(network(pictures), network(pictures))
    network.train()
    assert not torch.allclose(network(pictures), network(pictures), atol=1e-3)


@torch.no_grad()
def test_noise_in_training_is_torchs_own(network: nn.Module, pictures: Tensor) -> None:
    network.train()
    answers = []
    for _ in range(2):
        torch.manual_seed(5)
        answers.append(network(pictures))
    assert torch.equal(*answers)


@torch.no_grad()
def test_noise_is_a_function_of_the_seed(network: nn.Module, pictures: Tensor) -> None:
    one, same, other = (network(pictures[:1], seeds=seeds) for seeds in ([7], [7], [8]))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)
    assert not torch.allclose(one, network(pictures[:1]), atol=1e-3)


@torch.no_grad()
def test_a_picture_alone_equals_the_same_in_a_batch(network: nn.Module, pictures: Tensor) -> None:
    together = network(pictures, seeds=[3, 2**63 - 1, 0])
    for place, seed in enumerate([3, 2**63 - 1, 0]):
        alone = network(pictures[place : place + 1], seeds=[seed])
        torch.testing.assert_close(alone[0], together[place], atol=1e-5, rtol=0)


@torch.no_grad()
def test_seeds_leave_torchs_own_chance_alone(network: nn.Module, pictures: Tensor) -> None:
    before = torch.get_rng_state()
    network(pictures, seeds=[1, 2, 3])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("plain", [ResNetGenerator(1, 4, False), UNetGenerator(32, 4, False)], ids=KINDS)
@torch.no_grad()
def test_seeds_mean_nothing_to_a_network_without_dropout(plain: nn.Module, pictures: Tensor) -> None:
    plain.apply(initialise)
    assert torch.equal(plain(pictures, seeds=[1, 2, 3]), plain(pictures))


def test_half_of_the_values_are_dropped_and_the_others_doubled() -> None:
    answer = Dropout()(torch.ones(2, 8, 32, 32), chance_of([1, 2]))
    assert set(answer.flatten().tolist()) == {0.0, 2.0}
    for picture in answer:
        assert picture.mean().item() == pytest.approx(1, abs=0.05)


def test_neither_layers_nor_pictures_share_what_is_drawn() -> None:
    """Not even those of neighbouring seeds."""
    noisy = Layers(Dropout(), Dropout())
    one, other = noisy(torch.ones(2, 1, 64, 64), chance_of([1, 2]))
    for dropped_twice in (one, other):
        assert (dropped_twice > 0).float().mean().item() == pytest.approx(1 / 4, abs=0.03)
    chance = chance_of([1, 2])
    first, second = (Dropout()(torch.ones(2, 1, 64, 64), chance) > 0 for _ in range(2))
    agreement = [(mine == yours).float().mean().item() for mine, yours in [(first[0], first[1]), (first[1], second[0])]]
    assert agreement == pytest.approx([0.5, 0.5], abs=0.05)


def test_noise_keeps_the_precision_of_what_it_falls_on() -> None:
    assert Dropout()(torch.ones(1, 2, 4, 4, dtype=torch.bfloat16), chance_of([1])).dtype == torch.bfloat16
