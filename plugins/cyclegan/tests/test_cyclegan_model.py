from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import i2i
from i2i.inference.fitting import apply
from i2i.training.building import build_model

TINY = ("model.width=4", "model.discriminator_width=4")
BOTH_WAYS = ("source-to-target", "target-to-source")
WeightsOf = Callable[..., Path]


def lively(module: nn.Module) -> None:
    """Weights so large that the two directions differ visibly."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_normal_(module.weight)


@pytest.fixture
def weights_of(catalog: i2i.Catalog, tmp_path: Path) -> WeightsOf:
    """A weights file of a tiny model that holds the named submodules."""

    def make(*submodules: str, overrides: tuple[str, ...] = ()) -> Path:
        recipe = i2i.load_recipe(catalog, "cyclegan-digits", overrides=[*TINY, *overrides])
        state = build_model(recipe.model).apply(lively).state_dict()
        path = tmp_path / "weights.safetensors"
        i2i.Weights(
            recipe=recipe.as_dict(),
            tensors={key: tensor for key, tensor in state.items() if key.split(".")[0] in submodules},
            step=7,
            model_version=1,
            api_version=1,
        ).save(path)
        return path

    return make


@pytest.fixture
def translator(weights_of: WeightsOf) -> i2i.Translator:
    return i2i.load(weights_of("to_target", "to_source"), device="cpu")


def generator_alone(network: nn.Module, picture: Tensor) -> Tensor:
    with torch.no_grad():
        return network(picture[None])[0]


def test_each_direction_is_its_own_generator(translator: i2i.Translator) -> None:
    picture = torch.rand(3, 32, 32)
    there = translator.translate(picture)
    back = translator.with_options(direction="target-to-source").translate(picture)
    assert torch.equal(there, generator_alone(translator.model.to_target, picture))
    assert torch.equal(back, generator_alone(translator.model.to_source, picture))
    assert not torch.allclose(there, back, atol=0.01)


def test_direction_can_be_chosen_when_the_weights_are_loaded(weights_of: WeightsOf) -> None:
    path, picture = weights_of("to_target", "to_source"), torch.rand(3, 16, 16)
    one = i2i.load(path, {"direction": "target-to-source"}, device="cpu")
    other = i2i.load(path, device="cpu").with_options(direction="target-to-source")
    assert torch.equal(one.translate(picture), other.translate(picture))


@pytest.mark.parametrize("direction", BOTH_WAYS)
def test_a_picture_of_any_size_keeps_it(translator: i2i.Translator, direction: str) -> None:
    small = [(height, width) for height in (1, 2, 3, 5, 8, 13, 15, 16) for width in (1, 2, 4, 7, 9, 16)]
    sizes = [*small, (33, 47), (47, 33), (17, 64), (1, 50)]
    answers = translator.with_options(direction=direction).translate([torch.rand(3, *size) for size in sizes], batch=4)
    assert [tuple(answer.shape[1:]) for answer in answers] == sizes
    assert all(torch.isfinite(answer).all() and answer.min() >= 0 and answer.max() <= 1 for answer in answers)


def test_every_size_up_to_16_passes_the_model_as_its_geometry_says(translator: i2i.Translator) -> None:
    request = i2i.Request(options=translator.options)
    for height in range(1, 17):
        pictures = [torch.rand(3, height, width) for width in range(1, 17)]
        with torch.no_grad():
            answers = apply(lambda images: translator.model.translate(images, request), pictures, translator.geometry)
        assert [answer.shape for answer in answers] == [picture.shape for picture in pictures]


def test_a_pil_picture_is_answered_by_one(translator: i2i.Translator) -> None:
    answer = translator.translate(Image.new("RGB", (33, 47), "teal"))
    assert (answer.size, answer.mode) == ((33, 47), "RGB")


def test_unet_weights_translate_small_and_odd_sizes_too(weights_of: WeightsOf) -> None:
    overrides = ("model.generator=unet-128", "model.width=2", "dataset.resize=128", "dataset.crop=128")
    unet = i2i.load(weights_of("to_target", "to_source", overrides=overrides), device="cpu")
    assert unet.geometry.tiling == "never"
    for size in ((1, 1), (33, 47), (129, 128)):
        assert unet.translate(torch.rand(3, *size)).shape == (3, *size)


def test_resnet_geometry_tells_the_core_what_the_network_takes(translator: i2i.Translator) -> None:
    geometry = translator.geometry
    assert (geometry.scale, geometry.multiple_of, geometry.min_size, geometry.channels) == (1, 4, 16, 3)
    assert geometry.tiling == "statistics"
    assert geometry.margin == translator.model.to_target.margin


@pytest.mark.parametrize(
    ("held", "works", "lacks"),
    [("to_target", "source-to-target", "target-to-source"), ("to_source", "target-to-source", "source-to-target")],
)
def test_weights_of_one_direction_refuse_the_other_by_name(
    weights_of: WeightsOf, held: str, works: str, lacks: str
) -> None:
    path, picture = weights_of(held), torch.rand(3, 16, 16)
    assert i2i.load(path, {"direction": works}, device="cpu").translate(picture).shape == (3, 16, 16)
    with pytest.raises(i2i.I2IError) as refusal:
        i2i.load(path, {"direction": lacks}, device="cpu").translate(picture)
    assert str(refusal.value) == (f"these weights hold no generator for the direction {lacks}; they hold {works}")


def test_weights_without_any_generator_are_refused(weights_of: WeightsOf) -> None:
    with pytest.raises(i2i.I2IError, match="holds none of to_target, to_source, which 'cyclegan' needs"):
        i2i.load(weights_of("judge_target"), device="cpu")


def test_an_unknown_direction_is_refused_with_the_known_ones(weights_of: WeightsOf) -> None:
    with pytest.raises(i2i.RecipeError) as refusal:
        i2i.load(weights_of("to_target"), {"direction": "sideways"}, device="cpu")
    assert "translate.direction" in str(refusal.value)
    assert "'source-to-target' or 'target-to-source'" in str(refusal.value)
    assert "'sideways'" in str(refusal.value)


def test_a_weights_file_holds_no_discriminator(catalog: i2i.Catalog) -> None:
    assert catalog.find("model", "cyclegan").value.inference == ("to_target", "to_source")


def test_networks_start_from_the_papers_deviation_and_each_from_its_own_numbers(catalog: i2i.Catalog) -> None:
    model = build_model(i2i.load_recipe(catalog, "cyclegan-digits", overrides=TINY).model)
    weights = [parameter.flatten() for parameter in model.parameters() if parameter.dim() > 1]
    assert torch.cat(weights).std().item() == pytest.approx(0.02, rel=0.03)  # appendix 7.1
    for one, other in ((model.to_target, model.to_source), (model.judge_target, model.judge_source)):
        pairs = list(zip(one.parameters(), other.parameters(), strict=True))
        assert all(first.shape == second.shape for first, second in pairs)
        assert any(not torch.equal(first, second) for first, second in pairs)


def test_bfloat16_changes_a_translation_only_by_rounding(weights_of: WeightsOf) -> None:
    path, picture = weights_of("to_target", "to_source"), torch.rand(3, 32, 32)
    exact = i2i.load(path, device="cpu").translate(picture)
    rounded = i2i.load(path, device="cpu", precision="bf16").translate(picture)
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().mean() < 0.02


def test_without_norms_large_pictures_are_cut_into_exact_tiles(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "cyclegan-light", overrides=["model.norm=none", "model.width=4"])
    model = build_model(recipe.model)
    assert model.geometry.tiling == "margin"
    assert not [module for module in model.to_target.modules() if isinstance(module, i2i.InstanceNorm)]


def test_a_unet_cannot_do_without_norms(catalog: i2i.Catalog) -> None:
    with pytest.raises(i2i.RecipeError, match="norm none: unet-128 has instance norms; choose a resnet"):
        i2i.load_recipe(catalog, "cyclegan", overrides=["model.norm=none", "model.generator=unet-128"])


def test_the_shipped_weights_redraw_a_white_digit_in_yellow_on_blue(catalog: i2i.Catalog) -> None:
    recipe = i2i.load_recipe(catalog, "cyclegan-digits")
    assert recipe.weights is not None
    digit = torch.zeros(3, 32, 32)
    digit[:, 6:26, 15:18] = 1
    made = i2i.load(recipe.weights).translate(digit)
    red, _, blue = made[:, 8:24, 16].mean(1)
    assert red > blue + 0.4
    red, _, blue = made[:, :, 2:6].mean((1, 2))
    assert blue > red + 0.2
