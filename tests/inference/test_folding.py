from __future__ import annotations

import copy

import torch
from torch import nn

from i2i.inference.folding import merge


def learned(*layers: nn.Module) -> nn.Sequential:
    """In evaluation mode, with norms that have seen something."""
    torch.manual_seed(0)
    network = nn.Sequential(*layers)
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            for tensor in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(tensor)
            nn.init.uniform_(norm.running_var, 0.5, 2)
    return network.eval().requires_grad_(False)


def merged(network: nn.Module) -> nn.Module:
    own = copy.deepcopy(network)
    merge(own)
    return own


def test_batch_norms_are_folded_into_the_convolutions_before_them() -> None:
    network = learned(
        nn.ConvTranspose2d(4, 8, 4, 2, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2), nn.BatchNorm2d(8)),
        nn.Conv2d(8, 3, 3),
    )
    pictures, own = torch.rand(2, 4, 9, 9), merged(network)
    torch.testing.assert_close(own(pictures), network(pictures), rtol=1e-4, atol=1e-5)
    assert not [layer for layer in own.modules() if isinstance(layer, nn.BatchNorm2d)]


def test_norms_that_look_at_the_pictures_stay() -> None:
    network = learned(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8, track_running_stats=False),
        nn.Conv2d(8, 8, 3),
        nn.InstanceNorm2d(8),
        nn.ReLU(),
        nn.BatchNorm2d(8),
    )
    pictures, own = torch.rand(2, 3, 9, 9), merged(network)
    assert torch.equal(own(pictures), network(pictures))
    assert [type(layer) for layer in own] == [type(layer) for layer in network]
    training = learned(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).train()
    assert isinstance(merged(training)[1], nn.BatchNorm2d)  # type: ignore[index]


def test_a_model_may_merge_what_it_knows_of() -> None:
    class Model(nn.Module):
        merges = 0

        def merge(self) -> None:
            self.merges += 1

    assert merged(Model()).merges == 1
