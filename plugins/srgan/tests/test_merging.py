"""A generator that only enlarges gives the same pictures as the one that learned."""

import copy

import pytest
import torch
from i2i_srgan import GeneratorOptions
from i2i_srgan.model import SRResNet
from torch import nn


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_tail_before_the_last_shuffle_gives_the_same(scale, norm):
    torch.manual_seed(0)
    model = SRResNet(GeneratorOptions(scale=scale, blocks=1, width=8, norm=norm)).eval().requires_grad_(False)
    for layer in model.modules():
        if isinstance(layer, nn.PReLU):
            nn.init.normal_(layer.weight)
    merged, pictures = copy.deepcopy(model), torch.rand(2, 3, 9, 14)
    merged.merge()
    torch.testing.assert_close(merged.generator(pictures), model.generator(pictures), rtol=1e-4, atol=1e-5)
    assert not [layer for layer in merged.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (9, 9)][1:]


def test_the_compact_one_has_nothing_to_merge():
    model = SRResNet(GeneratorOptions(generator="compact", blocks=1, width=8)).eval()
    pictures = torch.rand(1, 3, 9, 14)
    before = model.generator(pictures)
    model.merge()
    assert torch.equal(model.generator(pictures), before)
