"""LPIPS beside an independent implementation, on what anybody can say about distances, and without its files."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn
from torchmetrics.functional.image import lpips as reference

from i2i.disk.digests import sha256_of
from i2i.errors import I2IError, UsageError
from i2i.features.lpips import HEADS, LPIPS, NETWORKS, LPIPSOptions
from i2i.images.decode import open_picture, to_tensor

DATA = Path(os.environ.get("I2I_TEST_DATA", "../shared/data"))
BACKBONES = {"squeeze": "squeezenet1_1", "vgg": "vgg16", "alex": "alexnet"}
EACH = pytest.mark.parametrize("backbone", list(BACKBONES))


class Fire(nn.Module):
    def __init__(self, inputs, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, maps):
        maps = self.squeeze(maps).relu()
        return torch.cat([self.expand1x1(maps).relu(), self.expand3x3(maps).relu()], dim=1)


def squeezenet():
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    sizes = (
        (128, 16, 64),
        (128, 32, 128),
        (256, 32, 128),
        (256, 48, 192),
        (384, 48, 192),
        (384, 64, 256),
        (512, 64, 256),
    )
    fires = [Fire(64, 16, 64), *(Fire(*size) for size in sizes)]
    return [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool, *fires[:2], pool, *fires[2:4], pool, *fires[4:]]


def vgg():
    modules, inputs = [], 3
    for channels, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            modules += [nn.Conv2d(inputs, channels, 3, padding=1), nn.ReLU()]
            inputs = channels
        modules.append(nn.MaxPool2d(2, 2))
    return modules


def alexnet():
    return [
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    ]


MODULES = {"squeezenet1_1": squeezenet, "vgg16": vgg, "alexnet": alexnet}


def torchmetrics_distances(monkeypatch, backbone, weights, prediction, target):
    """By torchmetrics and the heads that it brings; the networks are torch's modules, torchvision is not needed."""

    def features(name, pretrained=False):
        network = nn.Sequential(*MODULES[name]())
        tensors = torch.load(weights, weights_only=True).items()
        network.load_state_dict({key.partition(".")[2]: value for key, value in tensors if key.startswith("features.")})
        return network

    monkeypatch.setattr(reference, "_get_tv_model_features", features)
    return reference.learned_perceptual_image_patch_similarity(
        prediction, target, net_type=backbone, reduction="none", normalize=True
    )


def bundled_heads(backbone):
    return Path(reference.__file__).parent / "lpips_models" / f"{backbone}.pth"


def prepared(backbone, weights, heads):
    network = LPIPS(LPIPSOptions(backbone=backbone, weights=str(weights), heads=str(heads)))
    network.prepare()
    return network


@pytest.fixture(scope="module")
def networks(random_weights):
    return {
        backbone: prepared(backbone, random_weights(name), random_weights(f"heads-{backbone}"))
        for backbone, name in BACKBONES.items()
    }


def pair(height=70, width=53):
    chance = torch.Generator().manual_seed(3)
    return torch.rand(2, 2, 3, height, width, generator=chance)


@EACH
def test_it_is_what_torchmetrics_computes_with_the_same_weights_and_published_heads(
    monkeypatch, random_weights, backbone
):
    weights, (prediction, target) = random_weights(BACKBONES[backbone]), pair()
    ours = prepared(backbone, weights, bundled_heads(backbone)).distances(prediction, target)
    theirs = torchmetrics_distances(monkeypatch, backbone, weights, prediction, target)
    assert ours.shape == (2,)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_it_agrees_with_torchmetrics_on_pictures_and_a_trained_network(monkeypatch):
    weights, folder = DATA / "weights" / "squeezenet1_1-torchvision-norm.pth", DATA / "sr" / "Set5" / "image_SRF_4"
    if not weights.exists() or not folder.exists():
        pytest.skip(f"{weights} or {folder} is not here")
    small, large = (
        to_tensor(open_picture(folder / f"img_001_SRF_4_{name}.png"))[None].float() / 255 for name in ("LR", "HR")
    )
    upscaled = nn.functional.interpolate(small, large.shape[2:], mode="bicubic").clamp(0, 1)
    ours = prepared("squeeze", weights, DATA / "weights" / "lpips-v0.1" / "squeeze.pth").distances(upscaled, large)
    theirs = torchmetrics_distances(monkeypatch, "squeeze", weights, upscaled, large)
    torch.testing.assert_close(ours, theirs.reshape(1), rtol=1e-5, atol=1e-7)


@EACH
def test_it_is_the_formula_of_the_paper(networks, random_weights, backbone):
    network, (prediction, target) = networks[backbone].double(), pair(height=40, width=61)
    heads = torch.load(random_weights(f"heads-{backbone}"), weights_only=True)
    expected = torch.zeros(2, dtype=torch.float64)
    for number, tap in enumerate(network.taps):
        ours, theirs = (network.network(seen.double(), [tap])[tap] for seen in (prediction, target))
        ours, theirs = (nn.functional.normalize(maps, dim=1) for maps in (ours, theirs))
        squares = (ours - theirs).square().mean((2, 3))  # (B, C)
        expected += (squares * heads[f"lin{number}.model.1.weight"].flatten()).sum(1)
    found = network.distances(prediction.double(), target.double())
    network.float()
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)


@EACH
def test_a_picture_has_no_distance_from_itself_and_more_the_noisier_it_is(networks, backbone):
    network, chance = networks[backbone], torch.Generator().manual_seed(0)
    picture = nn.functional.interpolate(torch.rand(1, 3, 8, 8, generator=chance), (64, 64), mode="bilinear")
    noise = torch.randn(picture.shape, generator=chance)
    found = [float(network.distances(picture + amount * noise, picture)) for amount in (0, 0.02, 0.05, 0.1, 0.2)]
    assert found[0] == 0
    assert found == sorted(found)
    assert found[1] > 0


