"""Distances between two pictures."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from i2i.contracts import Options


class _Distance(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()


class L1(_Distance):
    """mean |prediction − target|: 0-dim from two tensors of one shape."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Any shape → ()."""
        return F.l1_loss(prediction, target)


class MSE(_Distance):
    """mean (prediction − target)²: 0-dim from two tensors of one shape."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Any shape → ()."""
        return F.mse_loss(prediction, target)
