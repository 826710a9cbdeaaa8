"""Losses of what networks see: values, scale, gradients, precision, and what a run has to know of their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydantic
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i import UsageError
from i2i.disk.digests import sha256_of
from i2i.losses import FeatureLossOptions

LossOf = Callable[..., nn.Module]
RoleOf = Callable[..., nn.Module]
WeightsOf = Callable[[str], Path]


def pair(side: int = 48) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(1)
    prediction, target = torch.rand(2, 2, 3, side, side, generator=chance)
    return prediction, target


@pytest.fixture
def perceptual(loss: LossOf, random_weights: WeightsOf) -> LossOf:
    """`perceptual("vgg19", distance="l1")`: a feature loss on this network; `perceptual("lpips")`: LPIPS."""

    def build(network: str, **options: Any) -> nn.Module:
        if network == "lpips":
            weights, heads = random_weights("squeezenet1_1"), random_weights("heads-squeeze")
            return loss("lpips", weights=str(weights), heads=str(heads))
        files = {} if network == "random" else {"weights": str(random_weights(network))}
        return loss("features", features={"use": network, **files}, **options)

    return build


EACH = pytest.mark.parametrize("network", ["vgg19", "squeezenet1_1", "random", "lpips"])


def test_on_vgg19_it_is_conv5_4_before_its_relu_divided_by_12_75(perceptual: LossOf) -> None:
    built, (prediction, target) = perceptual("vgg19"), pair()
    assert list(built.layers) == ["conv5_4:linear"]
    maps, goals = (built.features(seen, ["conv5_4:linear"])["conv5_4:linear"] for seen in (prediction, target))
    assert maps.min() < 0
    torch.testing.assert_close(built(prediction, target), (maps - goals).square().mean() / 12.75**2)


def test_layers_distance_and_scale_are_as_the_options_say(perceptual: LossOf) -> None:
    prediction, target = pair()
    built = perceptual("vgg19", layers={"conv1_2": 3, "conv2_2": 0.5}, distance="l1", scale=2)
    maps, goals = (built.features(seen, ["conv1_2", "conv2_2"]) for seen in (prediction, target))
    differences = {name: (2 * maps[name] - 2 * goals[name]).abs().mean() for name in maps}
    torch.testing.assert_close(built(prediction, target), 3 * differences["conv1_2"] + 0.5 * differences["conv2_2"])


def test_a_list_of_layers_gives_each_weight_1() -> None:
    assert FeatureLossOptions(layers=["conv1_2", "conv5_4:linear"]).layers == {"conv1_2": 1, "conv5_4:linear": 1}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"layers": {"conv1_2": 0}}, "greater than 0"),
        ({"layers": []}, "at least 1 item"),
        ({"scale": 0}, "greater than 0"),
        ({"features": {"use": "learned"}}, "'vgg19', 'squeezenet1_1' or 'random'"),
    ],
)
def test_options_that_make_no_loss_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=complaint):
        FeatureLossOptions(**options)


@pytest.mark.parametrize("network", ["squeezenet1_1", "random"])
def test_where_nobody_published_a_scale_a_noisy_picture_is_as_far_as_its_pixels(
    perceptual: LossOf, network: str
) -> None:
    built, chance = perceptual(network), torch.Generator().manual_seed(5)
    clean = F.interpolate(torch.rand(1, 3, 8, 8, generator=chance), (96, 96), mode="bicubic").clamp(0, 1)
    noisy = (clean + 0.05 * torch.randn(clean.shape, generator=chance)).clamp(0, 1)
    assert built(noisy, clean).item() == pytest.approx(F.mse_loss(noisy, clean).item(), rel=0.5)


@EACH
def test_equal_pictures_have_no_distance_and_noisier_ones_more(perceptual: LossOf, network: str) -> None:
    built, (_, target) = perceptual(network), pair()
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
    found = [float(built(target + amount * noise, target)) for amount in (0, 0.02, 0.1, 0.3)]
    assert found[0] == 0
    assert found[1] > 0
    assert found == sorted(found)


@EACH
def test_gradients_reach_the_prediction_alone_and_lead_to_the_target(perceptual: LossOf, network: str) -> None:
    built = perceptual(network)
    target = F.interpolate(torch.rand(1, 3, 8, 8), (32, 32), mode="bilinear").requires_grad_()
    canvas = (target.detach() + 0.1 * torch.randn(target.shape)).requires_grad_()
    optimizer, before = torch.optim.Adam([canvas], 0.01), built(canvas, target).item()
    for _ in range(15):
        optimizer.zero_grad()
        value = built(canvas, target)
        value.backward()
        optimizer.step()
    assert value.shape == ()
    assert value.item() < 0.8 * before
    assert target.grad is None
    assert list(built.parameters()) == []
    assert built.state_dict() == {}


@EACH
def test_under_autocast_it_is_a_float32_number_near_the_exact_one(perceptual: LossOf, network: str) -> None:
    built, (prediction, target) = perceptual(network), pair()
    exact = built(prediction, target)
    with torch.autocast("cpu", torch.bfloat16):
        rough = built(prediction.bfloat16(), target)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0.05, atol=0)


@EACH
def test_grey_pictures_are_compared_as_they_are_in_colour(perceptual: LossOf, network: str) -> None:
    built, (prediction, target) = perceptual(network), pair()
    grey, other = prediction[:, :1], target[:, :1]
    torch.testing.assert_close(built(grey, other), built(grey.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1)))


@EACH
def test_pictures_that_the_network_cannot_see_are_refused(perceptual: LossOf, network: str) -> None:
    built = perceptual(network)
    with pytest.raises(UsageError, match=r"pixels on each side; found 12×12: take larger pictures, or other features"):
        built(*pair(12))
    with pytest.raises(UsageError, match=r"of one shape; found \(2, 3, 48, 48\) and \(1, 3, 48, 48\)"):
        built(pair()[0], pair()[1][:1])


def test_a_layer_that_the_file_lacks_is_named_with_the_file_and_its_deepest_layer(
    perceptual: LossOf, loss: LossOf, random_weights: WeightsOf, tmp_path: Path
) -> None:
    tensors = torch.load(random_weights("vgg19"), weights_only=True)
    torch.save({key: value for key, value in tensors.items() if int(key.split(".")[1]) < 30}, tmp_path / "short.pth")
    features = {"use": "vgg19", "weights": str(tmp_path / "short.pth")}
    expected = (
        r"layers of short\.pth: these features have no conv5_4:linear .*conv5_1; before its ReLU: conv5_1:linear\)"
    )
    with pytest.raises(UsageError, match=expected):
        loss("features", features=features, layers=["conv5_4:linear"])
    assert list(loss("features", features=features).layers) == ["conv5_1:linear"]


def test_it_says_what_sees_and_by_which_layers(perceptual: LossOf, random_weights: WeightsOf) -> None:
    (trained,), (random,) = perceptual("vgg19").remarks, perceptual("random").remarks
    assert trained == "features: vgg19 (vgg19-random.pth), compared by conv5_4:linear"
    assert random == (
        "features: random convolutions, without ImageNet weights, compared by conv1_2:linear, conv2_2:linear, "
        "conv3_2:linear; with them: features.use=vgg19"
    )
    assert perceptual("vgg19").loaded == {"vgg19-random.pth": sha256_of(random_weights("vgg19"))}
    assert perceptual("lpips").remarks[0].startswith("LPIPS 0.1: squeezenet1_1 (squeezenet1_1-random.pth), heads ")
    assert len(perceptual("lpips").loaded) == 2


def test_a_weight_multiplies_it(role: RoleOf, perceptual: LossOf) -> None:
    built, (prediction, target) = role("features", 3.0, features={"use": "random"}), pair()
    torch.testing.assert_close(built(prediction, target), 3 * perceptual("random")(prediction, target))
