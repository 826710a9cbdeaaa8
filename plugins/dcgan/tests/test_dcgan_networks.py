from __future__ import annotations

from typing import Any

import pytest
import torch
from i2i_dcgan import ModelOptions
from i2i_dcgan.model import DCGAN
from i2i_dcgan.networks import Discriminator, Generator, shape_of
from torch import Tensor, nn

SIZES = (16, 28, 32, 64, 128, 256)


def maps(network: nn.Module, *inputs: Tensor) -> list[tuple[int, int, int]]:
    """(channels, height, width) that each convolution gives, in order."""
    seen: list[tuple[int, int, int]] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda module, given, output: seen.append(tuple(output.shape[1:])))
    with torch.no_grad():
        network(*inputs)
    return seen


def test_the_generator_is_figure_1_layer_by_layer() -> None:
    network = Generator(ModelOptions())
    assert maps(network, torch.zeros(2, 100)) == [(1024, 4, 4), (512, 8, 8), (256, 16, 16), (128, 32, 32), (3, 64, 64)]
    kinds = [type(module) for module in network.layers]
    assert kinds == [nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU] * 4 + [nn.ConvTranspose2d]  # none on the output
    strided = [module for module in network.layers if isinstance(module, nn.ConvTranspose2d)][1:]
    assert {(module.kernel_size, module.stride) for module in strided} == {((5, 5), (2, 2))}
    assert [module.bias is None for module in strided] == [True, True, True, False]


def test_the_discriminator_mirrors_the_generator() -> None:
    network = Discriminator(ModelOptions())
    assert maps(network, torch.zeros(2, 3, 64, 64)) == [(128, 32, 32), (256, 16, 16), (512, 8, 8), (1024, 4, 4)]
    norms = [type(module) for module in network.layers][1::3]
    assert norms == [nn.Identity, nn.BatchNorm2d, nn.BatchNorm2d, nn.BatchNorm2d]  # none on the input
    assert {module.negative_slope for module in network.modules() if isinstance(module, nn.LeakyReLU)} == {0.2}
    assert network.logit.in_features == 1024 * 4 * 4


def test_parameters_are_those_of_the_layers_counted_by_hand() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    kernels = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    norms = 2 * (1024 + 512 + 256 + 128)
    assert count(Generator(ModelOptions())) == 100 * 1024 * 16 + kernels + norms + 3
    assert count(Discriminator(ModelOptions())) == kernels + 128 + 2 * (256 + 512 + 1024) + 1024 * 16 + 1


def test_width_64_and_kernel_4_have_the_shapes_of_the_wide_spread_pytorch_example() -> None:
    network = Generator(ModelOptions(width=64, kernel=4))
    shapes = [tuple(module.weight.shape) for module in network.layers if isinstance(module, nn.ConvTranspose2d)]
    assert shapes == [(100, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 64, 4, 4), (64, 3, 4, 4)]


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_is_made_and_judged(size: Any, channels: Any, kernel: Any, upsampling: Any) -> None:
    options = ModelOptions(size=size, channels=channels, kernel=kernel, upsampling=upsampling, width=2, latent=5)
    pictures = Generator(options)(torch.randn(2, 5))
    assert pictures.shape == (2, channels, size, size)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert Discriminator(options)(pictures).shape == (2, 1)


def test_the_widest_map_has_eight_times_the_width() -> None:
    assert shape_of(ModelOptions(size=256, width=16)) == (4, [128, 128, 128, 64, 32, 16])
    assert shape_of(ModelOptions(size=28, width=16)) == (7, [32, 16])


def test_uniform_latents_are_uniform_on_minus_one_to_one() -> None:
    seen = []
    network = Generator(ModelOptions(size=16, width=2))
    network.layers[0].register_forward_hook(lambda module, given, output: seen.append(given[0]))
    network(torch.randn(2000, 100))
    shares = torch.histc(seen[0], bins=10, min=-1, max=1) / seen[0].numel()
    assert seen[0].abs().max() <= 1
    torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.01, rtol=0)


def test_normal_latents_are_taken_as_they_are() -> None:
    seen = []
    network = Generator(ModelOptions(size=16, width=2, distribution="normal"))
    network.layers[0].register_forward_hook(lambda module, given, output: seen.append(given[0]))
    latents = torch.randn(3, 100)
    network(latents)
    assert torch.equal(seen[0][:, :, 0, 0], latents)


def test_weights_begin_as_section_4_says() -> None:
    model = DCGAN(ModelOptions(width=32))
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            assert module.weight.mean().abs() < 0.002
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert module.weight.mean().item() == pytest.approx(1, abs=0.02)


def test_spectral_norm_bounds_every_matrix_of_the_discriminator() -> None:
    model = DCGAN(ModelOptions(size=16, width=8, spectral_norm=True, classes=("a", "b")))
    for _ in range(50):  # a power iteration each
        model.discriminator(torch.rand(2, 3, 16, 16), torch.tensor([0, 1]))
    kinds = nn.Conv2d | nn.Linear | nn.Embedding
    matrices = [module.weight.flatten(1) for module in model.discriminator.modules() if isinstance(module, kinds)]
    norms = [torch.linalg.matrix_norm(matrix, 2).item() for matrix in matrices]
    assert norms == pytest.approx([1.0] * 4, abs=0.02)
    assert not any("parametrizations" in key for key in model.generator.state_dict())


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_norm_each_picture_is_judged_by_itself(norm: Any) -> None:
    network = Discriminator(ModelOptions(size=16, width=4, discriminator_norm=norm))
    pictures = torch.rand(3, 3, 16, 16)
    torch.testing.assert_close(network(pictures)[:1], network(pictures[:1]))


def test_the_class_changes_what_is_drawn() -> None:
    network = Generator(ModelOptions(size=16, width=4, classes=("a", "b"))).eval()
    latents = torch.randn(1, 100)
    one, other = (network(latents, torch.tensor([label])) for label in (0, 1))
    assert not torch.allclose(one, other)


def test_the_class_is_projected_on_the_pooled_features() -> None:
    options = ModelOptions(size=16, width=4, classes=("a", "b"), discriminator_norm="none")
    network = Discriminator(options)
    pictures = torch.rand(2, 3, 16, 16)
    first, second = network(pictures, torch.tensor([0, 0])), network(pictures, torch.tensor([1, 1]))
    features = network.layers(pictures * 2 - 1).sum((2, 3))
    embedding = network.embed.weight
    torch.testing.assert_close(first - second, features @ (embedding[0] - embedding[1])[:, None])


def test_logits_are_computed_in_float32_where_the_rest_is_not() -> None:
    network = Discriminator(ModelOptions(size=16, width=4))
    with torch.autocast("cpu", torch.bfloat16):
        assert network(torch.rand(2, 3, 16, 16)).dtype == torch.float32
