"""Proof: pictures of every size come out as large as they went in, times the model's scale.

All heights and widths from 1 to 16, and odd pairs of larger ones drawn by chance, go through every installed model that
translates: of tiny width and with random weights, but for the shipped ones. Some of the larger go through in tiles too.
"""

import random
from dataclasses import replace

import pytest
import torch

import i2i
from i2i.inference.computation import Tiles
from i2i.tiling.layout import smallest_side
from i2i.training.building import build_model

pytestmark = [pytest.mark.prove, pytest.mark.timeout(3600)]
SMALL = [(height, width) for height in range(1, 17) for width in range(1, 17)]
LARGER, LARGEST, TILED = 150, 299, 12
TWO_STEPS = ["translate.scales=[{size: 64, steps: 2}]", "translate.optimizer=lbfgs"]
RECIPES = {
    "cyclegan-light": ["model.width=2", "model.discriminator_width=2"],
    "cyclegan": ["model.generator=unet-128", "model.width=1", "model.discriminator_width=2"],
    "srresnet-compact": None,
    "srresnet-compact-x2": None,
    "srresnet": ["model.scale=3", "model.width=2", "model.blocks=1"],
    "srgan": ["model.scale=8", "model.width=1", "model.blocks=1", "model.discriminator_width=1"],
    "gatys": TWO_STEPS,
    "fast-style-light": ["model.width=2", "model.blocks=1"],
    "pix2pix-colours-light": ["model.width=2", "model.discriminator_width=2"],
    "pix2pix-holes-light": ["model.width=2", "model.discriminator_width=2"],
    "pix2pix": ["model.generator=resnet-3", "model.dropout=false", "model.width=2", "model.discriminator_width=2"],
    "vae": ["model.width=1", "model.latent=4"],
}
"""With what is set; None: as shipped."""


def odd_pairs():
    """Sizes of which both sides are odd, one from 17 on, and no two alike."""
    chance, pairs = random.Random(0), set()
    while len(pairs) < LARGER:
        height, width = (2 * chance.randrange(LARGEST // 2 + 1) + 1 for _ in range(2))
        if max(height, width) > 16:
            pairs.add((height, width))
    return sorted(pairs)


def translator(name, overrides, folder, random_weights):
    catalog = i2i.discover()
    if overrides is None:
        return i2i.load(i2i.load_recipe(catalog, name).weights, device="cpu")
    if name == "gatys":
        i2i.to_image(torch.rand(3, 40, 50)).save(folder / "style.png")
        features = f"{{use: squeezenet1_1, weights: {random_weights('squeezenet1_1')}}}"
        own = [f"model.style={folder / 'style.png'}", f"model.features={features}"]
        return i2i.load(i2i.load_recipe(catalog, name, overrides=[*own, *overrides]), device="cpu")
    recipe = i2i.load_recipe(catalog, name, overrides=overrides)
    spec, tensors = recipe.model.entry.value, build_model(recipe.model).state_dict()
    i2i.Weights(
        recipe=recipe.as_dict(),
        tensors={key: tensor for key, tensor in tensors.items() if key.split(".")[0] in spec.inference},
        step=0,
        model_version=spec.version,
        api_version=i2i.API_VERSION,
    ).save(folder / "weights.safetensors")
    return i2i.load(folder / "weights.safetensors", device="cpu")


def translated(model, sizes, batch):
    """The answers to pictures of noise, of which half are holes where the model fills."""
    pictures = [torch.rand(3, *size) for size in sizes]
    masks = [(torch.rand(1, *size) < 0.5).float() for size in sizes] if model.geometry.fills else None
    return model.translate(pictures, batch=batch, masks=masks)


def wrong_ones(answers, sizes, scale):
    """(size that went in, shape that came out), and numbers that are none of a picture's."""
    for (height, width), answer in zip(sizes, answers, strict=True):
        if tuple(answer.shape) != (3, scale * height, scale * width):
            yield (height, width), tuple(answer.shape)
        elif not (answer.isfinite().all() and answer.amin() >= 0 and answer.amax() <= 1):
            yield (height, width), (answer.amin().item(), answer.amax().item())


@pytest.mark.parametrize("name", RECIPES)
def test_every_size_comes_out_as_large_as_it_went_in_times_the_scale(name, tmp_path, random_weights, figure):
    torch.manual_seed(0)
    model = translator(name, RECIPES[name], tmp_path, random_weights)
    sizes = [*SMALL, *odd_pairs()]
    scale = model.geometry.scale
    assert not list(wrong_ones(translated(model, sizes, batch=16), sizes, scale))
    told = f"{name}: {len(sizes)} sizes from 1×1 to {LARGEST} pixels a side come out ×{scale}"
    if model.geometry.tiling == "never" or model.geometry.size is not None:
        figure(told)
        return
    side = max(smallest_side(model.geometry), 32)
    some = [size for size in odd_pairs() if max(size) > side][:: LARGER // TILED]
    in_tiles = translated(replace(model, tiles=Tiles(side=side)), some, batch=1)
    assert not list(wrong_ones(in_tiles, some, scale))
    figure(f"{told}; {len(some)} of them in tiles of {side} pixels too")


def test_no_installed_model_that_translates_is_left_out():
    catalog = i2i.discover()
    tried = {i2i.load_recipe(catalog, name).model.entry.value.name for name in RECIPES}
    left = set(catalog.names("model")) - tried
    recipes = [i2i.load_recipe(catalog, name) for name in catalog.names("recipe")]
    for recipe in recipes:
        if recipe.model.entry.value.name in left:
            assert not hasattr(build_model(recipe.model), "translate"), recipe.name
            left -= {recipe.model.entry.value.name}
    assert not left
