from __future__ import annotations

import pytest
import torch
from i2i_vae import ModelOptions, SampleOptions
from i2i_vae.model import VAE

import i2i

TINY = {"size": 16, "width": 4, "latent": 8}


def asked(seeds: tuple[int, ...] = (), temperature: float = 1.0) -> i2i.Request:
    return i2i.Request(seeds=seeds, options=SampleOptions(temperature=temperature))


@pytest.fixture
def model() -> VAE:
    return VAE(ModelOptions(**TINY)).eval().requires_grad_(False)


def test_a_latent_is_a_function_of_its_seed_alone(model: VAE) -> None:
    together = model.latents([3, 5, 7])
    assert together.shape == (3, 8)
    assert torch.equal(together[1:2], model.latents([5]))


def test_a_sample_does_not_depend_on_its_batch(model: VAE) -> None:
    seeds = tuple(range(9))
    together = model.sample(model.latents(seeds), asked(seeds))
    alone = torch.cat([model.sample(model.latents([seed]), asked((seed,))) for seed in seeds])
    assert torch.equal((together * 255).round(), (alone * 255).round())


def test_the_geometry_names_the_one_size_and_the_channels() -> None:
    geometry = VAE(ModelOptions(size=28, channels=1, width=4)).geometry
    assert (geometry.size, geometry.channels, geometry.scale) == ((28, 28), 1, 1)


def test_temperature_multiplies_the_latents(model: VAE) -> None:
    latents = model.latents([1, 2])
    assert torch.equal(model.sample(latents, asked(temperature=0.5)), model.decoder(0.5 * latents))
    middle = model.sample(latents, asked(temperature=0))
    assert torch.equal(middle[0], middle[1])


def test_a_reconstruction_is_decoded_from_the_mean_without_chance(model: VAE) -> None:
    pictures = torch.rand(3, 3, 16, 16)
    again = model.translate(pictures, asked((1, 2, 3)))
    assert again.shape == pictures.shape
    assert torch.equal(again, model.decoder(model.encoder(pictures)[0]))
    assert torch.equal(again, model.translate(pictures, asked((4, 5, 6), temperature=0.1)))


def test_a_reconstruction_does_not_depend_on_its_batch(model: VAE) -> None:
    pictures = torch.rand(5, 3, 16, 16)
    together = model.translate(pictures, asked())
    alone = torch.cat([model.translate(picture[None], asked()) for picture in pictures])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)
