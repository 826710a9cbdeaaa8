"""Generators of others in, and out again: the published networks are written plainly here, by their layers' names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file
from torch import Tensor, nn

import i2i
from i2i.cli import i2i as command
from i2i.errors import I2IError, UsageError
from i2i.foreign import read_tensors

Norm = Callable[[int], nn.Module]


class Skip(nn.Module):
    """x + f(x) of a ResNet, under the name that it has there."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.conv_block(maps)


class Level(nn.Module):
    """x beside f(x) of a U-Net; its first layer works in place."""

    def __init__(self, *layers: nn.Module, outermost: bool = False) -> None:
        super().__init__()
        self.model, self.outermost = nn.Sequential(*layers), outermost

    def forward(self, maps: Tensor) -> Tensor:
        deeper = self.model(maps)
        return deeper if self.outermost else torch.cat([maps, deeper], 1)


class Published(nn.Module):
    """Pictures in [-1, 1] → the same."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


def resnet(
    blocks: int, width: int, norm: Norm, inputs: int = 3, outputs: int = 3, dropout: bool = False
) -> Published:  # fmt: skip
    bias = norm is instance

    def half(channels: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3, bias=bias), norm(channels)]

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(inputs, width, 7, bias=bias), norm(width), nn.ReLU()]
    for narrow, wide in ((width, 2 * width), (2 * width, 4 * width)):
        layers += [nn.Conv2d(narrow, wide, 3, 2, 1, bias=bias), norm(wide), nn.ReLU()]
    noise = [nn.Dropout(0.5)] if dropout else []
    layers += [Skip(*half(4 * width), nn.ReLU(), *noise, *half(4 * width)) for _ in range(blocks)]
    for wide, narrow in ((4 * width, 2 * width), (2 * width, width)):
        layers += [nn.ConvTranspose2d(wide, narrow, 3, 2, 1, 1, bias=bias), norm(narrow), nn.ReLU()]
    return Published(nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, outputs, 7), nn.Tanh()))


def unet(levels: int, width: int, norm: Norm, inputs: int = 3, outputs: int = 3) -> Published:
    bias = norm is instance
    widths = [width * min(8, 2**level) for level in range(levels)]
    deeper: list[nn.Module] = []
    for outer, inner in reversed(list(pairwise(widths))):
        down = [nn.LeakyReLU(0.2, True), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        middle = [norm(inner), *deeper] if deeper else []
        joined = 2 * inner if deeper else inner
        up = [nn.ReLU(True), nn.ConvTranspose2d(joined, outer, 4, 2, 1, bias=bias), norm(outer)]
        deeper = [Level(*down, *middle, *up)]
    first = nn.Conv2d(inputs, width, 4, 2, 1, bias=bias)
    last = nn.ConvTranspose2d(2 * width, outputs, 4, 2, 1)
    return Published(Level(first, *deeper, nn.ReLU(True), last, nn.Tanh(), outermost=True))


def instance(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def trained(network: nn.Module) -> nn.Module:
    """Numbers of the size that a training leaves behind, every one visible in the answer."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.03)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.03)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.1)
            nn.init.normal_(module.bias, 0, 0.1)
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.num_batches_tracked.fill_(1200)
    return network


def answer(network: nn.Module, picture: Tensor) -> Tensor:
    with torch.no_grad():
        return network(picture[None] * 2 - 1)[0] / 2 + 0.5


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def brought_in(tensors: Mapping[str, Tensor], folder: Path, name: str = "latest_net_G.safetensors") -> Path:
    """The weights file that the command makes of them. A pickle takes a second more: another process opens it."""
    save = torch.save if name.endswith(".pth") else save_file
    save(dict(tensors), folder / name)
    done = run("import", folder / name, "--out", folder / "w.safetensors")
    assert done.exception is None, done.exception
    return folder / "w.safetensors"


def model_of(weights: Path) -> dict[str, Any]:
    return dict(i2i.Weights.load(weights).recipe["model"])


KINDS = {
    "resnet-6": lambda width, norm: resnet(6, width, norm),
    "resnet-9": lambda width, norm: resnet(9, width, norm),
    "unet-128": lambda width, norm: unet(7, width, norm),
    "unet-256": lambda width, norm: unet(8, width, norm),
}


