"""Distances between what networks see in two pictures; no gradient reaches the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from i2i.features import LPIPSOptions, build_features
from i2i.features.extractor import FeatureExtractor, comparable, in_full_precision
from i2i.features.lpips import LPIPS
from i2i.losses import FeatureLossOptions

DISTANCES = {"mse": F.mse_loss, "l1": F.l1_loss}

CALIBRATION_SIDE, CALIBRATION_NOISE = 128, 0.05
"""Pixels and standard deviation: with it, features of Set5's bicubic ×4 pictures are about as far apart as pixels."""


class FeatureLoss(nn.Module):
    """Σ weight · distance of the layers' scaled maps, each averaged over batch, channels and places.

    Johnson et al. 2016, equation 2; Ledig et al. 2017, equation 5.
    """

    def __init__(self, options: FeatureLossOptions) -> None:
        super().__init__()
        self.options = options
        self.distance = DISTANCES[options.distance]
        self.features = build_features(options.features)
        self.layers: Mapping[str, float] = MappingProxyType({})
        self.scale = 1.0
        self.loaded: Mapping[str, str] = MappingProxyType({})
        self.remarks: Sequence[str] = ()

    def prepare(self) -> None:
        """Read the features' weights. Raises `I2IError` without them, `UsageError` for a layer that they lack."""
        self.features.prepare()
        self.layers = self.options.layers or self.features.compared_layers
        self.features.refuse_unknown(self.layers, " of ".join(("layers", *self.features.loaded)))
        self.scale = self.options.scale or self.features.compared_scale or calibrated(self.features, self.layers)
        self.loaded = self.features.loaded
        others = "" if self.loaded else "; with them: features.use=vgg19"
        self.remarks = (f"{self.features.remark}, compared by {', '.join(self.layers)}{others}",)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1], twice → ().

        Raises `UsageError` where the two differ in shape or are too small for the features.
        """
        prediction, target = comparable(prediction, target, self.features.smallest)
        with torch.no_grad():
            goals = self.features(target, self.layers)
        maps = self.features(prediction, self.layers)
        distances = [weight * self._distance(maps[name], goals[name]) for name, weight in self.layers.items()]
        return torch.stack(distances).sum()

    def _distance(self, maps: Tensor, goals: Tensor) -> Tensor:
        maps, goals = (self.scale * in_full_precision(seen) for seen in (maps, goals))
        return self.distance(maps, goals)


class LPIPSLoss(nn.Module):
    """The mean LPIPS of a batch (Zhang et al. 2018)."""

    def __init__(self, options: LPIPSOptions) -> None:
        super().__init__()
        self.network = LPIPS(options)
        self.loaded: Mapping[str, str] = MappingProxyType({})
        self.remarks: Sequence[str] = ()

    def prepare(self) -> None:
        """Read what LPIPS needs. Raises `I2IError` without it."""
        self.network.prepare()
        self.loaded, self.remarks = self.network.loaded, (self.network.remark,)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) in [0, 1], twice → ()."""
        return self.network.distances(prediction, target).mean()


@torch.no_grad()
def calibrated(features: FeatureExtractor, layers: Mapping[str, float]) -> float:
    """What maps are multiplied by so that a noisy picture's squared distance from itself is that of its pixels."""
    chance = torch.Generator().manual_seed(0)
    colours = torch.rand(1, 3, 8, 8, generator=chance)
    clean = F.interpolate(colours, (CALIBRATION_SIDE,) * 2, mode="bicubic").clamp(0, 1)
    noisy = (clean + CALIBRATION_NOISE * torch.randn(clean.shape, generator=chance)).clamp(0, 1)
    maps, goals = features(noisy, layers), features(clean, layers)
    distances = [weight * F.mse_loss(maps[name], goals[name]) for name, weight in layers.items()]
    return float((F.mse_loss(noisy, clean) / torch.stack(distances).sum()).sqrt())
