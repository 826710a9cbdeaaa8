"""The network: plain torch."""

from __future__ import annotations

from torch import Tensor, nn


class Denoiser(nn.Module):
    """Predicts the noise and takes it off, as Zhang et al. 2017 (section III), but smaller and without batch norm."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
        for _ in range(depth - 2):
            layers += [nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, 3, 3, padding=1))
        self.margin = depth  # pixels: each convolution reaches one further

    def forward(self, noisy: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same size, about [0, 1]."""
        return noisy - self.layers(noisy)