@pytest.mark.parametrize(("kind", "width", "side"), [("resnet-6", 32, 128), ("resnet-9", 8, 96), ("unet-128", 12, 128),
                                                     ("unet-256", 8, 256)])  # fmt: skip
def test_an_imported_generator_gives_what_the_published_one_gives(
    kind: str, width: int, side: int, tmp_path: Path
) -> None:
    network = trained(KINDS[kind](width, instance)).eval()
    weights = brought_in(network.state_dict(), tmp_path, "latest_net_G.pth")
    found = model_of(weights)
    assert (found["use"], found["generator"], found["width"], found["dropout"]) == ("cyclegan", kind, width, False)

    picture = torch.rand(3, side, side)
    translated = i2i.load(weights, device="cpu").translate(picture)
    torch.testing.assert_close(translated, answer(network, picture), atol=1e-5, rtol=0)
    assert translated.std() > 0.05


@pytest.mark.parametrize("kind", ["resnet-6", "unet-128"])
def test_with_batch_norms_it_is_pix2pixs_and_goes_by_running_averages_where_there_is_no_noise(
    kind: str, tmp_path: Path
) -> None:
    network = trained(KINDS[kind](8, batch))
    weights = brought_in(network.state_dict(), tmp_path)
    found = model_of(weights)
    assert (found["use"], found["generator"], found["width"], found["norm"]) == ("pix2pix", kind, 8, "batch")

    picture = torch.rand(3, 128, 128)
    calm = i2i.load(weights, {"dropout": False}, device="cpu").translate(picture)
    torch.testing.assert_close(calm, answer(network.eval(), picture), atol=1e-5, rtol=0)


def test_as_published_batch_norms_go_by_each_picture(tmp_path: Path) -> None:
    network = trained(KINDS["resnet-6"](8, batch))
    weights = brought_in(network.state_dict(), tmp_path)
    assert model_of(weights)["dropout"] is False
    pictures = torch.rand(2, 3, 64, 64)
    translated = i2i.load(weights, device="cpu").translate(list(pictures), batch=2)
    for picture, ours in zip(pictures, translated, strict=True):
        torch.testing.assert_close(ours, answer(network.train(), picture), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "noisy"), [(128, [3, 4]), (256, [3, 4, 5])])
def test_noise_of_a_published_unet_is_where_it_is_in_the_published_code(side: int, noisy: list[int]) -> None:
    """Behind the levels between the deepest and the first that is as wide: num_downs − 5 of them."""
    with torch.device("meta"):
        network = i2i.UNetGenerator(side, 4, False, dropout=True, batch=True)
    places = [name for name, module in network.named_modules() if type(module).__name__ == "Dropout"]
    assert sorted(name.count("model.") - 3 for name in places) == noisy


def test_a_unet_with_batch_norms_has_noise_as_published_unless_told_otherwise(tmp_path: Path) -> None:
    weights = brought_in(trained(unet(7, 4, batch)).state_dict(), tmp_path)
    translator, picture = i2i.load(weights, device="cpu"), torch.rand(3, 128, 128)
    one, other = (translator.translate(picture, seed=seed) for seed in (1, 2))
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize(("norm", "use"), [(instance, "cyclegan"), (batch, "pix2pix")])
def test_dropout_is_seen_by_where_it_moves_the_layers_to(norm: Norm, use: str, tmp_path: Path) -> None:
    network = trained(resnet(6, 4, norm, dropout=True)).eval()
    weights = brought_in(network.state_dict(), tmp_path)
    assert (model_of(weights)["use"], model_of(weights)["dropout"]) == (use, True)
    picture = torch.rand(3, 32, 32)
    calm = {} if use == "cyclegan" else {"dropout": False}
    translated = i2i.load(weights, calm, device="cpu").translate(picture)
    torch.testing.assert_close(translated, answer(network, picture), atol=1e-5, rtol=0)


