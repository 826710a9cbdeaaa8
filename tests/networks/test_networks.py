"""The networks against a plain reference of the published PyTorch implementation, and their promises to the core.

The reference keeps the published layer order and attribute names (github.com/junyanz/pytorch-CycleGAN-and-pix2pix) and
takes and gives pictures in [-1, 1]; ours take and give them in [0, 1].
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from i2i import (
    I2IError,
    InstanceNorm,
    PatchDiscriminator,
    ReflectionPad,
    ResNetGenerator,
    UNetGenerator,
    initialise,
)

# --- the published architecture, written plainly ---


def norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=False)


class ReferenceResidual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), norm(channels)]
        self.conv_block = nn.Sequential(*half, nn.ReLU(True), *copy.deepcopy(half))

    def forward(self, features: Tensor) -> Tensor:
        return features + self.conv_block(features)


class ReferenceResNet(nn.Module):
    def __init__(self, blocks: int, width: int) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), norm(width), nn.ReLU(True)]
        layers += [nn.Conv2d(width, 2 * width, 3, 2, 1), norm(2 * width), nn.ReLU(True)]
        layers += [nn.Conv2d(2 * width, 4 * width, 3, 2, 1), norm(4 * width), nn.ReLU(True)]
        layers += [ReferenceResidual(4 * width) for _ in range(blocks)]
        layers += [nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, output_padding=1), norm(2 * width), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, output_padding=1), norm(width), nn.ReLU(True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


class ReferenceSkip(nn.Module):
    """The first activation works in place, so it is the activated features that skip to the other side."""

    def __init__(self, layers: list[nn.Module], skips: bool = True) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.skips = skips

    def forward(self, features: Tensor) -> Tensor:
        deeper = self.model(features)
        return torch.cat([features, deeper], 1) if self.skips else deeper


class ReferenceUNet(nn.Module):
    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        halvings = {128: 7, 256: 8}[side]
        widths = [width * min(2**level, 8) for level in range(halvings)]  # of what each halving gives
        block: nn.Module | None = None
        for outer, inner in reversed(list(pairwise(widths))):
            down: list[nn.Module] = [nn.LeakyReLU(0.2, True), nn.Conv2d(outer, inner, 4, 2, 1)]
            middle = [norm(inner), block] if block is not None else []
            joined = 2 * inner if block is not None else inner
            up = [nn.ReLU(True), nn.ConvTranspose2d(joined, outer, 4, 2, 1), norm(outer)]
            block = ReferenceSkip([*down, *middle, *up])
        assert block is not None
        outermost = [nn.Conv2d(3, width, 4, 2, 1), block, nn.ReLU(True), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1)]
        self.model = ReferenceSkip([*outermost, nn.Tanh()], skips=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


class ReferencePatchGAN(nn.Module):
    def __init__(self, width: int, layers: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**layer, 8) for layer in range(layers + 1)]
        stages: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        for stage, (narrow, wide) in enumerate(pairwise(widths), start=1):
            stride = 1 if stage == layers else 2
            stages += [nn.Conv2d(narrow, wide, 4, stride, 1), norm(wide), nn.LeakyReLU(0.2, True)]
        self.model = nn.Sequential(*stages, nn.Conv2d(widths[-1], 1, 4, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


GENERATORS = {
    "resnet-6": (lambda width: ReferenceResNet(6, width), lambda width: ResNetGenerator(6, width, False), 64),
    "resnet-9": (lambda width: ReferenceResNet(9, width), lambda width: ResNetGenerator(9, width, False), 64),
    "unet-128": (lambda width: ReferenceUNet(128, width), lambda width: UNetGenerator(128, width, False), 128),
    "unet-256": (lambda width: ReferenceUNet(256, width), lambda width: UNetGenerator(256, width, False), 256),
}
Pair = tuple[Callable[[int], nn.Module], Callable[[int], nn.Module], int]


def lively(module: nn.Module) -> None:
    """Weights and biases that are all visible in the output; both matter to parity."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_normal_(module.weight)
        nn.init.normal_(module.bias, 0, 0.1)


def with_published_weights(pair: Pair, width: int) -> tuple[nn.Module, nn.Module]:
    reference, ours = pair[0](width).apply(lively), pair[1](width)
    ours.load_state_dict(reference.state_dict())
    return reference, ours


# --- parity ---


