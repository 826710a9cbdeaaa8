"""Networks compiled by torch learn under the same keys what they learn without. Takes a minute: a compiler runs."""

import shutil

import pytest
import torch

from i2i import discover, load_recipe
from i2i.training.batches import MicroBatch
from i2i.training.building import build_model, build_trainer
from i2i.training.loop import Loop
from i2i.training.runtime import Runtime


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler")
def test_compiled_networks_learn_the_same_under_the_same_keys():
    states, pictures = [], {key: torch.rand(1, 3, 32, 32) for key in ("source", "target")}
    for compile in ("null", "default"):
        small = ["model.generator=resnet-3", "model.width=4", "model.discriminator_width=4", f"run.compile={compile}"]
        recipe = load_recipe(discover(), "cyclegan-digits", overrides=small)
        torch.manual_seed(0)
        loop = Loop(build_trainer(recipe, build_model(recipe.model)), Runtime(torch.device("cpu"), "fp32"), recipe.run)
        loop.advance([MicroBatch(0, pictures)])
        states.append(loop.model.state_dict())
        assert loop.preview(pictures)["source"].shape == (1, 3, 32, 32)
    plain, compiled = states
    assert plain.keys() == compiled.keys()
    rate = 1e-3  # what Adam moves a weight by at most in its first step, be its gradient but noise
    assert all((plain[key] - compiled[key]).abs().max() <= 2.1 * rate for key in plain)