def test_prefixes_and_old_statistics_mean_nothing(tmp_path: Path) -> None:
    network = trained(resnet(6, 4, instance))
    state = network.state_dict()
    old = {f"model.{place}.{part}": torch.ones(4) for place in (2, 5) for part in ("running_mean", "running_var")}
    prefixed = {f"module.{key}": tensor for key, tensor in (state | old).items()}
    weights = brought_in(prefixed, tmp_path, "latest_net_G_A.pth")
    held = i2i.Weights.load(weights).tensors
    assert held.keys() == {f"to_target.{key}" for key in state}
    assert all(torch.equal(held[f"to_target.{key}"], tensor) for key, tensor in state.items())


def test_batch_norms_of_old_that_never_counted_are_read(tmp_path: Path) -> None:
    state = trained(unet(7, 4, batch)).state_dict()
    weights = brought_in({key: value for key, value in state.items() if "num_batches" not in key}, tmp_path)
    assert model_of(weights)["generator"] == "unet-128"


@pytest.mark.parametrize(("make", "inputs", "outputs"), [(resnet, 1, 3), (resnet, 3, 1), (unet, 1, 1)])
def test_a_generator_of_grey_pictures_takes_and_makes_them_in_rgb(
    make: Callable[..., Published], inputs: int, outputs: int, tmp_path: Path
) -> None:
    depth = 6 if make is resnet else 7
    network = trained(make(depth, 4, instance, inputs=inputs, outputs=outputs)).eval()
    translator = i2i.load(brought_in(network.state_dict(), tmp_path), device="cpu")
    picture = torch.rand(3, 128, 128)
    shown = i2i.luma(picture) if inputs == 1 else picture
    expected = answer(network, shown).expand(3, -1, -1)
    torch.testing.assert_close(translator.translate(picture), expected, atol=1e-5, rtol=0)


def test_other_channels_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save(resnet(6, 4, instance, inputs=6).state_dict(), tmp_path / "g.pth")
    refused = run("import", tmp_path / "g.pth", "--out", tmp_path / "w.safetensors").exception
    assert isinstance(refused, I2IError)
    assert str(refused).startswith(
        f"{tmp_path / 'g.pth'}: does not fit the model 'cyclegan': size mismatch for to_target.model.1.weight"
    )


@pytest.mark.parametrize("depth", [3, 12])
def test_of_other_depths_those_that_i2i_has_are_read_and_others_named(depth: int, tmp_path: Path) -> None:
    torch.save(resnet(depth, 2, instance).state_dict(), tmp_path / "g.pth")
    done = run("import", tmp_path / "g.pth", "--out", tmp_path / "w.safetensors")
    if depth == 3:
        assert done.exit_code == 0
    else:
        assert "model.generator: " in str(done.exception)
        assert "'resnet-12'" in str(done.exception)


@pytest.mark.parametrize("change", ["a tensor too many", "a tensor too few", "another shape", "no convolution"])
@pytest.mark.parametrize("kind", ["resnet-6", "unet-128"])
def test_what_only_resembles_one_is_not_taken_for_it(kind: str, change: str, tmp_path: Path) -> None:
    state = KINDS[kind](2, instance).state_dict()
    first = next(iter(state))
    if change == "a tensor too many":
        state["attention.weight"] = torch.zeros(3, 3)
    elif change == "a tensor too few":
        del state[next(key for key in state if key.endswith("bias"))]
    elif change == "another shape":
        state[first] = torch.zeros(2, 3, 5, 5)
    else:
        state[first] = torch.zeros(0, 3, 7, 7)
    assert i2i.published_generator(state) is None

    save_file(state, tmp_path / "g.safetensors")
    for plugin in ("cyclegan", "pix2pix"):
        refused = run(
            "import", tmp_path / "g.safetensors", "--plugin", plugin, "--out", tmp_path / "w.safetensors"
        ).exception
        assert isinstance(refused, I2IError)
        assert f"not recognised: its {len(state)} tensors begin with {min(state)}, " in str(refused)
        assert f"asked '{plugin}'; needed is a plugin whose model knows these names" in str(refused)


# ---- out again


