"""256×256 → 1024×1024: our compact generator beside SRResNet with 16 blocks, plain, in eager fp32, interleaved.

    python benchmarks/super_resolution.py [--size 256] [--rounds 5]

Run it on a quiet machine. The ratio comes first; seconds are medians over the rounds, with the spread behind them.
"""

from __future__ import annotations

import argparse
from functools import partial

import torch
from side_by_side import compare
from torch import Tensor, nn

import i2i
from i2i.training.building import build_model


class PlainBlock(nn.Module):
    """Two convolutions and a sum."""

    def __init__(self) -> None:
        super().__init__()
        first = [nn.Conv2d(64, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.PReLU()]
        self.layers = nn.Sequential(*first, nn.Conv2d(64, 64, 3, 1, 1), nn.BatchNorm2d(64))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 64, H, W) → the same."""
        return x + self.layers(x)


class PlainSRResNet(nn.Module):
    """Figure 4 of Ledig et al. 2017 as it is usually written down."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(nn.Conv2d(3, 64, 9, 1, 4), nn.PReLU())
        blocks = [PlainBlock() for _ in range(16)]
        self.body = nn.Sequential(*blocks, nn.Conv2d(64, 64, 3, 1, 1), nn.BatchNorm2d(64))
        steps = [layer for _ in range(2) for layer in (nn.Conv2d(64, 256, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU())]
        self.tail = nn.Sequential(*steps, nn.Conv2d(64, 3, 9, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, 3, 4H, 4W)."""
        first = self.head(x)
        return self.tail(first + self.body(first))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("size", 256), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    catalog = i2i.discover()
    networks: dict[str, nn.Module] = {"plain SRResNet-16": PlainSRResNet().eval()}
    for recipe in ("srresnet", "srresnet-compact"):
        networks[f"i2i {recipe}"] = build_model(i2i.load_recipe(catalog, recipe).model).eval().generator
    picture = torch.rand(1, 3, asked.size, asked.size)
    title = f"{asked.size}×{asked.size} enlarged 4 times, fp32, {torch.get_num_threads()} threads, "
    steps = {name: partial(network, picture) for name, network in networks.items()}
    with torch.no_grad():
        compare(f"{title}torch {torch.__version__}", steps, asked.rounds)


if __name__ == "__main__":
    main()
