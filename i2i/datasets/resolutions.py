"""Two resolutions of the same pictures, for super-resolution."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy
import torch
from torch.utils.data import get_worker_info

from i2i.datasets import CropOptions, DegradedOptions, PairedResolutionsOptions
from i2i.datasets.folders import Domain, open_domain
from i2i.datasets.pairs import partners
from i2i.datasets.reading import Reader
from i2i.datasets.walk import Walk
from i2i.errors import BrokenPicture, UsageError
from i2i.images.names import Rewrite

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MOST_KEPT = 2**30
"""Bytes of decoded pictures that are kept in memory, over all loader workers."""
Chosen = TypeVar("Chosen", bound=CropOptions)


class _Squares(Walk, Generic[Chosen]):
    """Squares out of what the first of the `domains` holds."""

    def __init__(self, options: Chosen, *domains: Domain) -> None:
        if options.scale is None:
            raise UsageError("dataset.scale: not given, and the model has none; set dataset.scale=4, say")
        super().__init__(domains[0], options.validation)
        self.options, self.scale = options, options.scale
        self.kept: dict[Path, NDArray[numpy.uint8]] = {}
        self.reader = Reader(options, ((path, size, None) for part in domains for path, size in part.sizes.items()))
        self.sizes = {path: size for part in domains for path, size in part.sizes.items()}

    def _opened(self, path: Path) -> NDArray[numpy.uint8]:
        """(3, H, W); kept in memory while there is room, as each picture is read for a single square of it at a time.

        Where there is a cache on disk, which is read through memory maps, nothing is kept here.
        """
        if (kept := self.kept.get(path)) is not None:
            return kept
        picture = self.reader.whole(path, self.sizes[path]).transpose(2, 0, 1)
        if self.reader.keeping is not None:
            return picture
        worker = get_worker_info()
        room = MOST_KEPT // (worker.num_workers if worker else 1) - sum(other.nbytes for other in self.kept.values())
        if picture.nbytes <= room:
            self.kept[path] = picture
        return picture


class Degraded(_Squares[DegradedOptions]):
    """High-resolution pictures; `prepare` makes the low-resolution ones on the device."""

    def __init__(self, options: DegradedOptions) -> None:
        super().__init__(options, open_domain("source", options.source))

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`high`, uint8 (3, crop, crop)."""
        return _squares({"high": self._opened(self.pictures[index])}, {"high": 1}, self.options, rng)

    def prepare(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """`high` (B, 3, crop, crop) and `low` (B, 3, crop/scale, crop/scale), in [0, 1]."""
        from i2i.datasets.degradation import degraded

        high = batch["high"].float() / 255
        return {"low": degraded(high, self.scale, self.options.degradation, generator), "high": high}


class PairedResolutions(_Squares[PairedResolutionsOptions]):
    """Low-resolution pictures and the high-resolution ones of the same names."""

    def __init__(self, options: PairedResolutionsOptions) -> None:
        rewrite = Rewrite(options.match)
        low = open_domain("source", options.source, rewrite.touches)
        self.high = open_domain("target", options.target)
        self.partners = partners(low, self.high, rewrite, "[[_LR, _HR]]")
        super().__init__(options, low.only(self.partners), self.high)
        self.broken = (*low.broken, *self.high.broken)
        self._refuse_other_scales()

    def describe(self) -> dict[str, object]:
        """Counts and sizes of both."""
        return {domain.name: domain.describe() for domain in (self.domain, self.high)}

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`low`, uint8 (3, crop/scale, crop/scale), and `high`, uint8 (3, crop, crop)."""
        path = self.pictures[index]
        low, high = self._opened(path), self._opened(self.partners[path])
        if (reason := self._other_scale((low.shape[2], low.shape[1]), (high.shape[2], high.shape[1]))) is not None:
            raise BrokenPicture(path, reason)
        rows, columns = (length * self.scale for length in low.shape[1:])
        pair = {"low": low, "high": high[:, :rows, :columns]}
        return _squares(pair, {"low": self.scale, "high": 1}, self.options, rng)

    def _refuse_other_scales(self) -> None:
        """Raise `UsageError` where not a single pair is of the scale: then it is the scale that is wrong."""
        reason = None
        for low, high in self.partners.items():
            if (reason := self._other_scale(self.domain.sizes[low], self.high.sizes[high])) is None:
                return
        if reason is not None:
            raise UsageError(f"none of {len(self.partners)} pairs is of scale {self.scale}; the last, {low}: {reason}")

    def _other_scale(self, low: tuple[int, int], high: tuple[int, int]) -> str | None:
        """Why two pictures (width, height) are no pair; the large one may have a few pixels too many."""
        if all(0 <= large - small * self.scale < self.scale for small, large in zip(low, high, strict=True)):
            return None
        return f"{low[0]}×{low[1]} pixels, and {high[0]}×{high[1]} large: not {self.scale} times as many"


def _squares(
    pictures: Mapping[str, NDArray[numpy.uint8]],
    smaller: Mapping[str, int],
    options: CropOptions,
    rng: numpy.random.Generator,
) -> dict[str, Tensor]:
    """The same place out of each picture (3, H, W), turned the same way; `smaller` says how many times smaller one is.

    A picture smaller than the square is mirrored at its right and lower edge.
    """
    coarsest = max(smaller, key=smaller.__getitem__)
    unit = smaller[coarsest]
    side = options.crop // unit
    rows, columns = (max(length, side) for length in pictures[coarsest].shape[1:])
    top, left = int(rng.integers(rows - side + 1)), int(rng.integers(columns - side + 1))
    turn = int(rng.integers(8)) if options.flip else 0
    squares = {}
    for key, picture in pictures.items():
        factor = unit // smaller[key]
        wanted, down, across = side * factor, top * factor, left * factor
        square = picture[:, down : down + wanted, across : across + wanted]
        missing = [(0, 0), *((0, wanted - length) for length in square.shape[1:])]
        if any(more for _, more in missing):
            square = numpy.pad(square, missing, mode="symmetric")  # so that both of a pair go on alike
        squares[key] = torch.from_numpy(numpy.array(_turned(square, turn), order="C"))
    return squares


def _turned(picture: NDArray[numpy.uint8], turn: int) -> NDArray[numpy.uint8]:
    """(C, S, S) in one of its eight positions."""
    quarter = numpy.rot90(picture, turn % 4, axes=(1, 2))
    return quarter[:, :, ::-1] if turn >= 4 else quarter
