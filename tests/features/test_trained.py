import copy
import os
from pathlib import Path

import pytest
import torch

from i2i.errors import I2IError, UsageError
from i2i.features import FeatureOptions, FixedFeatureOptions, build_features
from i2i.features.alexnet import AlexNet
from i2i.features.trained import IMAGENET_DEVIATION, IMAGENET_MEAN
from i2i.features.vgg import VGG16Features

DATA = Path(os.environ.get("I2I_TEST_DATA", "../shared/data"))
VGG_CONVOLUTIONS = {  # of torchvision's vgg19().features, as published
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14,
    "conv3_4": 16, "conv4_1": 19, "conv4_2": 21, "conv4_3": 23, "conv4_4": 25, "conv5_1": 28, "conv5_2": 30,
    "conv5_3": 32, "conv5_4": 34,
}  # fmt: skip
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512, 512)
COMPRESSED = (3, 16, 16, 32, 32, 64, 64, 64, 64, 128, 128, 128, 128, 128)


def convolution(tensors, name, inputs, outputs, side=3):
    tensors[f"{name}.weight"] = torch.randn(outputs, inputs, side, side) * (2 / (inputs * side * side)) ** 0.5
    tensors[f"{name}.bias"] = torch.randn(outputs) * 0.1


@pytest.fixture(scope="module")
def vgg_file(random_weights):
    return random_weights("vgg19")


@pytest.fixture(scope="module")
def compressed_file(tmp_path_factory):
    torch.manual_seed(1)
    tensors = {}
    convolution(tensors, "conv0", 3, 3, 1)
    for name, inputs, outputs in zip(VGG_CONVOLUTIONS, COMPRESSED, COMPRESSED[1:], strict=False):
        convolution(tensors, f"conv{name[4]}{name[6]}", inputs, outputs)
        if name.endswith("_1"):
            convolution(tensors, f"conv{name[4]}1_aux", outputs, CHANNELS[1 + list(VGG_CONVOLUTIONS).index(name)], 1)
    path = tmp_path_factory.mktemp("weights") / "vgg19-compressed.pth"
    torch.save({"epoch": 20, "model": tensors}, path)
    return path


@pytest.fixture(scope="module")
def squeezenet_file(random_weights):
    return random_weights("squeezenet1_1")


def extractor(use, path, **options):
    features = build_features(FeatureOptions(use=use, weights=str(path), **options))
    features.prepare()
    return features


@pytest.fixture(scope="module")
def networks(vgg_file, compressed_file, squeezenet_file, random_weights):
    chosen = {
        "vgg19": extractor("vgg19", vgg_file),
        "compressed": extractor("vgg19", compressed_file),
        "squeezenet1_1": extractor("squeezenet1_1", squeezenet_file),
        "random": build_features(FixedFeatureOptions(use="random")),
        "vgg16": VGG16Features(str(random_weights("vgg16")), "max", "nothing"),
        "alexnet": AlexNet(str(random_weights("alexnet")), "max", "nothing"),
    }
    for name in ("random", "vgg16", "alexnet"):
        chosen[name].prepare()
    return chosen


TRAINED = ["vgg19", "compressed", "squeezenet1_1", "vgg16", "alexnet"]
NETWORKS = pytest.mark.parametrize("name", [*TRAINED, "random"])


def test_vgg19_computes_what_torchvisions_modules_compute(vgg_file, networks):
    tensors = {name: tensor.double() for name, tensor in torch.load(vgg_file, weights_only=True).items()}
    features, picture = copy.deepcopy(networks["vgg19"]).double(), torch.rand(1, 3, 40, 53, dtype=torch.float64)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    maps, found = (picture - mean) / deviation, features(picture, features.layers)
    for place in range(36):
        if place in VGG_CONVOLUTIONS.values():
            weight, bias = tensors[f"features.{place}.weight"], tensors[f"features.{place}.bias"]
            maps = torch.conv2d(maps, weight, bias, padding=1)
            name = next(name for name, at in VGG_CONVOLUTIONS.items() if at == place)
            torch.testing.assert_close(found[f"{name}:linear"].float(), maps.float())
        elif place in (4, 9, 18, 27):
            maps = torch.max_pool2d(maps, 2)
        else:
            maps = maps.relu()
            torch.testing.assert_close(found[name].float(), maps.float())


