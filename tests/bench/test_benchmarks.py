"""`make bench`: the plain networks are the published ones, ours compute the same, and every part runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import i2i
from i2i.bench.sides import Timing

PARTS = {
    "cyclegan-training": ["i2i, fp32"],
    "srgan-training": ["i2i, fp32"],
    "dcgan-training": ["i2i, fp32"],
    "gatys": ["i2i, fp32"],
    "cyclegan-folder": ["i2i, fp32"],
    "srresnet-folder": ["i2i, fp32"],
    "decode-encode": ["1 thread", "4 threads"],
    "recipes": [],
    "growth": [],
}
"""What runs in this process, and what is beside the plain way there at least."""
LONG = ("one-picture", "start-up", "report")
"""Parts that start programs, or train."""


def test_the_plain_networks_have_the_published_numbers_of_parameters() -> None:
    from benchmarks.plain import networks
    from benchmarks.plain.training import parameters_of

    with torch.device("meta"):
        found = {
            "ResNet-9": networks.resnet_generator(),
            "PatchGAN": networks.patch_discriminator(),
            "SRResNet-16": networks.SRResNet(),
            "SRGAN's discriminator": networks.srgan_discriminator(),
            "DCGAN's generator": networks.dcgan_generator(),
            "VGG-19": networks.vgg19("conv5_4"),
        }
    millions = {name: round(parameters_of(network) / 1e6, 3) for name, network in found.items()}
    assert millions == {
        "ResNet-9": 11.378,
        "PatchGAN": 2.765,
        "SRResNet-16": 1.549,
        "SRGAN's discriminator": 23.566,  # 512·6·6 numbers to 1024
        "DCGAN's generator": 18.855,
        "VGG-19": 20.024,  # torchvision's 143.667 without the classifier's 123.643
    }


def ours(recipe: str) -> nn.Module:
    from i2i.training.building import build_model

    return build_model(i2i.load_recipe(i2i.discover(), recipe).model).eval().requires_grad_(False)


def fed(network: nn.Module, tensors: list[Tensor]) -> None:
    """Its parameters and means, in the order that modules are defined in."""
    own = [value for value in network.state_dict().values() if value.is_floating_point()]
    for value, given in zip(own, tensors, strict=True):
        value.copy_(given)


def test_the_plain_resnet_computes_what_ours_does() -> None:
    from benchmarks.plain.networks import resnet_generator

    mine, plain, picture = ours("cyclegan").to_target, resnet_generator().eval(), torch.rand(1, 3, 64, 64)
    fed(plain, list(mine.state_dict().values()))
    with torch.no_grad():
        assert torch.allclose((plain(picture * 2 - 1) + 1) / 2, mine(picture), atol=1e-4)


def test_the_plain_srresnet_computes_what_ours_does() -> None:
    from benchmarks.plain.networks import SRResNet

    mine, plain, picture = ours("srresnet").generator, SRResNet().eval(), torch.rand(1, 3, 24, 24)
    with torch.no_grad():
        layers = [layer for layer in mine.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.PReLU)]
        theirs = [layer for layer in plain.modules() if isinstance(layer, nn.Conv2d | nn.BatchNorm2d | nn.PReLU)]
        for one, other in zip(layers, theirs, strict=True):
            assert type(one).__mro__[-3:] == type(other).__mro__[-3:]
            for name, value in other.state_dict().items():
                given = one.state_dict().get(name, torch.zeros(()))  # ours has no bias before a norm
                value.copy_(given.flatten()[0] if isinstance(one, nn.PReLU) else given)
        assert torch.allclose((plain(picture) + 1) / 2, mine(picture), atol=1e-4)


def test_the_plain_painting_has_the_loss_that_gatys_minimises(
    random_weights: Callable[[str], Path], tmp_path: Path
) -> None:
    from benchmarks.plain.painting import Painting
    from i2i.bench.pictures import drawn

    size = 64
    photo, style = (i2i.to_tensor(drawn(number, size))[None].float() / 255 for number in (0, 1))
    drawn(1, size).save(tmp_path / "style.png")
    vgg = random_weights("vgg19")
    overrides = [f"model.style={tmp_path / 'style.png'}", "model.features.use=vgg19", f"model.features.weights={vgg}"]
    heard = []
    options = {"initial": "content", "variation": 0.0, "scales": [{"size": size, "steps": 3}]}
    translator = i2i.load(i2i.load_recipe(i2i.discover(), "gatys", overrides=overrides), options, device="cpu")
    request = i2i.Request(options=translator.options, seeds=(0,), report=lambda share, **parts: heard.append(parts))
    canvas = translator.model.translate(photo, request)
    painting = Painting(photo, style, vgg, "cpu")
    first, last = float(painting.loss(photo)), float(painting.loss(canvas))
    assert first == pytest.approx(heard[0]["loss"], rel=1e-3)
    assert last < 0.9 * first
    assert float(painting.loss(painting.painted(3))) == pytest.approx(last, rel=0.01)


def test_every_part_runs_and_its_figures_are_saved_part_by_part_printed_and_drawn(
    once_in_this_process: Callable[..., list[Timing]],
    random_weights: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from benchmarks.__main__ import main

    for name in ("training", "folders", "recipes", "growth"):
        monkeypatch.setattr(f"benchmarks.parts.{name}.in_turns", once_in_this_process)
    words = ["--quick", "--device", "cpu", "--results", str(tmp_path), "--vgg", str(random_weights("vgg19"))]
    main([*words, "--only", *(part for part in PARTS if part != "growth")])
    (file,) = tmp_path.glob("*.json")
    main([*words, "--only", "growth"])
    told = capsys.readouterr().out
    found = json.loads(file.read_text())
    assert found["machine"].keys() >= {"cpu", "cores", "threads", "memory", "gpu", "python"}
    assert list(found["parts"]) == list(PARTS)
    for part, names in PARTS.items():
        saved = found["parts"][part]
        assert saved.keys() >= {"date", "commit", "torch", "quick", "took", "limits", "rows", "series", "settings"}
        assert saved["limits"]["fp32"]["gigaflops"] > 0
        for row in saved["rows"]:
            assert {entry["name"] for entry in row["entries"][1:]} >= set(names)
            assert row["title"] in told
        if part.endswith("training"):
            plain, *others = saved["rows"][0]["entries"]
            assert plain["ratio"] == 1
            assert others[0]["ratio"] == 2  # as the clock of this test says
            assert saved["rows"][0]["gigaflops"] > 0
            assert others[0]["share_of_limit"] == pytest.approx(2 * plain["share_of_limit"])
    end_to_end = found["parts"]["cyclegan-folder"]["rows"][0]["entries"]
    assert all("share of the model's own speed" in entry["figures"] for entry in end_to_end)
    plain, painted = (entry["figures"]["final loss"] for entry in found["parts"]["gatys"]["rows"][0]["entries"][:2])
    assert painted == pytest.approx(plain, rel=0.01)
    assert [len(series["points"]) for series in found["parts"]["growth"]["series"]] == [2, 2, 2]
    assert "<svg" in file.with_suffix(".svg").read_text()
    assert "2.00×" in told
    main(["--show", str(file)])
    assert capsys.readouterr().out.splitlines()[-2:] == [str(file), str(file.with_suffix(".svg"))]


def test_every_part_is_a_function() -> None:
    from benchmarks import parts
    from i2i.plugins import resolve

    assert list(PARTS) == [name for name in parts.PARTS if name not in LONG]
    assert all(callable(resolve(path)) for path in parts.PARTS.values())


def test_a_plugin_that_is_there_for_the_start_up_is_found(tmp_path: Path) -> None:
    from benchmarks.parts.programs import _install

    _install("plugin7", tmp_path)
    (found,) = metadata.distributions(path=[str(tmp_path)])
    (point,) = found.entry_points
    assert (found.name, point.group, point.value) == ("i2i-plugin7", "i2i", "i2i_plugin7")
    assert (tmp_path / "i2i_plugin7" / "__init__.py").is_file()
