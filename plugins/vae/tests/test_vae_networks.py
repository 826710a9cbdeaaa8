from __future__ import annotations

from typing import Any

import pytest
import torch
from i2i_vae import ModelOptions
from i2i_vae.networks import LIMIT, Decoder, Encoder, shape_of
from torch import Tensor, nn

SIZES = (16, 28, 32, 64, 128)


def maps(network: nn.Module, inputs: Tensor) -> list[tuple[int, ...]]:
    """(channels, height, width) that each convolution gives, in order."""
    seen: list[tuple[int, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda module, given, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        network(inputs)
    return seen


def test_the_decoder_mirrors_the_encoder() -> None:
    options = ModelOptions(size=64, width=4, latent=8)
    assert maps(Encoder(options), torch.rand(2, 3, 64, 64)) == [(4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4)]
    assert maps(Decoder(options), torch.randn(2, 8)) == [(16, 8, 8), (8, 16, 16), (4, 32, 32), (3, 64, 64)]


def test_the_widest_map_has_eight_times_the_width() -> None:
    assert shape_of(ModelOptions(size=128, width=16)) == (4, [128, 128, 64, 32, 16])
    assert shape_of(ModelOptions(size=28, width=16)) == (7, [32, 16])


@pytest.mark.parametrize("norm", ["group", "batch", "none"])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_encoded_and_decoded(size: Any, channels: Any, upsampling: Any, norm: Any) -> None:
    options = ModelOptions(size=size, channels=channels, upsampling=upsampling, norm=norm, width=2, latent=5)
    mean, log_variance = Encoder(options)(torch.rand(2, channels, size, size))
    assert mean.shape == log_variance.shape == (2, 5)
    pictures = Decoder(options)(mean)
    assert pictures.shape == (2, channels, size, size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_parameters_are_those_of_the_layers_counted_by_hand() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    options = ModelOptions(size=16, width=4, latent=6)
    norms = 2 * (4 + 8)
    assert count(Encoder(options)) == (16 * 3 * 4 + 4) + (16 * 4 * 8 + 8) + norms + (8 * 16 * 12 + 12)
    assert count(Decoder(options)) == (6 * 128 + 128) + (16 * 8 * 4 + 4) + norms + (16 * 4 * 3 + 3)


@pytest.mark.parametrize("norm", ["group", "none"])
def test_in_training_too_a_picture_alone_is_encoded_as_in_a_batch(norm: Any) -> None:
    network = Encoder(ModelOptions(size=16, width=4, norm=norm)).train()
    pictures = torch.rand(3, 3, 16, 16)
    together, alone = network(pictures), network(pictures[:1])
    torch.testing.assert_close([values[:1] for values in together], list(alone), atol=1e-5, rtol=1e-4)


def test_batch_norm_looks_at_the_companions_in_training() -> None:
    network = Encoder(ModelOptions(size=16, width=4, norm="batch")).train()
    pictures = torch.rand(3, 3, 16, 16)
    assert not torch.allclose(network(pictures)[0][:2], network(pictures[:2])[0], atol=1e-3)


@pytest.mark.parametrize("groups", [(1, 1), (6, 2), (12, 4), (64, 8)])
def test_any_width_can_be_parted_into_groups(groups: tuple[int, int]) -> None:
    width, parted = groups
    norm = next(module for module in Encoder(ModelOptions(width=width)).modules() if isinstance(module, nn.GroupNorm))
    assert norm.num_groups == parted


def test_a_posterior_far_too_wide_or_narrow_stays_finite_and_finds_its_way_back() -> None:
    network = Encoder(ModelOptions(size=16, width=4, latent=2))
    with torch.no_grad():
        network.posterior.bias[2:] = torch.tensor([60.0, -60.0])
    _, log_variance = network(torch.rand(1, 3, 16, 16))
    assert log_variance.abs().max() <= LIMIT
    assert torch.equal(log_variance.sign(), torch.tensor([[1.0, -1.0]]))
    log_variance.abs().sum().backward()
    assert (network.posterior.bias.grad[2:] != 0).all()


def test_a_usual_log_variance_is_left_as_it_is() -> None:
    usual = torch.linspace(-1, 1, 9)
    torch.testing.assert_close(LIMIT * torch.tanh(usual / LIMIT), usual, atol=3e-3, rtol=0)


def test_posterior_and_pictures_are_float32_where_the_rest_is_not() -> None:
    options = ModelOptions(size=16, width=4)
    with torch.autocast("cpu", torch.bfloat16):
        mean, log_variance = Encoder(options)(torch.rand(2, 3, 16, 16))
        pictures = Decoder(options)(mean)
    assert {mean.dtype, log_variance.dtype, pictures.dtype} == {torch.float32}
