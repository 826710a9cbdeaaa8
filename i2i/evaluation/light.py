"""Features that need no weights and little time, yet tell content, blur and grain apart: for validations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.features.random import random_features

SCALES = 4
CELLS = 2
"""Along each side: where in a picture how much detail is."""
CONTENT = 3.0
"""What random features are multiplied by: then 64 pictures of paintings stand out from photos as clearly as pictures do
that were blurred or made grainy."""
FAINT = 1e-5
"""Of squares of the range: less detail than that is none."""


def light_features(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1], H and W ≥ 4 → float32 (B, D); D depends on the size where that is below 32.

    One half is what the picture shows, as random convolutions see it at 32×32 pixels. The other is how much detail
    there is at each scale, from the finest: the logarithm of what a picture loses when it is halved (the idea of Burt
    and Adelson 1983, The Laplacian Pyramid), where blur, grain and chequers show that 32×32 pixels hide.
    """
    halves = (CONTENT * random_features(pictures), _details(pictures.float()))
    width = sum(half.shape[1] for half in halves)
    return torch.cat([half * (width / (len(halves) * half.shape[1])) ** 0.5 for half in halves], dim=1)


def _details(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, 12 a scale), about 0 to 2."""
    found = list[Tensor]()
    while len(found) < SCALES and (min(pictures.shape[-2:]) >= 8 or not found):
        even = pictures[..., : pictures.shape[-2] // 2 * 2, : pictures.shape[-1] // 2 * 2]
        pictures = F.avg_pool2d(even, 2)  # (B, 3, H/2, W/2)
        lost = (even - F.interpolate(pictures, scale_factor=2)).square()
        found.append((F.adaptive_avg_pool2d(lost, CELLS) + FAINT).log().flatten(1))
    return (torch.cat(found, dim=1) - torch.log(torch.tensor(FAINT))) / 6