@pytest.mark.parametrize("name", GENERATORS)
def test_generator_state_dict_has_the_published_keys_and_shapes(name: str) -> None:
    reference, ours, _ = GENERATORS[name]
    published = {key: tuple(tensor.shape) for key, tensor in reference(8).state_dict().items()}
    assert {key: tuple(tensor.shape) for key, tensor in ours(8).state_dict().items()} == published


def test_keys_are_those_that_published_checkpoints_are_known_to_have() -> None:
    with torch.device("meta"):
        resnet, patch = ResNetGenerator(9, 64, False).state_dict(), PatchDiscriminator(64, 3).state_dict()
        unet = UNetGenerator(256, 64, False).state_dict()
    assert {"model.1.weight", "model.10.conv_block.1.weight", "model.18.conv_block.5.bias"} <= set(resnet)
    assert {"model.19.weight", "model.22.weight", "model.26.weight", "model.26.bias"} <= set(resnet)
    assert set(patch) == {f"model.{layer}.{part}" for layer in (0, 2, 5, 8, 11) for part in ("weight", "bias")}
    assert {"model.model.0.weight", "model.model.1.model.1.weight", "model.model.3.bias"} <= set(unet)


@pytest.mark.parametrize(("name", "width"), [("resnet-6", 8), ("resnet-9", 16), ("unet-128", 4), ("unet-256", 4)])
def test_generator_gives_what_the_published_one_gives(name: str, width: int) -> None:
    reference, ours = with_published_weights(GENERATORS[name], width)
    side = GENERATORS[name][2]
    pictures = torch.rand(2, 3, side, side)
    with torch.no_grad():
        expected = reference(pictures * 2 - 1)
        difference = (ours(pictures) * 2 - 1 - expected).abs().max()
    assert expected.std() > 0.1
    assert difference <= 1e-5


def test_full_width_resnet_9_gives_what_the_published_one_gives() -> None:
    reference, ours = (network.double() for network in with_published_weights(GENERATORS["resnet-9"], 64))
    pictures = torch.rand(1, 3, 64, 64).double()  # on some machines float32 itself is 1.3e-5 from the exact answer
    with torch.no_grad():
        difference = (ours(pictures) * 2 - 1 - reference(pictures * 2 - 1)).abs().max()
    assert difference <= 1e-5


@pytest.mark.parametrize(("name", "width"), [("resnet-6", 4), ("unet-128", 4)])
def test_generator_learns_as_the_published_one_learns(name: str, width: int) -> None:
    """The published activations work in place, ours do not: gradients must not care."""
    reference, ours = with_published_weights(GENERATORS[name], width)
    side = GENERATORS[name][2]
    pictures, wanted = torch.rand(1, 3, side, side), torch.rand(1, 3, side, side)
    (reference(pictures * 2 - 1) - (wanted * 2 - 1)).square().mean().backward()
    ((ours(pictures) - wanted) * 2).square().mean().backward()
    largest = max(parameter.grad.abs().max() for parameter in reference.parameters())
    for (key, theirs), (_, mine) in zip(reference.named_parameters(), ours.named_parameters(), strict=True):
        assert (mine.grad - theirs.grad).abs().max() <= 1e-4 * largest, key


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_patch_discriminator_gives_what_the_published_one_gives(layers: int) -> None:
    reference, ours = ReferencePatchGAN(8, layers).apply(lively), PatchDiscriminator(8, layers)
    assert list(ours.state_dict()) == list(reference.state_dict())
    ours.load_state_dict(reference.state_dict())
    pictures = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        logits = ours(pictures)
        assert (logits - reference(pictures * 2 - 1)).abs().max() <= 1e-5
    assert logits.shape[:2] == (2, 1)


def test_full_width_networks_have_as_many_parameters_as_published() -> None:
    def count(network: nn.Module) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    with torch.device("meta"):
        counts = {name: (count(theirs(64)), count(ours(64))) for name, (theirs, ours, _) in GENERATORS.items()}
        counts["patch"] = count(ReferencePatchGAN(64)), count(PatchDiscriminator(64, 3))
    assert all(theirs == ours for theirs, ours in counts.values()), counts
    assert counts["resnet-9"][1] == 11_378_179
    assert round(counts["unet-256"][1] / 1e6, 1) == 54.4
    assert round(counts["patch"][1] / 1e6, 2) == 2.76


# --- the replaced kernels ---


