"""The model: what i2i asks when it translates a picture."""

from __future__ import annotations

from torch import Tensor, nn

from i2i import Geometry, Request
from i2i_lumen import ModelOptions
from i2i_lumen.networks import Denoiser


class LumenModel(nn.Module):
    """Takes noise off pictures."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.denoiser = Denoiser(options.depth, options.width)
        self.geometry = Geometry(margin=self.denoiser.margin, tiling="margin", restores=True)

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same size, in [0, 1]."""
        return self.denoiser(images).clamp(0, 1)
