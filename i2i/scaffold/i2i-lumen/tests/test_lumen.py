"""The contract that every plugin keeps, and what this one alone promises."""

from __future__ import annotations

import torch
from i2i_lumen.networks import Denoiser

from i2i.testing import PluginContract


class TestContract(PluginContract):
    """Everything that `i2i plugins check lumen` tries, a test each."""

    plugin = "i2i-lumen"


def test_the_denoiser_learns_to_take_noise_off() -> None:
    """Noise that it has never seen, after a few steps on pictures of one colour each."""
    denoiser, clean = Denoiser(depth=4, width=16), torch.rand(4, 3, 1, 1).expand(4, 3, 24, 24)
    optimizer = torch.optim.Adam(denoiser.parameters(), 3e-3)
    for _ in range(100):
        loss = (denoiser(clean + 0.1 * torch.randn(clean.shape)) - clean).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    noisy = clean + 0.1 * torch.randn(clean.shape)
    assert (denoiser(noisy) - clean).square().mean() < (noisy - clean).square().mean() / 2
