from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from i2i import Request, UsageError
from i2i.contracts import Options
from i2i.networks.layers import InstanceNorm, ReflectionPad
from i2i.runtimes.program import program_of

Untrained = Callable[..., Any]


def test_a_program_answers_what_the_model_does(untrained: Untrained) -> None:
    model, recipe = untrained("cyclegan", "model.width=4", "model.generator=resnet-3")
    program = program_of(model, recipe.translate, "cyclegan")
    (images,) = program.example(32, 48, 2)
    asked = Request(options=recipe.translate, seeds=(0, 0))
    torch.testing.assert_close(program(images), model.translate(images, asked), atol=1e-5, rtol=0)


def test_layers_become_those_that_engines_know_in_the_program_alone(untrained: Untrained) -> None:
    model, recipe = untrained("pix2pix", "model.generator=resnet-3", "model.width=4", "translate.dropout=false")
    program = program_of(model, recipe.translate, "pix2pix")
    own = (ReflectionPad, InstanceNorm)
    assert not any(isinstance(layer, own) for layer in program.modules())
    assert any(isinstance(layer, ReflectionPad) for layer in model.modules())
    (images,) = program.example(32, 48, 2)
    asked = Request(options=recipe.translate, seeds=(0, 0))
    torch.testing.assert_close(program(images), model.translate(images, asked), atol=1e-5, rtol=0)


def test_a_program_that_fills_takes_a_mask(untrained: Untrained) -> None:
    model, recipe = untrained("pix2pix-holes", "model.generator=unet-32", "model.width=4", "translate.dropout=false")
    program = program_of(model, recipe.translate, "pix2pix-holes")
    images, mask = program.example(32, 64, 2)
    assert program.inputs == ("images", "mask")
    kept = mask.expand_as(images) == 0
    assert torch.equal(program(images, mask)[kept], images[kept])


def test_a_model_that_makes_pictures_out_of_nothing_is_refused(untrained: Untrained) -> None:
    model, recipe = untrained("dcgan-digits")
    with pytest.raises(UsageError, match=r"^dcgan: makes pictures out of nothing; engines and exported files only"):
        program_of(model, recipe.translate, "dcgan")


def test_a_model_that_optimises_each_picture_is_refused(halving: Any) -> None:
    class Optimising(halving):
        def translate(self, images: Tensor, request: Request) -> Tensor:
            with torch.enable_grad():
                canvas = images.clone().requires_grad_()
                (change,) = torch.autograd.grad((canvas**2).sum(), canvas)
            return images - 0.1 * change

    with pytest.raises(UsageError, match=r"^etch: optimises each picture by gradients, which torch alone computes; a"):
        program_of(Optimising(), Options(), "etch")


def test_gatys_is_refused(untrained: Untrained, random_weights: Callable[[str], Path], tmp_path: Path) -> None:
    style = tmp_path / "style.png"
    Image.effect_noise((64, 64), 80).convert("RGB").save(style)
    features = f"model.features={{use: squeezenet1_1, weights: {random_weights('squeezenet1_1')}}}"
    model, recipe = untrained("gatys", features, f"model.style={style}")
    with pytest.raises(UsageError, match=r"^gatys: optimises each picture by gradients"):
        program_of(model, recipe.translate, "gatys")


def test_a_model_whose_seeds_decide_is_refused_and_told_of_its_options(untrained: Untrained) -> None:
    model, recipe = untrained("pix2pix", "model.generator=unet-32", "model.width=4")
    with pytest.raises(UsageError, match=r"^pix2pix: each picture's seed decides on its translation") as refused:
        program_of(model, recipe.translate, "pix2pix")
    assert "`i2i show pix2pix` lists them" in str(refused.value)