@pytest.mark.parametrize("pixels", [1, 3])
@pytest.mark.parametrize("size", [(4, 4), (5, 9)])
def test_reflection_pad_is_the_original_bit_for_bit_forward_and_backward(pixels: int, size: tuple[int, int]) -> None:
    ours, original = (torch.randn(2, 3, *size).requires_grad_() for _ in range(2))
    with torch.no_grad():
        original.copy_(ours)
    padded, expected = ReflectionPad(pixels)(ours), nn.ReflectionPad2d(pixels)(original)
    assert torch.equal(padded, expected)
    upstream = torch.randint(-8, 9, padded.shape).float()  # whole numbers: no order of summation rounds
    padded.backward(upstream)
    expected.backward(upstream)
    assert torch.equal(ours.grad, original.grad)


def test_reflection_pad_trains_under_deterministic_algorithms() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        pictures = torch.rand(2, 3, 16, 16, device=device, requires_grad=True)
        ReflectionPad(3)(pictures).square().sum().backward()
        first, pictures.grad = pictures.grad, None
        ReflectionPad(3)(pictures).square().sum().backward()
        assert torch.equal(first, pictures.grad)
    finally:
        torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("shape", [(1, 4, 9, 7), (3, 8, 2, 2), (2, 1, 16, 16)])
def test_instance_norm_equals_the_original_and_is_found_as_one(shape: tuple[int, ...]) -> None:
    ours, original = InstanceNorm(shape[1]), nn.InstanceNorm2d(shape[1])
    features = torch.randn(shape) * 3 + 5
    assert isinstance(ours, nn.InstanceNorm2d)
    assert not list(ours.state_dict())
    assert (ours(features) - original(features)).abs().max() <= 1e-5
    assert torch.equal(ours.eval()(features), ours.train()(features))


# --- initial weights ---


@pytest.mark.parametrize(
    "network", [ResNetGenerator(3, 16, False), ResNetGenerator(3, 16, True), PatchDiscriminator(16, 3)]
)
def test_initial_weights_have_deviation_0_02_and_biases_are_zero(network: nn.Module) -> None:
    network.apply(initialise)
    weights = [tensor.flatten() for key, tensor in network.state_dict().items() if key.endswith("weight")]
    biases = [tensor for key, tensor in network.state_dict().items() if key.endswith("bias")]
    assert torch.cat(weights).std().item() == pytest.approx(0.02, rel=0.03)
    assert torch.cat(weights).mean().abs() < 1e-3
    assert all(weight.std().item() == pytest.approx(0.02, rel=0.25) for weight in weights)
    assert biases
    assert not any(bias.any() for bias in biases)


# --- sizes and reach ---


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (20, 36), (64, 32)])
def test_resnet_keeps_the_size_and_the_range(resize: bool, height: int, width: int) -> None:
    network = ResNetGenerator(1, 4, resize).apply(lively)
    with torch.no_grad():
        translated = network(torch.rand(2, 3, height, width))
    assert translated.shape == (2, 3, height, width)
    assert translated.dtype == torch.float32
    assert translated.min() >= 0
    assert translated.max() <= 1


@pytest.mark.parametrize("resize", [False, True])
def test_unet_keeps_the_size_of_any_multiple_of_its_side(resize: bool) -> None:
    network = UNetGenerator(128, 2, resize).apply(initialise)
    with torch.no_grad():
        assert network(torch.rand(1, 3, 128, 256)).shape == (1, 3, 128, 256)


def test_resize_convolution_replaces_every_transposed_convolution() -> None:
    for network in (ResNetGenerator(1, 4, True), UNetGenerator(128, 2, True)):
        assert not [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)]
        assert [module for module in network.modules() if isinstance(module, nn.Upsample)]


RESIDUAL = [lambda: ResNetGenerator(1, 4, True, residual=True), lambda: UNetGenerator(32, 4, True, residual=True)]


@pytest.mark.parametrize("make", RESIDUAL)
def test_a_residual_generator_that_adds_nothing_gives_its_picture_back(make) -> None:
    network = make().apply(lambda module: isinstance(module, nn.Conv2d) and nn.init.zeros_(module.weight))
    network.apply(lambda module: isinstance(module, nn.Conv2d) and nn.init.zeros_(module.bias))
    pictures = torch.rand(2, 3, 32, 64)
    torch.testing.assert_close(network(pictures), pictures)


