"""Features of a fixed random network: no weights to fetch, the same numbers everywhere.

Random convolutions tell whether pictures vary as well as trained ones do where the pictures are unlike those that the
trained ones know (Naeem et al. 2020, Reliable Fidelity and Diversity Metrics, section 4).
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 32
CHANNELS = (16, 32, 64)
POOLED = 4


def random_features(pictures: Tensor) -> Tensor:
    """(B, 1 or 3, H, W) in [0, 1] → float32 (B, 1792): the picture at three scales, each pooled to 4×4."""
    pictures = pictures.float().expand(-1, 3, -1, -1)
    maps = F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True) - 0.5
    scales = []
    for kernel in _kernels():
        maps = F.relu(F.conv2d(maps, kernel.to(maps.device), stride=2, padding=1))
        scales.append(F.adaptive_avg_pool2d(maps, POOLED).flatten(1))
    return torch.cat(scales, dim=1)


def spread(features: Tensor) -> Tensor:
    """(B, D) → 0-dim: the mean Euclidean distance of two different rows."""
    return torch.pdist(features).mean()


@lru_cache(maxsize=1)
def _kernels() -> tuple[Tensor, ...]:
    """N(0, 2 / inputs) (He et al. 2015), so that no scale drowns the others."""
    chance = torch.Generator().manual_seed(0)
    kernels, inputs = [], 3
    for channels in CHANNELS:
        deviation = (2 / (inputs * 9)) ** 0.5
        kernels.append(torch.randn(channels, inputs, 3, 3, generator=chance) * deviation)
        inputs = channels
    return tuple(kernels)