@NETWORKS
def test_every_layer_has_the_channels_and_about_the_size_that_it_says(networks, name):
    features, picture = networks[name], torch.rand(2, 3, 66, 85)
    for layer, maps in features(picture, list(features.layers)).items():
        said = features.layers[layer]
        if not (name == "compressed" and not layer.endswith("_1")):  # those keep their compressed channels
            assert maps.shape[1] == said.channels
        assert abs(maps.shape[2] - 66 / said.stride) <= 2
        assert abs(maps.shape[3] - 85 / said.stride) <= 2


@NETWORKS
def test_the_smallest_picture_that_it_names_has_a_map_of_every_layer(networks, name):
    features = networks[name]
    maps = features(torch.rand(1, 3, features.smallest, features.smallest), list(features.layers))
    assert all(found.numel() for found in maps.values())


@NETWORKS
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_layer_sees_no_farther_than_its_reach(networks, name, pooling):
    features = copy.deepcopy(networks[name]).double()  # in float32 neighbours may be rounded together: `i2i.winograd`
    features.is_max = pooling == "max"
    picture = torch.rand(1, 3, 256, 256, dtype=torch.float64)
    changed = picture.clone()
    changed[..., 128, 128] += 1
    before, after = (features(seen, list(features.layers)) for seen in (picture, changed))
    for layer, said in features.layers.items():
        rows, columns = (before[layer] != after[layer]).any(dim=1)[0].nonzero(as_tuple=True)
        assert len(rows)
        for places in (rows, columns):
            begins, ends = places * said.stride - said.reach, (places + 1) * said.stride + said.reach
            assert int(begins.max()) <= 128 < int(ends.min())