@pytest.mark.parametrize(
    ("network", "form"),
    [
        (resnet(9, 4, instance), "published-cyclegan"),
        (resnet(6, 4, instance, dropout=True), "published-cyclegan"),
        (unet(8, 2, instance), "published-cyclegan"),
        (unet(7, 2, batch), "published-pix2pix"),
        (resnet(6, 2, batch, dropout=True), "published-pix2pix"),
    ],
)
def test_what_came_in_goes_out_the_same(network: nn.Module, form: str, tmp_path: Path) -> None:
    state, out = trained(network).state_dict(), tmp_path / "out.pth"
    weights = brought_in(state, tmp_path)
    done = run("export", "--weights", weights, "--to", form, out, "--json")
    assert done.exception is None
    told = json.loads(done.stdout)
    assert (told["file"], told["form"], told["tensors"]) == (str(out), form, len(state))
    assert (told["step"], told["bytes"]) == (0, out.stat().st_size)

    written = torch.load(out, weights_only=True)
    assert type(written) is dict
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], tensor) for key, tensor in state.items())
    assert all(
        tensor.is_contiguous() and tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in written.values()
    )
    network.load_state_dict(written)


def test_what_was_trained_here_translates_there_in_either_direction(tmp_path: Path) -> None:
    recipe = i2i.load_recipe(i2i.discover(), "cyclegan", overrides=["model.generator=resnet-6", "model.width=4"])
    from i2i.training.building import build_model

    model = build_model(recipe.model)
    state = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith("judge")}
    path = tmp_path / "w.safetensors"
    i2i.Weights(recipe=recipe.as_dict(), tensors=state, step=5, model_version=1, api_version=1).save(path)

    for direction in ("source-to-target", "target-to-source"):
        out = tmp_path / f"{direction}.pth"
        done = run("export", "--weights", path, "--to", "published-cyclegan", "--direction", direction, out)
        assert done.exception is None
        assert f"{out}: cyclegan, 0." in done.output
        assert "36 tensors as published-cyclegan" in done.output
        theirs = resnet(6, 4, instance)
        theirs.load_state_dict(read_tensors(out))
        picture = torch.rand(3, 64, 64)
        ours = i2i.load(path, {"direction": direction}, device="cpu").translate(picture)
        torch.testing.assert_close(ours, answer(theirs, picture), atol=1e-5, rtol=0)


def test_a_direction_that_the_weights_lack_is_told(tmp_path: Path) -> None:
    weights = brought_in(resnet(6, 2, instance).state_dict(), tmp_path)
    words = ("--to", "published-cyclegan", "--direction", "target-to-source", tmp_path / "out.pth")
    refused = run("export", "--weights", weights, *words).exception
    assert isinstance(refused, UsageError)
    assert str(refused) == (
        f"--to published-cyclegan: {weights}: these weights hold no generator for the direction target-to-source"
    )
    assert not (tmp_path / "out.pth").exists()


def test_what_the_published_code_cannot_build_is_told_by_its_options(tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    weights = brought_in(unet(7, 2, batch).state_dict(), tmp_path)
    changed = i2i.Weights.load(weights)
    recipe = {**changed.recipe, "model": {**changed.recipe["model"], "norm": "instance"}}
    path = tmp_path / "changed.safetensors"
    i2i.Weights(recipe=recipe, tensors=changed.tensors, step=0, model_version=1, api_version=1).save(path)
    assert str(run("export", "--weights", path, "--to", "published-pix2pix", out).exception) == (
        f"--to published-pix2pix: {path}: the published code has no generator with model.norm=instance; it needs "
        "model.upsampling=transposed, model.norm=batch, model.answers=picture"
    )
    refused = str(run("export", "--plugin", "srgan", "--to", "published-cyclegan", out).exception)
    assert refused.startswith("--to published-cyclegan: the model 'srresnet' of ")
    assert refused.endswith(" has no such form; it has onnx, torch-export, published-srgan")
    assert not out.exists()


def test_nothing_is_replaced_unless_forced(tmp_path: Path) -> None:
    weights, out = brought_in(resnet(6, 2, instance).state_dict(), tmp_path), tmp_path / "out.pth"
    words = ("export", "--weights", weights, "--to", "published-cyclegan", out)
    out.write_text("mine")
    assert str(run(*words).exception) == f"{out}: exists; --force replaces it"
    assert out.read_text() == "mine"
    assert run(*words, "--force").exit_code == 0
    assert "model.1.weight" in torch.load(out, weights_only=True)
    other = tmp_path / "out.onnx"
    assert str(run(*words[:-1], other).exception) == f"{other}: a file for published-cyclegan is named NAME.pth"
