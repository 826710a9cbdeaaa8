"""Palettes: the mean and the covariance of a picture's colours, and pictures repainted to have another's."""

from __future__ import annotations

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
LEVELS = 256
FLAT = 1e-5  # variance below which a direction of colour counts as absent: 1/255 squared, about


def palette(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """(B, 3, H, W) → mean (B, 3) and covariance (B, 3, 3) of each picture's colours."""
    colours = pictures.flatten(2)
    mean = colours.mean(dim=2)
    centred = colours - mean[:, :, None]
    return mean, centred @ centred.transpose(1, 2) / colours.shape[2]


def repainted(picture: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """(1, 3, H, W) with its colours moved to this (3,) mean and (3, 3) covariance, in [0, 1].

    The linear map between two Gaussians that moves colours least (Gatys et al. 2017, Controlling Perceptual Factors in
    Neural Style Transfer, section 5.2, with the Monge map in place of image analogies' square root).
    """
    own_mean, own_covariance = (moment[0] for moment in palette(picture))
    root, inverse = _roots(own_covariance)
    change = inverse @ _roots(root @ covariance @ root)[0] @ inverse
    colours = change @ (picture.flatten(2)[0] - own_mean[:, None]) + mean[:, None]
    return colours.view_as(picture).clamp(0, 1)


def luma(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) → (B, 1, H, W)."""
    return (pictures * pictures.new_tensor(LUMA).view(3, 1, 1)).sum(dim=1, keepdim=True)


def luma_levels(picture: Tensor) -> Tensor:
    """(1, 3, H, W) → (256,): its lumas in ascending order, thinned to that many."""
    values = luma(picture).flatten().sort().values
    return values[torch.linspace(0, len(values) - 1, LEVELS, device=values.device).round().long()]


def with_luma_levels(picture: Tensor, levels: Tensor) -> Tensor:
    """(1, 3, H, W) with its lumas moved to these (256,), rank by rank: histogram matching; chroma stays."""
    before = luma(picture)
    values = before.flatten()
    ordered = values.sort().values  # equal lumas have one rank, the middle of theirs, and stay equal
    first, after_last = (torch.searchsorted(ordered, values, right=right) for right in (False, True))
    ranks = (first + after_last - 1) / 2 / max(1, len(values) - 1) * (LEVELS - 1)
    below, share = ranks.floor().long(), ranks.frac()
    after = torch.lerp(levels[below], levels[(below + 1).clamp(max=LEVELS - 1)], share).view_as(before)
    return (picture + after - before).clamp(0, 1)


def with_luma_of(picture: Tensor, light: Tensor) -> Tensor:
    """(B, 3, H, W): the hues of `picture` under the luma of `light` (Gatys et al. 2017, section 5.1)."""
    return (picture + luma(light) - luma(picture)).clamp(0, 1)


def _roots(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The symmetric square root of a (3, 3) covariance, and its inverse where there is any colour."""
    variances, directions = torch.linalg.eigh(covariance.cpu().double())  # not every device has either
    deviations = variances.clamp_min(0).sqrt()
    inverse = torch.where(variances > FLAT, 1 / deviations.clamp_min(FLAT**0.5), 0)
    root = directions * deviations @ directions.T
    return root.to(covariance), (directions * inverse @ directions.T).to(covariance)
