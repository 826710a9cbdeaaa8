"""Generators of leftthomas/SRGAN, whose layers are written plainly here under the names that they have there."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from i2i_srgan.published import read_published, write_published
from torch import Tensor, nn

import i2i
from i2i.cli import i2i as command

DATA = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
WEIGHTS, SET5 = DATA / "weights" / "srgan-leftthomas-x4.pth", DATA / "sr" / "Set5" / "image_SRF_4"
SET5_DB = 30.66
"""PSNR on Y that its own code reaches."""


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)
        self.prelu = nn.PReLU()
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(maps)))))


class Enlarging(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.shuffle, self.prelu = nn.Conv2d(width, 4 * width, 3, padding=1), nn.PixelShuffle(2), nn.PReLU()

    def forward(self, maps: Tensor) -> Tensor:
        return self.prelu(self.shuffle(self.conv(maps)))


class Generator(nn.Module):
    def __init__(self, blocks: int, width: int, steps: int, closing: nn.Module) -> None:
        super().__init__()
        self.block1 = nn.Sequential(nn.Conv2d(3, width, 9, padding=4), nn.PReLU())
        self.between = [f"block{number + 2}" for number in range(blocks)]
        for name in self.between:
            self.add_module(name, Block(width))
        self.closing, self.last = f"block{blocks + 2}", f"block{blocks + 3}"
        self.add_module(self.closing, nn.Sequential(nn.Conv2d(width, width, 3, padding=1), closing))
        enlarging = [Enlarging(width) for _ in range(steps)]
        self.add_module(self.last, nn.Sequential(*enlarging, nn.Conv2d(width, 3, 9, padding=4)))

    def forward(self, low: Tensor) -> Tensor:
        first = maps = self.block1(low)
        for name in (*self.between, self.closing):
            maps = self.get_submodule(name)(maps)
        return (torch.tanh(self.get_submodule(self.last)(first + maps)) + 1) / 2


def published(blocks: int = 3, width: int = 8, steps: int = 2, early: bool = False) -> Generator:
    made = Generator(blocks, width, steps, nn.PReLU() if early else nn.BatchNorm2d(width)).eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, 0.2)
            nn.init.normal_(module.bias, 0, 0.2)
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    return made


def import_by_command(file: Path, out: Path) -> None:
    done = CliRunner().invoke(command, ["import", str(file), "--out", str(out)])
    assert done.exception is None, done.exception


@pytest.mark.parametrize(("blocks", "steps", "early"), [(5, 2, True), (5, 2, False), (3, 1, False)])
def test_an_imported_generator_enlarges_as_the_published_one(
    blocks: int, steps: int, early: bool, tmp_path: Path
) -> None:
    network = published(blocks, 8, steps, early)
    torch.save(network.state_dict(), tmp_path / "netG_epoch_4_100.pth")
    import_by_command(tmp_path / "netG_epoch_4_100.pth", tmp_path / "w.safetensors")

    model = i2i.Weights.load(tmp_path / "w.safetensors").recipe["model"]
    closing = "prelu" if early else "norm"
    assert (model["use"], model["generator"], model["closing"]) == ("srgan", "resnet-tanh", closing)
    assert (model["scale"], model["blocks"], model["width"]) == (2**steps, blocks, 8)
    low = torch.rand(3, 12, 17)
    with torch.no_grad():
        expected = network(low[None])[0]
    enlarged = i2i.load(tmp_path / "w.safetensors", device="cpu").translate(low)
    torch.testing.assert_close(enlarged, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("early", [False, True])
def test_what_came_in_goes_out_the_same_but_for_counts(early: bool) -> None:
    tensors = published(early=early).state_dict()
    found = read_published(tensors)
    assert found is not None
    written = write_published(*found, {})
    assert written.keys() == {key for key in tensors if not key.endswith("num_batches_tracked")}
    assert all(torch.equal(tensor, tensors[key]) for key, tensor in written.items())


def test_other_networks_are_not_taken_for_it() -> None:
    tensors = published().state_dict()
    others = (
        {key: tensor for key, tensor in tensors.items() if key != "block3.bn1.running_var"},
        tensors | {"attention.weight": torch.zeros(3)},
        tensors | {"block1.0.weight": torch.zeros(0, 3, 9, 9)},
        tensors | {"block1.0.weight": torch.zeros(8, 3, 7, 7)},
        {key: tensor for key, tensor in tensors.items() if not key.startswith("block1.")},
        {},
    )
    assert [read_published(other) for other in others] == [None] * len(others)


def test_a_generator_built_otherwise_is_not_written_so(tmp_path: Path) -> None:
    out = tmp_path / "g.pth"
    done = CliRunner().invoke(command, ["export", "--plugin", "srgan", "--to", "published-srgan", str(out)])
    assert isinstance(done.exception, i2i.UsageError)
    assert str(done.exception).endswith(
        "leftthomas/SRGAN has no generator with model.generator=compact, model.norm=batch, model.scale=4; it needs "
        "model.generator=resnet-tanh, model.norm=batch, model.scale=2, 4 or 8"
    )
    assert not out.exists()


@pytest.mark.skipif(not WEIGHTS.is_file() or not SET5.is_dir(), reason=f"no {WEIGHTS} and {SET5} (set I2I_TEST_DATA)")
def test_leftthomas_weights_reach_on_set5_what_they_reach_there(tmp_path: Path) -> None:
    import_by_command(WEIGHTS, tmp_path / "w.safetensors")
    (tmp_path / "low").mkdir()
    for picture in SET5.glob("*_LR.png"):
        shutil.copy(picture, tmp_path / "low")
    words = ("--src", tmp_path / "low", "--dst", tmp_path / "large")
    done = CliRunner().invoke(command, ["translate", "--weights", str(tmp_path / "w.safetensors"), *map(str, words)])
    assert done.exit_code == 0, done.output
    words = ("--pred", tmp_path / "large", "--target", SET5, "--match", "_LR=_HR", "--scale", 4, "--lpips", "none")
    told = CliRunner().invoke(command, ["evaluate", *map(str, words), "--json", "-"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)["metrics"]["psnr_y"]
    assert found["mean"] == pytest.approx(SET5_DB, abs=0.05)


@pytest.mark.skipif(not WEIGHTS.is_file(), reason=f"no weights at {WEIGHTS} (set I2I_TEST_DATA)")
def test_leftthomas_weights_go_out_as_they_came_in(tmp_path: Path) -> None:
    import_by_command(WEIGHTS, tmp_path / "w.safetensors")
    words = ("--weights", tmp_path / "w.safetensors", "--to", "published-srgan", tmp_path / "out.pth")
    assert CliRunner().invoke(command, ["export", *map(str, words)]).exit_code == 0
    before, after = (
        torch.load(path, weights_only=True, map_location="cpu") for path in (WEIGHTS, tmp_path / "out.pth")
    )
    assert before.keys() == after.keys()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
