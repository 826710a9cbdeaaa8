"""Generators of pytorch/examples, whose layers are written plainly here under the names that they have there."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from i2i_dcgan.published import read_published
from torch import Tensor, nn

import i2i
from i2i.cli import i2i as command


def published(width: int = 4, latent: int = 10, channels: int = 3) -> nn.Module:
    """Latents (B, latent, 1, 1) → pictures (B, channels, 64, 64) in [-1, 1]."""
    widths = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, widths[0], 4, bias=False)]
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.BatchNorm2d(wide), nn.ReLU(), nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(), nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    network = nn.Sequential(OrderedDict(main=nn.Sequential(*layers))).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
    return network


def run(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def brought_in(tensors: dict[str, Tensor], folder: Path) -> Path:
    torch.save(tensors, folder / "netG_epoch_24.pth")
    done = run("import", folder / "netG_epoch_24.pth", "--out", folder / "w.safetensors")
    assert done.exception is None, done.exception
    return folder / "w.safetensors"


@pytest.mark.parametrize("channels", [1, 3])
@torch.no_grad()
def test_an_imported_generator_draws_what_the_published_one_draws(channels: int, tmp_path: Path) -> None:
    network = published(channels=channels)
    weights = brought_in(network.state_dict(), tmp_path)
    options = i2i.Weights.load(weights).recipe["model"]
    assert (options["size"], options["channels"], options["width"], options["latent"]) == (64, channels, 4, 10)

    translator = i2i.load(weights, device="cpu")
    latents = torch.randn(3, 10)
    drawn = translator.model.sample(latents, i2i.Request(options=translator.options, seeds=(0, 1, 2)))
    expected = network(latents[:, :, None, None]) / 2 + 0.5
    torch.testing.assert_close(drawn, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("order", [sorted, list])
def test_what_came_in_goes_out_the_same_in_whatever_order_it_was(order, tmp_path: Path) -> None:
    state = published().state_dict()
    weights = brought_in({key: state[key] for key in order(state)}, tmp_path)
    done = run("export", "--weights", weights, "--to", "published-dcgan", tmp_path / "out.pth")
    assert (done.exit_code, done.exception) == (0, None)
    written = torch.load(tmp_path / "out.pth", weights_only=True)
    assert written.keys() == state.keys()
    assert all(torch.equal(written[key], tensor) for key, tensor in state.items())
    published().load_state_dict(written)


def test_other_networks_are_not_taken_for_it() -> None:
    state = published().state_dict()
    others = (
        {key: tensor for key, tensor in state.items() if key != "main.4.weight"},
        state | {"main.12.bias": torch.zeros(3)},
        state | {"main.12.weight": torch.zeros(4, 5, 4, 4)},
        state | {"main.0.weight": torch.zeros(0, 32, 4, 4)},
        {f"main.{name}.weight": torch.zeros(3, 3, 4, 4) for name in ("in", "deep", "out")},
        {},
    )
    assert [read_published(other) for other in others] == [None] * len(others)


def test_batch_norms_of_old_that_never_counted_are_read() -> None:
    state = {key: tensor for key, tensor in published().state_dict().items() if "num_batches" not in key}
    assert read_published(state) is not None


def test_a_generator_built_otherwise_is_not_written_so(tmp_path: Path) -> None:
    done = run("export", "--plugin", "dcgan-emoji", "--to", "published-dcgan", tmp_path / "g.pth")
    assert isinstance(done.exception, i2i.UsageError)
    assert "pytorch/examples has no generator with " in str(done.exception)
    assert str(done.exception).endswith(
        "; it needs model.kernel=4, model.bias=false, model.distribution=normal, model.upsampling=transposed, "
        "model.size=64"
    )
    assert not (tmp_path / "g.pth").exists()
