"""What pictures are translated from, made of the pictures: grey, drawn, broken or with holes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from i2i.contracts.geometry import luma
from i2i.datasets import Making
from i2i.datasets.degradation import blurred, compressed, happening, noisy
from i2i.datasets.strokes import free_form_masks

HOLE = 0.5
"""The level of all colours in a hole."""

FINEST, REACH = 0.6, 2.0
"""Standard deviations in pixels: of a drawing's lines, and of the surroundings that a pixel is compared with."""
WHITE, BLACK = 0.97, 0.65
"""Shares of the surroundings' light that are drawn white, and black."""
DARKEST = 0.1
"""Added to both, so that noise in the dark draws nothing."""


def made(target: Tensor, chain: Sequence[Making], generator: torch.Generator) -> tuple[Tensor, Tensor | None]:
    """(B, 3, H, W) in [0, 1] → the same, and the holes (B, 1, H, W), 1 where one is, or None where none are made.

    What `chain` lists happens in its order, each thing drawn for each picture by itself. What follows holes happens
    around them: in the holes all colours stay at 0.5.
    """
    source, holes = target, None
    for thing in chain:
        happens = happening(len(source), thing.chance, generator)
        if thing.between is None:
            changed = PLAIN[thing.use](source)
        elif thing.use == "holes":
            masks = free_form_masks(len(source), source.shape[-2:], thing.between, generator) * happens
            holes = masks if holes is None else torch.maximum(holes, masks)
            changed = source.masked_fill(masks > 0, HOLE)
        else:
            changed = STRENGTHS[thing.use](source, thing.between, generator).clamp(0, 1)
        source = torch.where(happens, changed, source)
    return (source, None) if holes is None else (source.masked_fill(holes > 0, HOLE), holes)


def grey(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] → the same, its luma in all three channels."""
    return luma(pictures).expand_as(pictures)


def edges(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) in [0, 1] → the same, as if drawn with a pencil: dark lines on white.

    A pixel is as dark as it is darker than its surroundings in the colour where that shows most. The share counts, not
    the difference: so there are lines in shadows too.
    """
    sharp, surroundings = (_smoothed(pictures, deviation) + DARKEST for deviation in (FINEST, REACH))
    share = (sharp / surroundings).amin(1, keepdim=True)
    return ((share - BLACK) / (WHITE - BLACK)).clamp(0, 1).expand_as(pictures)


def _smoothed(pictures: Tensor, deviation: float) -> Tensor:
    from kornia.filters import gaussian_blur2d

    reach = math.ceil(3 * deviation)
    border = "reflect" if reach < min(pictures.shape[-2:]) else "replicate"
    return gaussian_blur2d(pictures, 2 * reach + 1, (deviation, deviation), border_type=border)


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {"grey": grey, "edges": edges}

STRENGTHS: dict[str, Callable[[Tensor, tuple[float, float], torch.Generator], Tensor]] = {
    "noise": noisy,
    "jpeg": compressed,
    "blur": blurred,
}
