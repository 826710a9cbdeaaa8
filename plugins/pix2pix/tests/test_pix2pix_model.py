from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from i2i_pix2pix import TranslateOptions
from torch import Tensor, nn

import i2i

ANSWERS = ("picture", "colours", "holes")
ModelOf = Callable[..., nn.Module]
WeightsOf = Callable[..., Path]


def request_for(images: Tensor, *seeds: int, mask: Tensor | None = None, dropout: bool = True) -> i2i.Request:
    return i2i.Request(options=TranslateOptions(dropout=dropout), seeds=seeds or tuple(range(len(images))), mask=mask)


def hole_in(images: Tensor) -> Tensor:
    mask = torch.zeros_like(images[:, :1])
    mask[..., 8:20, 4:24] = 1
    return mask


@pytest.mark.parametrize(
    ("answers", "made_of", "judged_of", "makes"), [("picture", 3, 6, 3), ("colours", 1, 4, 2), ("holes", 4, 7, 3)]
)
def test_networks_have_the_channels_of_the_task(
    model_of: ModelOf, answers: str, made_of: int, judged_of: int, makes: int
) -> None:
    model = model_of(f"model.answers={answers}")
    convolutions = [module for module in model.generator.modules() if isinstance(module, nn.Conv2d)]
    transposed = [module for module in model.generator.modules() if isinstance(module, nn.ConvTranspose2d)]
    judging = next(module for module in model.discriminator.modules() if isinstance(module, nn.Conv2d))
    assert (convolutions[0].in_channels, transposed[-1].out_channels) == (made_of, makes)
    assert judging.in_channels == judged_of


@pytest.mark.parametrize("answers", ANSWERS)
@torch.no_grad()
def test_a_picture_alone_equals_the_same_in_a_batch(model_of: ModelOf, answers: str) -> None:
    model, images = model_of(f"model.answers={answers}"), torch.rand(3, 3, 32, 64)
    mask = hole_in(images) if answers == "holes" else None
    together = model.translate(images, request_for(images, 5, 6, 7, mask=mask))
    assert together.shape == images.shape
    assert together.min() >= 0
    assert together.max() <= 1
    for place, seed in enumerate((5, 6, 7)):
        image, own = images[place : place + 1], None if mask is None else mask[place : place + 1]
        alone = model.translate(image, request_for(image, seed, mask=own))
        torch.testing.assert_close(alone[0], together[place], atol=1e-5, rtol=0)


