"""What figures of pairs of pictures are called and how they are read. No torch is imported for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Metric:
    """How a figure is called and read."""

    title: str
    more_is_better: bool
    decimals: int
    unit: str = ""


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "psnr_y": Metric("PSNR, Y", more_is_better=True, decimals=2, unit="dB"),
        "ssim_y": Metric("SSIM, Y", more_is_better=True, decimals=4),
        "psnr_rgb": Metric("PSNR, RGB", more_is_better=True, decimals=2, unit="dB"),
        "ssim_rgb": Metric("SSIM, RGB", more_is_better=True, decimals=4),
        "lpips": Metric("LPIPS", more_is_better=False, decimals=4),
    }
)
