from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.winograd import Conv3x3, Workspace, convolution, quicken, suits

SHAPES = ((1, 128, 128, 48, 48), (2, 128, 160, 37, 42), (3, 160, 128, 25, 61))
"""Pictures, channels in and out, height and width: whole patches, parts of some, more than is worked on at a time."""


def drawn(batch: int, inputs: int, outputs: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    weight = torch.randn(outputs, inputs, 3, 3) / (9 * inputs) ** 0.5
    return torch.randn(batch, inputs, height, width), weight, torch.randn(outputs)


def furthest(found: Tensor, wanted: Tensor) -> float:
    return float((found.detach().double() - wanted.detach()).abs().max() / wanted.detach().abs().max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_answers_and_gradients_are_those_of_a_convolution(
    shape: tuple[int, ...], padding: int, order: torch.memory_format
) -> None:
    pictures, weight, bias = drawn(*shape)
    given = [tensor.contiguous(memory_format=order).requires_grad_() for tensor in (pictures, weight)]
    given.append(bias.requires_grad_())
    exact = [tensor.detach().double().requires_grad_() for tensor in given]
    found = convolution(*given, padding, Workspace())
    wanted = F.conv2d(*exact, padding=padding)
    assert found.shape == wanted.shape
    assert furthest(found, wanted) < 4e-6  # with the paper's points it would be four times as much
    slope = torch.randn_like(found)
    slopes = torch.autograd.grad(found, given, slope)
    for own, other in zip(slopes, torch.autograd.grad(wanted, exact, slope.double()), strict=True):
        assert furthest(own, other) < 2e-5
    assert slopes[1].is_contiguous(memory_format=order)


def test_gradients_of_gradients_are_those_of_a_convolution() -> None:
    pictures, weight, _ = drawn(1, 128, 128, 48, 48)

    def penalty(convolve: object, dtype: torch.dtype) -> Tensor:
        point, kernels = pictures.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_()
        (slope,) = torch.autograd.grad(convolve(point, kernels).square().sum(), point, create_graph=True)  # type: ignore[operator]
        return torch.autograd.grad(slope.square().mean(), kernels)[0]

    own = penalty(lambda point, kernels: convolution(point, kernels, None, 1, Workspace()), torch.float32)
    assert furthest(own, penalty(lambda point, kernels: F.conv2d(point, kernels, padding=1), torch.float64)) < 2e-5


def quick(padding: int = 1) -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(128, 128, 3, padding=padding), nn.ReLU(), nn.Conv2d(128, 128, 3, bias=False))
    network = copy.deepcopy(plain)
    quicken(network)
    return network, plain


def test_a_quickened_network_has_the_same_tensors_and_answers() -> None:
    network, plain = quick()
    assert all(isinstance(network[place], Conv3x3) for place in (0, 2))
    assert network.state_dict().keys() == plain.state_dict().keys()
    pictures = torch.rand(1, 128, 48, 48)
    with torch.no_grad():
        for _ in range(3):  # with kernels that are kept from the second time on
            assert furthest(network(pictures), plain(pictures)) < 1e-5
        network.load_state_dict({key: value + 0.01 for key, value in network.state_dict().items()})
        plain.load_state_dict(network.state_dict())
        assert furthest(network(pictures), plain(pictures)) < 1e-5  # what it kept of the former weights is forgotten
        assert furthest(copy.deepcopy(network)(pictures), plain(pictures)) < 1e-5
        assert furthest(pickle.loads(pickle.dumps(network))(pictures), plain(pictures)) < 1e-5


def test_threads_do_not_share_memory_while_they_work() -> None:
    network, plain = quick()
    pictures = [torch.rand(1, 128, 48, 48) for _ in range(8)]

    def translated(picture: Tensor) -> Tensor:
        with torch.no_grad():
            return network(picture)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(translated, pictures))
    for own, picture in zip(found, pictures, strict=True):
        assert furthest(own, plain(picture)) < 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(128, 128, 3, stride=2),
        nn.Conv2d(128, 128, 3, dilation=2),
        nn.Conv2d(128, 128, 3, groups=2),
        nn.Conv2d(128, 128, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(128, 128, 5),
        nn.Conv2d(64, 128, 3),
        nn.ConvTranspose2d(128, 128, 3),
    ],
)
def test_other_layers_stay_what_they_are(layer: nn.Module) -> None:
    network = nn.Sequential(layer)
    quicken(network)
    assert type(network[0]) is type(layer)


def test_only_float32_on_a_cpu_and_enough_of_it_is_done_this_way() -> None:
    weight = torch.zeros(128, 128, 3, 3)
    assert suits(torch.zeros(1, 128, 50, 50), weight)
    assert suits(torch.zeros(4, 128, 24, 24), weight, padding=1)
    assert not suits(torch.zeros(1, 128, 24, 24), weight, padding=1)
    assert not suits(torch.zeros(1, 128, 50, 50, dtype=torch.float64), weight)
    assert not suits(torch.zeros(1, 128, 50, 50, device="meta"), weight)
    assert not suits(torch.zeros(1, 128, 1, 5000), weight)
    with torch.autocast("cpu", torch.bfloat16):
        assert not suits(torch.zeros(1, 128, 50, 50), weight)