@pytest.mark.parametrize("generator", ["unet-32", "resnet-3"])
@torch.no_grad()
def test_the_seed_decides_the_noise_and_an_option_turns_it_off(model_of: ModelOf, generator: str) -> None:
    model, image = model_of(f"model.generator={generator}"), torch.rand(1, 3, 32, 32)
    one, same, other = (model.translate(image, request_for(image, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)
    calm, also = (model.translate(image, request_for(image, seed, dropout=False)) for seed in (1, 2))
    assert torch.equal(calm, also)
    assert not torch.allclose(calm, one, atol=1e-3)


@torch.no_grad()
def test_a_model_trained_without_dropout_has_no_noise(model_of: ModelOf) -> None:
    model, image = model_of("model.dropout=false"), torch.rand(1, 3, 32, 32)
    one, other = (model.translate(image, request_for(image, seed)) for seed in (1, 2))
    assert torch.equal(one, other)


@torch.no_grad()
def test_a_coloured_photo_is_greyed_before_it_is_coloured(model_of: ModelOf) -> None:
    model, photo = model_of("model.answers=colours"), torch.rand(1, 3, 32, 32)
    grey = i2i.luma(photo).expand_as(photo)
    answers = [model.translate(image, request_for(image)) for image in (photo, grey)]
    torch.testing.assert_close(*answers, atol=1e-4, rtol=0)
    assert (answers[0] - answers[0].mean(1, keepdim=True)).std() > 0.01


@torch.no_grad()
def test_only_holes_are_painted_and_what_was_in_them_does_not_matter(model_of: ModelOf) -> None:
    model, image = model_of("model.answers=holes"), torch.rand(1, 3, 32, 32)
    mask = hole_in(image)
    other = torch.where(mask > 0, 1 - image, image)
    answers = [model.translate(picture, request_for(picture, mask=mask)) for picture in (image, other)]
    assert torch.equal(*answers)
    assert torch.equal(answers[0][:, :, mask[0, 0] == 0], image[:, :, mask[0, 0] == 0])
    assert not torch.allclose(answers[0], image, atol=0.01)


def test_holes_without_a_mask_are_refused(model_of: ModelOf) -> None:
    image = torch.rand(1, 3, 32, 32)
    with pytest.raises(i2i.UsageError, match=r"nothing says where the holes are; .* as --mask does"):
        model_of("model.answers=holes").translate(image, request_for(image))


@pytest.mark.parametrize(
    ("generator", "dropout", "multiple", "smallest", "tiling"),
    [
        ("unet-64", False, 64, 64, "never"),
        ("unet-256", True, 256, 256, "never"),
        ("resnet-3", False, 4, 16, "statistics"),
        ("resnet-3", True, 4, 16, "never"),  # noise as large as the picture, which each tile would begin anew
    ],
)
def test_geometry_tells_the_core_what_the_generator_takes(
    model_of: ModelOf, generator: str, dropout: bool, multiple: int, smallest: int, tiling: str
) -> None:
    options = f"model.generator={generator}", f"model.dropout={dropout}", "model.width=1"
    geometry = model_of(*options, "dataset.resize=256", "dataset.crop=256").geometry
    assert (geometry.scale, geometry.channels, geometry.size) == (1, 3, None)
    assert (geometry.multiple_of, geometry.min_size, geometry.tiling) == (multiple, smallest, tiling)


def test_a_model_that_restores_says_so(model_of: ModelOf, catalog: i2i.Catalog) -> None:
    assert model_of("model.restores=true").geometry.restores
    assert not model_of().geometry.restores
    assert i2i.load_recipe(catalog, "pix2pix-restore").as_dict()["model"]["restores"]


@pytest.mark.parametrize("answers", ANSWERS)
def test_only_a_model_of_holes_says_that_it_fills(model_of: ModelOf, answers: str) -> None:
    assert model_of(f"model.answers={answers}").geometry.fills is (answers == "holes")


@pytest.mark.parametrize("answers", ["picture", "colours"])
def test_weights_translate_pictures_of_any_size(weights_of: WeightsOf, answers: str) -> None:
    translator = i2i.load(weights_of(f"model.answers={answers}"), device="cpu")
    sizes = [(1, 1), (33, 47), (32, 32), (70, 20)]
    answered = translator.translate([torch.rand(3, *size) for size in sizes], batch=2)
    assert [tuple(picture.shape[1:]) for picture in answered] == sizes


def test_weights_that_fill_keep_every_known_pixel(weights_of: WeightsOf) -> None:
    translator = i2i.load(weights_of("model.answers=holes"), device="cpu")
    picture = torch.rand(3, 33, 47)
    mask = torch.zeros(1, 33, 47)
    mask[:, 5:20, 30:] = 1
    answer = translator.translate(picture, masks=mask)
    known = (mask == 0).expand_as(picture)
    assert torch.equal(answer[known], picture[known])
    assert (answer[~known] - picture[~known]).abs().mean() > 0.02


def test_the_same_seed_translates_the_same_and_another_does_not(weights_of: WeightsOf) -> None:
    translator, picture = i2i.load(weights_of(), device="cpu"), torch.rand(3, 32, 32)
    one, same, other = (translator.translate(picture, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)
    calm = translator.with_options(dropout=False)
    assert torch.equal(calm.translate(picture, seed=1), calm.translate(picture, seed=2))


def test_bfloat16_changes_a_translation_only_by_rounding(weights_of: WeightsOf) -> None:
    path, picture = weights_of(), torch.rand(3, 32, 32)
    exact = i2i.load(path, device="cpu").translate(picture)
    rounded = i2i.load(path, device="cpu", precision="bf16").translate(picture)
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().mean() < 0.03


def test_a_weights_file_holds_no_discriminator(catalog: i2i.Catalog) -> None:
    assert catalog.find("model", "pix2pix").value.inference == ("generator",)
