from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from i2i_srgan import GeneratorOptions, SRGANOptions
from i2i_srgan.discriminator import POOLED, Discriminator, pooled
from i2i_srgan.generators import Compact, ResNet, factors
from i2i_srgan.model import SRGAN, SRResNet
from torch import nn

import i2i

SCALES = (2, 3, 4, 8)
KINDS = ("resnet", "compact")


def small(kind: str, scale: int, **more: object) -> GeneratorOptions:
    return GeneratorOptions.model_validate({"generator": kind, "scale": scale, "blocks": 2, "width": 4, **more})


def shaken(model: nn.Module) -> nn.Module:
    """With every parameter random, so that nothing is hidden by a layer that begins at zero."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.1, 0.3)
    return model.eval()


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_side_is_multiplied_by_the_scale(kind: str, scale: int) -> None:
    model = SRResNet(small(kind, scale)).eval()
    with torch.no_grad():
        answer = model.translate(torch.rand(2, 3, 7, 5), i2i.Request())
    assert answer.shape == (2, 3, 7 * scale, 5 * scale)
    assert answer.min() >= 0
    assert answer.max() <= 1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_beyond_the_margin_reaches_a_pixel_and_something_at_it_does(kind: str, scale: int) -> None:
    model = shaken(SRResNet(small(kind, scale)).double())
    margin = model.geometry.margin
    low = torch.rand(1, 3, 1, 4 * margin + 1, dtype=torch.float64).expand(1, 3, 3, -1).clone().requires_grad_()
    middle = 2 * margin
    model.generator(low)[..., middle * scale : (middle + 1) * scale].sum().backward()
    reached = (low.grad != 0).any(dim=(0, 1, 2)).nonzero().flatten()
    assert reached.min() >= middle - margin
    assert reached.max() <= middle + margin
    assert max(middle - int(reached.min()), int(reached.max()) - middle) == margin


def test_the_published_generator_has_the_published_layers() -> None:
    generator = ResNet(GeneratorOptions())
    convolutions = [module for module in generator.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 1 + 2 * 16 + 1 + 2 + 1  # figure 4: head, blocks, after them, two shuffles, tail
    assert [module.out_channels for module in convolutions[-3:]] == [256, 256, 3]
    assert [module.kernel_size for module in (convolutions[0], convolutions[-1])] == [(9, 9), (9, 9)]
    assert sum(isinstance(module, nn.BatchNorm2d) for module in generator.modules()) == 2 * 16 + 1


def test_without_a_norm_there_is_none() -> None:
    generator = ResNet(small("resnet", 4, norm="none"))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in generator.modules())


def test_each_shuffle_doubles_and_only_three_is_done_at_once() -> None:
    assert [factors(scale) for scale in SCALES] == [[2], [3], [2, 2], [2, 2, 2]]


@pytest.mark.parametrize("scale", SCALES)
def test_the_compact_generator_begins_as_bicubic(scale: int) -> None:
    low = torch.rand(1, 3, 9, 11)
    bicubic = F.interpolate(low, scale_factor=scale, mode="bicubic", antialias=True)
    torch.testing.assert_close(Compact(small("compact", scale))(low), bicubic)


def test_the_compact_generator_of_the_recipe_has_a_few_hundred_thousand_numbers(catalog: i2i.Catalog) -> None:
    options = i2i.load_recipe(catalog, "srresnet-compact").model.options
    assert sum(parameter.numel() for parameter in Compact(options).parameters()) < 300_000


@pytest.mark.parametrize("side", [16, 40, 96, 131])
def test_the_discriminator_takes_any_crop(side: int) -> None:
    assert Discriminator(4)(torch.rand(2, 3, side, side)).shape == (2, 1)


def test_at_the_published_crop_pooling_changes_nothing() -> None:
    maps = Discriminator(4).layers(torch.rand(1, 3, 96, 96))
    assert maps.shape[-2:] == (POOLED, POOLED)
    torch.testing.assert_close(pooled(maps), maps)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (8, 8), (13, 6)])
def test_pooling_is_that_of_torch(size: tuple[int, int]) -> None:
    maps = torch.rand(2, 3, *size)
    torch.testing.assert_close(pooled(maps), F.adaptive_avg_pool2d(maps, POOLED))


def test_the_published_discriminator_has_the_published_layers() -> None:
    convolutions = [module for module in Discriminator(64).modules() if isinstance(module, nn.Conv2d)]
    assert [(module.out_channels, module.stride[0]) for module in convolutions] == [
        (64, 1), (64, 2), (128, 1), (128, 2), (256, 1), (256, 2), (512, 1), (512, 2)
    ]  # fmt: skip
    dense = [module for module in Discriminator(64).modules() if isinstance(module, nn.Linear)]
    assert [module.out_features for module in dense] == [1024, 1]


def test_both_stages_have_the_same_generator() -> None:
    first, second = SRResNet(small("resnet", 2)), SRGAN(SRGANOptions(blocks=2, width=4, scale=2, discriminator_width=4))
    assert first.generator.state_dict().keys() == second.generator.state_dict().keys()