@NETWORKS
def test_gradients_are_those_of_finite_differences(networks, name):
    features = networks[name].double()
    layers = [*features.style_layers, *features.content_layers, *features.compared_layers] or list(features.layers)
    chance = torch.Generator().manual_seed(0)
    picture = torch.rand(1, 3, 32, 32, dtype=torch.float64, generator=chance)
    direction = torch.randn(picture.shape, dtype=torch.float64, generator=chance)

    def total(share):
        return sum(maps.square().mean() for maps in features(picture + share * direction, layers).values())

    share = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(total(share), share)
    step = 1e-8  # so short that no ReLU turns within it
    expected = (total(torch.tensor(step)) - total(torch.tensor(-step))) / (2 * step)
    networks[name].float()
    torch.testing.assert_close(slope, expected.detach(), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("name", TRAINED)
def test_what_it_loads_is_named_with_its_hash_and_is_no_part_of_its_state(networks, name):
    features = networks[name]
    assert features.state_dict() == {}
    ((file, digest),) = features.loaded.items()
    assert file.endswith(".pth")
    assert len(digest) == 64
    assert features.remark == f"features: {features.name} ({file})"


def test_average_pooling_gives_other_maps_beyond_the_first_pool(vgg_file, networks):
    smooth, picture = extractor("vgg19", vgg_file, pooling="average"), torch.rand(1, 3, 32, 32)
    plain, other = (features(picture, ["conv1_2", "conv2_1"]) for features in (networks["vgg19"], smooth))
    assert torch.equal(plain["conv1_2"], other["conv1_2"])
    assert not torch.allclose(plain["conv2_1"], other["conv2_1"])


@NETWORKS
def test_a_layer_after_its_relu_is_the_one_before_it_cut_at_0(networks, name):
    features = networks[name]
    found = features(torch.rand(1, 3, 32, 32), list(features.layers))
    before = [layer for layer in found if layer.endswith(":linear")]
    assert bool(before) == (name != "compressed")
    for layer in before:
        assert found[layer].min() < 0
        assert torch.equal(found[layer].relu(), found[layer.removesuffix(":linear")])


@NETWORKS
def test_no_deeper_layer_is_computed_than_somebody_looks_at(networks, name):
    features, picture = networks[name], torch.rand(1, 3, 32, 32)
    first = next(iter(features.layers))
    deepest = {key: value for key, value in features.named_buffers() if not key.startswith(("conv0", "conv1"))}
    whole = features(picture, list(features.layers))
    try:
        for key in deepest:
            delattr(features, key)
        assert torch.equal(features(picture, [first])[first], whole[first])
        assert features(picture, []) == {}
    finally:
        for key, value in deepest.items():
            features.register_buffer(key, value, persistent=False)


def test_a_file_that_ends_early_gives_the_layers_that_it_has(vgg_file, tmp_path):
    tensors = torch.load(vgg_file, weights_only=True)
    shorter = {key: value for key, value in tensors.items() if int(key.split(".")[1]) < 32}
    torch.save(shorter, tmp_path / "to-conv5_2.pth")
    features = extractor("vgg19", tmp_path / "to-conv5_2.pth")
    assert [*features.layers][-1] == "conv5_2"
    assert features.compared_layers == {"conv5_2:linear": 1.0}
    with pytest.raises(UsageError, match=r"no conv5_4 \(known: .*, conv5_2; before its ReLU: conv5_2:linear\)"):
        features(torch.rand(1, 3, 32, 32), ["conv5_4"])


def test_the_compressed_network_ends_at_conv5_1_and_has_nothing_before_a_relu(networks):
    assert networks["compressed"].compared_layers == {"conv5_1": 1.0}
    with pytest.raises(UsageError, match=r"no conv5_1:linear \(known: .*, conv5_1; before its ReLU: none\)"):
        networks["compressed"].refuse_unknown(["conv5_1:linear"])


def test_random_features_are_the_same_everywhere_and_leave_torchs_chance_alone(networks):
    state = torch.get_rng_state()
    again = build_features(FixedFeatureOptions(use="random"))
    again.prepare()
    assert torch.equal(torch.get_rng_state(), state)
    assert again.state_dict() == {}
    assert not again.loaded
    picture = torch.rand(1, 3, 16, 16)
    ours, theirs = (features(picture, ["conv3_2"])["conv3_2"] for features in (again, networks["random"]))
    assert torch.equal(ours, theirs)


def test_random_features_take_no_file():
    with pytest.raises(ValueError, match="random features read no file; set `use` too, to the network that it holds"):
        FixedFeatureOptions(use="random", weights="vgg.pth")


def test_an_unknown_layer_is_refused(networks):
    with pytest.raises(UsageError, match=r"no conv9_9 \(known: conv1_1, conv1_2, .*conv5_4; before its"):
        networks["vgg19"](torch.rand(1, 3, 32, 32), ["conv9_9"])


def test_a_file_of_another_network_is_refused(vgg_file, squeezenet_file):
    with pytest.raises(
        I2IError, match=r"squeezenet1_1-random.pth: not the VGG-19 of torchvision.*lacks features.2.weight"
    ):
        extractor("vgg19", squeezenet_file)
    with pytest.raises(I2IError, match=r"vgg19-random.pth: not the SqueezeNet 1.1 of torchvision: it lacks"):
        extractor("squeezenet1_1", vgg_file)


def test_a_file_of_other_shapes_is_refused(vgg_file, tmp_path):
    tensors = torch.load(vgg_file, weights_only=True)
    tensors["features.0.weight"] = torch.zeros(7, 3, 3, 3)
    torch.save(tensors, tmp_path / "odd.pth")
    with pytest.raises(I2IError, match=r"odd\.pth: its tensors are not of the shapes of vgg19: "):
        extractor("vgg19", tmp_path / "odd.pth")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(I2IError, match=r"none\.pth: no such file; put the weights of vgg19 there"):
        extractor("vgg19", tmp_path / "none.pth")


def test_learned_features_take_no_file():
    with pytest.raises(
        ValueError,
        match="learned features read no file; set `use` too, to the network that it holds: vgg19, squeezenet1_1",
    ):
        FeatureOptions(use="learned", weights="vgg.pth")


def test_the_compressed_network_tells_pictures_apart_as_it_was_trained_to():
    path = DATA / "weights" / "vgg19-16x-distilled.pth"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    features = extractor("vgg19", path)
    maps = features(torch.rand(1, 3, 64, 64), list(features.style_layers))
    assert {name: found.shape[1] for name, found in maps.items()} == {
        name: features.layers[name].channels for name in features.style_layers
    }
    dead = {name: float((found.amax((0, 2, 3)) == 0).float().mean()) for name, found in maps.items()}
    assert max(dead.values()) < 0.9