@pytest.mark.parametrize("make", RESIDUAL)
def test_a_residual_generator_stays_in_range_and_learns_beyond_it(make) -> None:
    network = make().apply(lively)
    pictures = torch.ones(1, 3, 32, 32) - 0.01 * torch.rand(1, 3, 32, 32)
    made = network(pictures)
    assert made.min() >= 0
    assert made.max() <= 1
    assert (made == 1).any()
    made[made == 1].sum().backward()
    learned = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert sum(float(gradient.abs().sum()) for gradient in learned) > 0


def test_without_norms_a_residual_generator_begins_as_nothing_and_keeps_signals_their_size() -> None:
    network = ResNetGenerator(3, 16, True, residual=True, norms=False)
    network.begin()
    pictures = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network(pictures), pictures)
        deep = network.model[:13](pictures * 2 - 1)
    assert 0.1 < deep.square().mean().sqrt() < 10


def test_without_norms_a_pixel_depends_on_its_surroundings_alone() -> None:
    network = ResNetGenerator(1, 4, True, norms=False)
    network.begin()
    pictures = torch.rand(1, 3, 32, 128)
    other = pictures.clone()
    other[..., 64 + network.margin :] = 0
    with torch.no_grad():
        torch.testing.assert_close(network(pictures)[..., :60], network(other)[..., :60], rtol=0, atol=0)


def without_statistics_or_kinks(network: nn.Module) -> nn.Module:
    """Norms and ReLUs as identities and averaging weights: every pixel that can have influence has a positive one."""
    for module in network.modules():
        for name, child in list(module.named_children()):
            if isinstance(child, nn.InstanceNorm2d | nn.ReLU):
                setattr(module, name, nn.Identity())
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
            nn.init.zeros_(module.bias)
    return network


def reach(network: nn.Module, side: int, row: int, column: int) -> tuple[int, int, int, int]:
    """First and last row, first and last column of the input that influence one output value."""
    pictures = torch.full((1, 3, side, side), 0.5, requires_grad=True)
    network(pictures)[0, 0, row, column].backward()
    touched = pictures.grad[0].abs().sum(0) > 0
    rows, columns = touched.any(1).nonzero(), touched.any(0).nonzero()
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_patch_discriminator_judges_patches_of_the_published_size(layers: int, field: int) -> None:
    network = without_statistics_or_kinks(PatchDiscriminator(2, layers))
    middle = network(torch.rand(1, 3, 160, 160)).shape[-1] // 2
    top, bottom, left, right = reach(network, 160, middle, middle)
    assert (bottom - top + 1, right - left + 1) == (field, field)


@pytest.mark.parametrize("layers", [1, 3, 5])
def test_patch_discriminator_says_from_which_size_it_judges(layers: int) -> None:
    network = PatchDiscriminator(2, layers)
    side = 3 * 2**layers
    assert network(torch.rand(1, 3, side, side)).shape == (1, 1, 1, 1)
    with pytest.raises(I2IError, match=f"{layers} layers judges .* from {side}×{side} up, found {side}×{side - 1}:"):
        network(torch.rand(1, 3, side - 1, side))


@pytest.mark.parametrize("resize", [False, True])
def test_margin_bounds_how_far_a_pixel_of_the_unet_reaches(resize: bool) -> None:
    network = without_statistics_or_kinks(UNetGenerator(128, 1, resize))
    strip = torch.full((1, 3, 128, 1024), 0.5)
    for column in (511, 512):  # on either side of a border between bottleneck pixels
        pictures = strip.clone().requires_grad_()
        network(pictures)[0, 0, 64, column].backward()
        touched = (pictures.grad[0].abs().sum((0, 1)) > 0).nonzero()
        assert max(column - int(touched.min()), int(touched.max()) - column) <= network.margin


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize("blocks", [1, 3])
def test_margin_bounds_how_far_a_pixel_of_the_resnet_reaches(blocks: int, resize: bool) -> None:
    network = without_statistics_or_kinks(ResNetGenerator(blocks, 1, resize))
    side = 2 * network.margin + 16
    furthest = 0
    for offset in range(4):  # the network is the same every 4 pixels
        row = column = side // 2 + offset
        top, bottom, left, right = reach(network, side, row, column)
        furthest = max(furthest, row - top, bottom - row, column - left, right - column)
    assert furthest <= network.margin
    assert network.margin - furthest < 8  # and is not given away: tiles would overlap for nothing
