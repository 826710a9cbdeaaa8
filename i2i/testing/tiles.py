"""Whether a model answers in tiles as in the whole, asked through the core, which cuts them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from i2i.contracts import Geometry, Request
from i2i.errors import I2IError
from i2i.testing.answering import SEEDS, Model
from i2i.testing.checks import Skipped, one_line, require

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SHARE = 16
"""Pixels of a side of which a tile makes the answer, at least."""
WIDER = 32
"""Pixels that are tried beyond twice the margin where tiles are not the whole: is the margin to blame?"""
ONLY = {
    "margin": "nothing of it may look at the whole picture, no noise be as large; tiling 'statistics' is for norms",
    "statistics": "only its norms, means and variances may look at the whole picture, no noise be as large",
}
"""By tiling: what is to blame where the margin is not."""


def tiles_are_exact(model: Model) -> None:
    """A lying and an upright strip in two tiles each; norms that look at the whole picture are exact."""
    model.require_translates()
    geometry = model.geometry
    if geometry.tiling == "never":
        raise Skipped("its tiling is 'never'")
    if geometry.size is not None:
        raise Skipped("its geometry names a `size`: it sees each picture whole")
    differs = _difference(model, geometry)
    if differs is None:
        return
    wider = replace(geometry, margin=2 * geometry.margin + WIDER)
    found = f"in tiles it answers differently than in the whole (by up to {differs:.2g})"
    is_margin = _difference(model, wider) is None
    require(not is_margin, f"{found}: margin={geometry.margin} is too small; margin={wider.margin} is enough")
    raise AssertionError(f"{found}, whatever its margin: {ONLY[geometry.tiling]}; 'never' is for all else")


@dataclass(frozen=True)
class Asked:
    """A model as the core asks it here: with another margin, and in float64, so that rounding hides nothing."""

    model: Any
    geometry: Geometry
    precision: torch.dtype

    @classmethod
    def of(cls, model: Model, geometry: Geometry) -> Asked:
        """In float64, or in float32 where the model insists on it."""
        import torch

        images = model.images(*model.size, count=1).double()
        try:
            double = copy.deepcopy(model.translator.model).double()
            model.translate(images, SEEDS[:1], double)
        except Exception:  # it may be uncopyable, too
            return cls(model.translator.model, geometry, torch.float32)
        return cls(double, geometry, torch.float64)

    @property
    def may_differ(self) -> float:
        """By what rounding changes an answer at most; a picture's levels in 16 bits are 1.5e-5 apart."""
        return 1e-6 if self.precision.itemsize == 8 else 1e-4

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, H, W) → (B, C, H·scale, W·scale), in [0, 1]."""
        mask = None if request.mask is None else request.mask.to(self.precision)
        answer: Tensor = self.model.translate(images.to(self.precision), replace(request, mask=mask))
        return answer


def _difference(model: Model, geometry: Geometry) -> float | None:
    """How far tiles cut by this geometry are from the whole; None where that is but rounding."""
    overlap, share = (_up(side, geometry.multiple_of) for side in (geometry.margin, max(SHARE, geometry.min_size)))
    asked = Asked.of(model, geometry)
    long = 2 * (overlap + share)
    most = 0.0
    for height, width in ((share, long), (long, share)):
        picture = model.images(height, width, count=1)
        mask = model.mask(picture)
        whole = _answer(model, asked, picture, mask, side=long)
        tiles = _answer(model, asked, picture, mask, side=2 * overlap + share)
        most = max(most, float((tiles - whole).abs().max()))
    return most if most > asked.may_differ else None


def _answer(model: Model, asked: Asked, picture: Tensor, mask: Tensor | None, side: int) -> Tensor:
    """(3, H·scale, W·scale) of (1, C, H, W), by way of `Translator.translate`: at most this side is seen at once."""
    import torch

    from i2i.inference.computation import Tiles

    translator = replace(model.translator, model=asked, tiles=Tiles(side=side, norms="exact"))
    with torch.random.fork_rng(devices=[]):
        torch.seed()  # nothing but the seed may decide
        try:
            answer: Tensor = translator.translate(
                picture[0].expand(3, -1, -1), seed=SEEDS[0], masks=None if mask is None else mask[0]
            )
        except I2IError as error:
            raise AssertionError(f"fails in tiles of {side} pixels: {one_line(error)}") from error
    return answer


def _up(size: int, unit: int) -> int:
    return -(-size // unit) * unit