@EACH
def test_it_is_the_same_both_ways_and_for_each_picture_alone(networks, backbone):
    network, (prediction, target) = networks[backbone], pair()
    found = network.distances(prediction, target)
    torch.testing.assert_close(found, network.distances(target, prediction))
    torch.testing.assert_close(found[1:], network.distances(prediction[1:], target[1:]))


@EACH
def test_the_smallest_picture_that_it_names_is_large_enough(networks, backbone):
    network = networks[backbone]
    side = network.smallest
    assert network.distances(*pair(height=side, width=side)).isfinite().all()
    with pytest.raises(UsageError, match=rf"of {side} or more pixels on each side; found {side + 1}×{side - 1}"):
        network.distances(*pair(height=side - 1, width=side + 1))


def test_what_cannot_be_compared_is_refused_and_grey_is_grey_in_colour(networks):
    network, grey = networks["squeeze"], torch.rand(2, 1, 40, 40)
    colours = (grey.expand(-1, 3, -1, -1), (grey / 2).expand(-1, 3, -1, -1))
    assert torch.equal(network.distances(grey, grey / 2), network.distances(*colours))
    with pytest.raises(UsageError, match=r"one shape; found \(2, 3, 40, 40\) and \(2, 3, 40, 41\)"):
        network.distances(torch.rand(2, 3, 40, 40), torch.rand(2, 3, 40, 41))
    with pytest.raises(UsageError, match=r"\(B, 1 or 3, H, W\) of one shape; found \(2, 4, 40, 40\)"):
        network.distances(torch.rand(2, 4, 40, 40), torch.rand(2, 4, 40, 40))


@EACH
def test_gradients_reach_the_prediction_alone_and_are_finite_where_nothing_is_seen(networks, backbone):
    network = networks[backbone]
    prediction = torch.zeros(1, 3, 48, 48, requires_grad=True)
    target = torch.rand(1, 3, 48, 48, requires_grad=True)
    for name, buffer in network.network.named_buffers():
        if name.endswith("_bias"):
            buffer.sub_(100)  # so that no ReLU lets anything through
    try:
        network.distances(prediction, target).sum().backward()
        assert prediction.grad.isfinite().all()
    finally:
        for name, buffer in network.network.named_buffers():
            if name.endswith("_bias"):
                buffer.add_(100)
    network.distances(prediction, target).sum().backward()
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().sum() > 0
    assert target.grad is None


@EACH
def test_it_says_what_it_is_and_leaves_nothing_to_save(networks, random_weights, backbone):
    network, name = networks[backbone], BACKBONES[backbone]
    assert network.state_dict() == {}
    assert list(network.loaded) == [f"{name}-random.pth", f"heads heads-{backbone}-random.pth"]
    assert {len(digest) for digest in network.loaded.values()} == {64}
    assert network.remark == (
        f"LPIPS 0.1: {name} ({name}-random.pth), heads heads-{backbone}-random.pth; not the published weights: "
        "not to be compared with published figures"
    )


def test_the_bundled_heads_are_the_published_ones():
    for backbone, published in HEADS.items():
        assert sha256_of(bundled_heads(backbone)) == published.sha256


@EACH
def test_without_a_network_the_line_names_the_file_to_provide(monkeypatch, tmp_path, random_weights, backbone):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    nowhere = {"url": "http://127.0.0.1:9/net.pth", "sha256": "ab", "megabytes": 5}
    published = type(HEADS[backbone])(**nowhere)
    monkeypatch.setattr(NETWORKS[backbone], "published", published)
    monkeypatch.setitem(HEADS, backbone, published)
    place = tmp_path / "hub" / "checkpoints" / "net.pth"
    with pytest.raises(I2IError) as caught:
        LPIPS(LPIPSOptions(backbone=backbone)).prepare()
    text = str(caught.value)
    assert text.startswith("http://127.0.0.1:9/net.pth: cannot be fetched (")
    assert text.endswith(
        f"put net.pth (5 MB, SHA-256 ab) at {place}, or name another file of the LPIPS heads for '{backbone}'"
    )
    with pytest.raises(I2IError, match=rf"another file of the network's weights for the LPIPS backbone '{backbone}'"):
        LPIPS(LPIPSOptions(backbone=backbone, heads=str(random_weights(f"heads-{backbone}")))).prepare()


def test_heads_of_another_network_are_refused(random_weights):
    with pytest.raises(
        I2IError, match=r"not the heads of LPIPS 0\.1 for 'alex': lin1.*\(1, 192, 1, 1\), found \(1, 128"
    ):
        prepared("alex", random_weights("alexnet"), random_weights("heads-vgg"))
    with pytest.raises(I2IError, match=r"not the heads .* 'vgg': lin0.*must be \(1, 64, 1, 1\), found no such tensor"):
        prepared("vgg", random_weights("vgg16"), random_weights("vgg16"))


def test_heads_that_are_not_there_are_named(random_weights, tmp_path):
    with pytest.raises(I2IError, match=r"none\.pth: no such file; put the LPIPS heads there"):
        prepared("alex", random_weights("alexnet"), tmp_path / "none.pth")


def test_a_file_of_another_network_is_refused(random_weights):
    with pytest.raises(I2IError, match=r"alexnet-random\.pth: not the VGG-16 of torchvision: it lacks features\.2"):
        prepared("vgg", random_weights("alexnet"), random_weights("heads-vgg"))
    with pytest.raises(I2IError, match=r"not of the shapes of alexnet|not the AlexNet of torchvision"):
        prepared("alex", random_weights("vgg16"), random_weights("heads-alex"))
