"""Norms against torch's own, in double precision, in either order of memory."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i import InstanceNorm, ResNetGenerator, initialise
from i2i.networks.layers import BatchNorm, chance_of

ORDERS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture
def maps() -> Tensor:
    """As many pixels as a published generator's first maps have, far from zero."""
    return torch.randn(2, 3, 256, 256) * 0.7 + 2


def exact(maps: Tensor, norm: nn.Module) -> Tensor:
    weight, bias = (None if part is None else part.double() for part in (norm.weight, norm.bias))
    return F.instance_norm(maps.double(), weight=weight, bias=bias, eps=norm.eps)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("affine", [False, True])
@torch.no_grad()
def test_translating_loses_no_digits_to_many_pixels(maps: Tensor, order: torch.memory_format, affine: bool) -> None:
    norm = InstanceNorm(3, affine=affine).apply(initialise).requires_grad_(False)
    if affine:
        norm.bias.normal_()
    given = maps.to(memory_format=order)
    normed = norm(given)
    assert (normed - exact(maps, norm)).abs().max() < 3e-6
    assert normed.is_contiguous(memory_format=order)
    assert torch.equal(given, maps)


@torch.no_grad()
def test_torch_itself_does_lose_them_where_channels_come_last(maps: Tensor) -> None:
    """Once it does not, `InstanceNorm` can be torch's group norm alone."""
    norm = InstanceNorm(3)
    theirs = F.group_norm(maps.to(memory_format=torch.channels_last), 3)
    assert (theirs - exact(maps, norm)).abs().max() > 1e-5


@pytest.mark.parametrize("order", ORDERS)
@torch.no_grad()
def test_by_a_pictures_own_chance_a_batch_norm_goes_by_the_picture_alone(order: torch.memory_format) -> None:
    norm, maps = BatchNorm(4).apply(initialise).eval(), torch.randn(3, 4, 32, 32) + 1
    norm.running_mean.normal_()
    given = maps.to(memory_format=order)
    torch.testing.assert_close(norm(given, chance_of([1, 2, 3])).double(), exact(maps, norm), atol=1e-5, rtol=0)
    original = nn.BatchNorm2d(4).eval()
    original.load_state_dict(norm.state_dict())
    torch.testing.assert_close(norm(given), original(maps), atol=1e-5, rtol=0)


def test_in_training_a_batch_norm_is_torchs_own() -> None:
    norm, original, maps = BatchNorm(4), nn.BatchNorm2d(4), torch.randn(3, 4, 8, 8)
    torch.testing.assert_close(norm(maps), original(maps))
    torch.testing.assert_close(norm.running_var, original.running_var)


def test_before_batch_norms_there_are_no_biases() -> None:
    keys = set(ResNetGenerator(1, 2, False, batch=True).state_dict())
    assert {"model.1.weight", "model.2.weight", "model.2.running_mean", "model.18.bias"} <= keys
    assert not {"model.1.bias", "model.10.conv_block.1.bias"} & keys


def test_scales_of_batch_norms_begin_around_one() -> None:
    norm = BatchNorm(4096).apply(initialise)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.005)
