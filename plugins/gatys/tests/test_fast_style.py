from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from i2i_gatys import FastOptions, FastTrainerOptions
from i2i_gatys.fast import FastStyle, read_published
from i2i_gatys.fast_trainer import FastStyleTrainer, content_distances
from i2i_gatys.network import SMALLEST
from torch import Tensor

import i2i

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
CANDY = SHARED / "weights" / "fast-style-candy.pth"
PHOTO = SHARED / "style" / "pytorch-examples" / "content" / "amber.jpg"
TINY = FastOptions(width=2, blocks=1)


def published(width: int = 3, blocks: int = 2) -> dict[str, Tensor]:
    """A network of random numbers under the published names."""
    chance = torch.Generator().manual_seed(1)
    tensors: dict[str, Tensor] = {}

    def convolution(name: str, inputs: int, outputs: int, side: int) -> None:
        tensors[f"{name}.conv2d.weight"] = torch.randn(outputs, inputs, side, side, generator=chance) / side
        tensors[f"{name}.conv2d.bias"] = torch.randn(outputs, generator=chance)

    def norm(name: str, channels: int) -> None:
        tensors[f"{name}.weight"] = torch.rand(channels, generator=chance) + 0.5
        tensors[f"{name}.bias"] = torch.randn(channels, generator=chance)

    thin, middle, wide = width, 2 * width, 4 * width
    for number, (inputs, outputs, side) in enumerate([(3, thin, 9), (thin, middle, 3), (middle, wide, 3)], 1):
        convolution(f"conv{number}", inputs, outputs, side)
        norm(f"in{number}", outputs)
    for block in range(1, blocks + 1):
        for number in (1, 2):
            convolution(f"res{block}.conv{number}", wide, wide, 3)
            norm(f"res{block}.in{number}", wide)
    for number, (inputs, outputs) in enumerate([(wide, middle), (middle, thin)], 1):
        convolution(f"deconv{number}", inputs, outputs, 3)
        norm(f"in{number + 3}", outputs)
    convolution("deconv3", thin, 3, 9)
    tensors["deconv3.conv2d.weight"] *= 40  # pictures in [0, 255]
    return tensors


