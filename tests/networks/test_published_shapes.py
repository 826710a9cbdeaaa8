"""The networks counted layer by layer against Isola et al. 2017, section 6.1, and what may be asked of them beside."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from i2i import InstanceNorm, PatchDiscriminator, ResNetGenerator, UNetGenerator, initialise
from i2i.networks.layers import Dropout


def meta_unet(side: int = 256, **options: bool | int) -> UNetGenerator:
    with torch.device("meta"):
        return UNetGenerator(side, 64, False, **options)


def shapes(network: nn.Module, kind: type[nn.Module]) -> list[tuple[int, int, tuple[int, ...], tuple[int, ...]]]:
    found = [module for module in network.modules() if isinstance(module, kind)]
    return [(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride) for layer in found]


def test_the_encoder_is_the_papers() -> None:
    """C64-C128-C256-C512-C512-C512-C512-C512, all 4×4 with stride 2."""
    layers = shapes(meta_unet(), nn.Conv2d)
    assert [outputs for _, outputs, *_ in layers] == [64, 128, 256, 512, 512, 512, 512, 512]
    assert {(kernel, stride) for *_, kernel, stride in layers} == {((4, 4), (2, 2))}


def test_the_decoder_is_the_papers() -> None:
    """CD512-CD512-CD512-C512-C256-C128-C64; with skips each takes in twice what the one before it gave."""
    layers = shapes(meta_unet(), nn.ConvTranspose2d)
    assert [outputs for _, outputs, *_ in layers] == [512, 512, 512, 512, 256, 128, 64, 3]
    assert [inputs for inputs, *_ in layers] == [512, 1024, 1024, 1024, 1024, 512, 256, 128]
    assert {(kernel, stride) for *_, kernel, stride in layers} == {((4, 4), (2, 2))}


@pytest.mark.parametrize("side", [256, 128, 64, 32])
def test_dropout_follows_the_norms_of_the_three_deepest_levels_on_the_way_up(side: int) -> None:
    order = list(meta_unet(side, dropout=True).modules())
    way_up = [place for place, module in enumerate(order) if isinstance(module, nn.ConvTranspose2d)]
    noisy = [isinstance(order[place + 2], Dropout) for place in way_up[:-1]]
    assert all(isinstance(order[place + 1], InstanceNorm) for place in way_up[:-1])
    assert noisy == [True] * 3 + [False] * (len(noisy) - 3)


def test_neither_the_first_nor_the_innermost_layer_is_normalised() -> None:
    """C64 of section 6.1.1 and, by the paper's errata, the bottleneck of one pixel."""
    modules = [
        module for module in meta_unet().modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | InstanceNorm)
    ]
    encoder = [place for place, module in enumerate(modules) if isinstance(module, nn.Conv2d)]
    normalised = [isinstance(modules[place + 1], InstanceNorm) for place in encoder]
    assert normalised == [False, True, True, True, True, True, True, False]


def test_the_discriminator_is_the_papers() -> None:
    """C64-C128-C256-C512, then one channel."""
    with torch.device("meta"):
        layers = shapes(PatchDiscriminator(64, 3, inputs=6), nn.Conv2d)
    assert [(inputs, outputs) for inputs, outputs, *_ in layers] == [
        (6, 64),
        (64, 128),
        (128, 256),
        (256, 512),
        (512, 1),
    ]
    field = 1
    for *_, kernel, stride in reversed(layers):
        field = (field - 1) * stride[0] + kernel[0]
    assert field == 70


@pytest.mark.parametrize("dropout", [False, True])
def test_dropout_changes_no_key_of_a_unet(dropout: bool) -> None:
    assert list(meta_unet(dropout=dropout).state_dict()) == list(meta_unet().state_dict())


def test_a_resnet_with_dropout_has_the_keys_of_the_published_one() -> None:
    """Between the two halves of a block dropout takes a place: the second convolution is number 6, not 5."""
    keys = set(ResNetGenerator(1, 2, False, dropout=True).state_dict())
    assert {"model.10.conv_block.1.weight", "model.10.conv_block.6.weight"} <= keys
    assert "model.10.conv_block.5.weight" not in keys


@pytest.mark.parametrize(
    "make", [lambda **more: ResNetGenerator(1, 4, False, **more), lambda **more: UNetGenerator(32, 4, False, **more)]
)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 2), (4, 3)])
def test_a_generator_takes_and_makes_as_many_channels_as_asked_for(make, inputs: int, outputs: int) -> None:
    network = make(inputs=inputs, outputs=outputs).apply(initialise)
    with torch.no_grad():
        made = network(torch.rand(2, inputs, 32, 64))
    assert made.shape == (2, outputs, 32, 64)
    assert made.min() >= 0
    assert made.max() <= 1


@pytest.mark.parametrize("side", [32, 64])
def test_a_smaller_unet_comes_down_to_one_pixel_too(side: int) -> None:
    network = UNetGenerator(side, 2, False)
    sizes = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _module, _inputs, output: sizes.append(output.shape[-1]))
    assert network(torch.rand(1, 3, side, side)).shape == (1, 3, side, side)
    assert min(sizes) == 1
    assert (network.multiple_of, network.min_size) == (side, side)


def test_an_affine_instance_norm_scales_and_shifts_as_the_original_does() -> None:
    ours, original = InstanceNorm(4, affine=True), nn.InstanceNorm2d(4, affine=True)
    with torch.no_grad():
        for parameter in original.parameters():
            parameter.normal_()
    ours.load_state_dict(original.state_dict())
    features = torch.randn(2, 4, 5, 7) * 3 + 1
    torch.testing.assert_close(ours(features), original(features))


def test_scales_begin_around_one_and_shifts_at_zero() -> None:
    norm = InstanceNorm(4096, affine=True).apply(initialise)
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.005)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not norm.bias.any()


@pytest.mark.parametrize("network", [UNetGenerator(32, 4, False, affine=True), PatchDiscriminator(4, 2, affine=True)])
def test_with_one_picture_a_norm_of_its_own_is_the_published_batch_norm(network: nn.Module) -> None:
    network.apply(initialise)
    picture = torch.rand(1, 3, 32, 32)
    ours = network(picture)
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, InstanceNorm):
                batch_norm = nn.BatchNorm2d(child.num_features, track_running_stats=False)
                batch_norm.load_state_dict(child.state_dict())
                setattr(module, name, batch_norm)
    torch.testing.assert_close(network(picture), ours, atol=1e-5, rtol=0)