def painted_as_published(tensors: Mapping[str, Tensor], pictures: Tensor) -> Tensor:
    """The published architecture, straight from its tensors: (B, 3, H, W) in [0, 255] → the same, not clamped."""

    def convolved(maps: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = tensors[f"{name}.conv2d.weight"]
        margin = weight.shape[-1] // 2
        mirrored = F.pad(maps, (margin, margin, margin, margin), mode="reflect")
        return F.conv2d(mirrored, weight, tensors[f"{name}.conv2d.bias"], stride=stride)

    def normed(maps: Tensor, name: str) -> Tensor:
        variance, mean = torch.var_mean(maps, (2, 3), correction=0, keepdim=True)
        gain, offset = (tensors[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (maps - mean) / (variance + 1e-5).sqrt() * gain + offset

    maps = normed(convolved(pictures, "conv1"), "in1").relu()
    maps = normed(convolved(maps, "conv2", 2), "in2").relu()
    maps = normed(convolved(maps, "conv3", 2), "in3").relu()
    blocks = len([name for name in tensors if name.endswith(".conv1.conv2d.weight")])
    for block in [f"res{number}" for number in range(1, blocks + 1)]:
        change = normed(convolved(maps, f"{block}.conv1"), f"{block}.in1").relu()
        maps = maps + normed(convolved(change, f"{block}.conv2"), f"{block}.in2")
    for number in (1, 2):
        doubled = maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        maps = normed(convolved(doubled, f"deconv{number}"), f"in{number + 3}").relu()
    return convolved(maps, "deconv3")


def imported(tensors: Mapping[str, Tensor]) -> FastStyle:
    found = read_published(tensors)
    assert found is not None
    options, state = found
    model = FastStyle(FastOptions(**options))
    model.load_state_dict(state)
    return model.eval()


def style_file(folder: Path, name: str = "style.png", seed: int = 4) -> str:
    chance = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 16, 16, generator=chance)
    picture = F.interpolate(coarse, scale_factor=5, mode="nearest")[0]
    i2i.write_picture(i2i.to_image(picture), folder / name)
    return str(folder / name)


def photos(count: int = 2, side: int = 64) -> Tensor:
    return torch.rand(count, 3, side // 8, side // 8).repeat_interleave(8, dim=2).repeat_interleave(8, dim=3)


def trainer(squeezenet: str, folder: Path, **options: Any) -> FastStyleTrainer:
    features = {"use": "squeezenet1_1", "weights": squeezenet}
    given = {"style": style_file(folder), "features": features, **options}
    return FastStyleTrainer(FastStyle(TINY), {}, FastTrainerOptions.model_validate(given))


# ---- the network


def test_the_smallest_picture_is_as_small_as_all_mirrored_edges_allow() -> None:
    model = FastStyle(TINY)
    assert model.geometry.min_size == SMALLEST == 8
    assert model.network(torch.rand(1, 3, SMALLEST, SMALLEST)).shape == (1, 3, SMALLEST, SMALLEST)
    with pytest.raises(RuntimeError, match=r"[Pp]adding size"):
        model.network(torch.rand(1, 3, SMALLEST - 4, SMALLEST - 4))


def test_pictures_of_any_size_keep_it(tmp_path: Path, catalog: i2i.Catalog) -> None:
    from i2i.inference.importing import import_weights

    torch.save(published(), tmp_path / "theirs.pth")
    import_weights(catalog, tmp_path / "theirs.pth", tmp_path / "w.safetensors", "fast-style")
    translator = i2i.load(tmp_path / "w.safetensors", catalog=catalog, device="cpu")
    for size in ((1, 1), (5, 7), (8, 8), (9, 31), (17, 10)):
        assert translator.translate(torch.rand(3, *size)).shape == (3, *size)


def test_a_fresh_network_paints_nearly_grey() -> None:
    painted = FastStyle(FastOptions(width=8, blocks=1)).network(torch.rand(1, 3, 32, 32))
    assert (painted - 0.5).abs().max() < 0.3


def test_a_painting_is_clamped() -> None:
    model = FastStyle(TINY)
    with torch.no_grad():
        model.network.last.weight *= 1000
    painted = model.translate(torch.rand(1, 3, 16, 16), i2i.Request())
    assert (painted.min(), painted.max()) == (0, 1)


# ---- what others published


def test_a_published_network_paints_as_published() -> None:
    tensors, pictures = published(), torch.rand(2, 3, 20, 24)
    expected = painted_as_published(tensors, pictures * 255) / 255
    torch.testing.assert_close(imported(tensors).network(pictures), expected, atol=1e-5, rtol=0)


def test_width_and_blocks_are_read_from_the_tensors() -> None:
    found = read_published(published(width=5, blocks=3))
    assert found is not None
    assert found[0] == {"width": 5, "blocks": 3}


def test_statistics_of_old_instance_norms_are_ignored() -> None:
    old = {"in1.running_mean": torch.zeros(3), "res1.in2.running_var": torch.ones(12)}
    assert read_published(published() | old) is not None


@pytest.mark.parametrize("other", ["too few", "too many", "another network"])
def test_other_files_are_not_taken_for_it(other: str) -> None:
    tensors = published()
    if other == "too few":
        del tensors["in4.bias"]
    elif other == "too many":
        tensors["attention.weight"] = torch.zeros(3)
    else:
        tensors = {"features.0.weight": torch.zeros(64, 3, 3, 3)}
    assert read_published(tensors) is None


@pytest.mark.skipif(not CANDY.is_file(), reason=f"no weights at {CANDY} (set I2I_TEST_DATA)")
def test_candy_paints_as_published(tmp_path: Path, catalog: i2i.Catalog) -> None:
    from i2i.foreign import read_tensors
    from i2i.inference.importing import import_weights

    weights = import_weights(catalog, CANDY, tmp_path / "candy.safetensors")
    assert weights.recipe["name"] == "fast-style"
    assert weights.recipe["model"] == {"use": "fast-style", "width": 32, "blocks": 5}

    picture = i2i.to_tensor(i2i.open_picture(PHOTO))[:, :128, :160].float() / 255
    translated = i2i.load(tmp_path / "candy.safetensors", catalog=catalog, device="cpu").translate(picture)
    exact = {name: tensor.double() for name, tensor in read_tensors(CANDY).items()}
    expected = painted_as_published(exact, picture[None].double() * 255)[0].clamp(0, 255) / 255
    torch.testing.assert_close(translated.double(), expected, atol=1e-5, rtol=0)


# ---- the trainer


def test_without_a_style_it_says_how_to_give_one() -> None:
    with pytest.raises(i2i.UsageError) as raised:
        FastStyleTrainer(FastStyle(TINY), {}, FastTrainerOptions())
    assert str(raised.value) == "trainer.style: not given; --set trainer.style=FILE"


def test_layers_that_there_are_not_are_refused(squeezenet: str, tmp_path: Path) -> None:
    with pytest.raises(i2i.UsageError, match="content_layers: these features have no fire1 "):
        trainer(squeezenet, tmp_path, content_layers={"fire1": 1})


def test_the_content_is_of_early_layers_unless_others_are_chosen(squeezenet: str, tmp_path: Path) -> None:
    assert trainer(squeezenet, tmp_path).content_layers == {"fire3": 0.1}
    assert trainer(squeezenet, tmp_path, content_layers={"fire5": 1}).content_layers == {"fire5": 1}
    learned = trainer("", tmp_path, features={"use": "learned"})
    assert learned.content_layers == learned.features.content_layers


def test_photos_smaller_than_the_features_see_are_refused(squeezenet: str, tmp_path: Path) -> None:
    with pytest.raises(i2i.UsageError) as raised:
        i2i.Loop.optimise(trainer(squeezenet, tmp_path), {"picture": photos(side=24)}, 1)
    assert str(raised.value) == (
        "dataset: gives pictures of 24×24 pixels; these features need 32 or more on each side: set dataset.size"
    )


def test_learning_lowers_the_loss_of_every_part(squeezenet: str, tmp_path: Path) -> None:
    told: list[Mapping[str, float]] = []
    request = i2i.Request(report=lambda fraction, **scalars: told.append(scalars))
    learning = trainer(squeezenet, tmp_path, learning_rate=0.02, content_weight=10)
    i2i.Loop.optimise(learning, {"picture": photos()}, 30, request)
    assert told[0].keys() == {"loss", "style", "content", "variation"}
    for part in ("loss", "style", "content"):
        assert told[-1][part] < told[0][part]


def test_the_loss_is_the_weighted_sum_of_its_parts(squeezenet: str, tmp_path: Path) -> None:
    told: list[Mapping[str, float]] = []
    weights = {"content_weight": 3.0, "style_weight": 0.5, "variation_weight": 7.0}
    request = i2i.Request(report=lambda fraction, **scalars: told.append(scalars))
    i2i.Loop.optimise(trainer(squeezenet, tmp_path, **weights), {"picture": photos()}, 1, request)
    parts = told[0]
    expected = 3 * parts["content"] + 0.5 * parts["style"] + 7 * parts["variation"]
    assert parts["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_learning_rate_rises_over_the_first_steps(squeezenet: str, tmp_path: Path) -> None:
    rates = [trainer(squeezenet, tmp_path).learning_rate("network", step) for step in (0, 19, 39, 10_000)]
    assert rates == [1 / 40, 0.5, 1, 1]


def test_features_and_style_are_no_part_of_the_model(squeezenet: str, tmp_path: Path) -> None:
    learning = trainer(squeezenet, tmp_path)
    i2i.Loop.optimise(learning, {"picture": photos()}, 1)
    assert {key.split(".")[0] for key in learning.model.state_dict()} == {"network"}
    assert learning.state_dict() == {}
    assert learning.remarks == ("features: squeezenet1_1 (squeezenet.pth)",)


def test_the_style_itself_is_at_no_distance_from_it(squeezenet: str, tmp_path: Path) -> None:
    learning = trainer(squeezenet, tmp_path)
    picture = i2i.to_tensor(i2i.open_picture(tmp_path / "style.png"))[None].float() / 255
    style, content = learning._distances(picture, picture)
    assert style == pytest.approx(0, abs=1e-9)
    assert content == 0


def test_several_styles_are_mixed_by_their_weights(squeezenet: str, tmp_path: Path) -> None:
    one, other = style_file(tmp_path, "one.png", 1), style_file(tmp_path, "other.png", 2)
    alone, beside = (trainer(squeezenet, tmp_path, style=name).style.mixed(0, torch.ones(1)) for name in (one, other))
    both = trainer(squeezenet, tmp_path, style=(one, other), style_weights=(3, 1))
    for name, grams in both.style.mixed(0, both.shares).items():
        torch.testing.assert_close(grams, 0.75 * alone[name] + 0.25 * beside[name])


def test_learned_features_see_the_photo_in_the_colours_of_the_style(tmp_path: Path) -> None:
    learning = trainer("", tmp_path, features={"use": "learned"})
    pictures = photos(1)
    wanted = learning._content(pictures, 3)
    coloured = learning.style.coloured(pictures, torch.ones(1))
    torch.testing.assert_close(wanted["lightness"], learning.features(coloured, ["lightness"], 3)["lightness"])
    assert not torch.equal(wanted["lightness"], learning.features(pictures, ["lightness"], 3)["lightness"])


def test_a_flat_photo_does_not_outweigh_all_others() -> None:
    wanted = torch.rand(2, 4, 8, 8)
    wanted[1] = 0.5
    varied, flat = content_distances(wanted + 0.1, wanted)
    assert flat < 10 * varied


def test_the_preview_shows_photo_and_painting(squeezenet: str, tmp_path: Path) -> None:
    pictures = photos()
    columns = trainer(squeezenet, tmp_path).preview({"picture": pictures})
    assert list(columns) == ["photo", "painted"]
    assert torch.equal(columns["photo"], pictures)
    assert columns["painted"].shape == pictures.shape


# ---- recipes and runs


def test_the_recipe_has_the_settings_of_the_paper(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "fast-style").as_dict()
    assert (recipe["run"]["steps"], recipe["run"]["batch"], recipe["dataset"]["size"]) == (40_000, 4, 256)
    assert recipe["trainer"]["learning_rate"] == 1e-3
    assert recipe["model"] == {"use": "fast-style", "width": 32, "blocks": 5}


def test_the_light_recipe_is_based_on_it(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "fast-style-light").as_dict()
    assert (recipe["dataset"]["size"], recipe["dataset"]["flip"]) == (96, True)
    assert recipe["model"] == {"use": "fast-style", "width": 16, "blocks": 3}


def test_a_fitted_network_paints(squeezenet: str, tmp_path: Path, catalog: i2i.Catalog) -> None:
    for number, picture in enumerate(photos(3)):
        i2i.write_picture(i2i.to_image(picture), tmp_path / "photos" / f"{number}.png")
    settings = [
        *("model.width=2", "model.blocks=1", "dataset.size=32", "dataset.resize=32", "run.batch=2", "run.workers=0"),
        *("run.device=cpu", f"trainer.style={style_file(tmp_path)}"),
        f"trainer.features={{use: squeezenet1_1, weights: {squeezenet}}}",
    ]
    folders = {"src": [str(tmp_path / "photos")]}
    recipe = i2i.load_recipe(catalog, "fast-style-light", overrides=[*settings, "run.steps=2"], folders=folders)
    i2i.start(catalog, recipe, tmp_path / "run").run()

    translator = i2i.load(tmp_path / "run", catalog=catalog, device="cpu")
    painted = translator.translate(torch.rand(3, 21, 13))
    assert painted.shape == (3, 21, 13)
    assert (tmp_path / "run" / "samples" / "step-0000002.png").is_file()

    style_file(tmp_path, seed=5)  # another picture under the same name
    with pytest.raises(i2i.I2IError, match=r"not made with what is loaded here: style\.png \(then SHA-256 "):
        i2i.resume(catalog, tmp_path / "run", 3)
    style_file(tmp_path)
    i2i.resume(catalog, tmp_path / "run", 3).run()
