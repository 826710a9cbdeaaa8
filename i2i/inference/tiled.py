"""One picture in tiles: what the network sees of it, and its answer from the top down, never whole in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from i2i.contracts import Geometry
from i2i.inference.fitting import Parts, shown
from i2i.tiling.bands import assembled
from i2i.tiling.layout import Box, Layout, Tile
from i2i.tiling.norms import Compute
from i2i.tiling.regions import in_unit_range, region

Norms = Literal["quick", "exact"]
ROWS = 64
"""Of an answer that are joined at a time, in input pixels."""


@dataclass
class Bands:
    """A picture that is made from the top down while its rows are taken, which can be done once."""

    size: tuple[int, int]
    """(height, width)."""
    channels: int
    rows: Iterator[Tensor]
    """float (channels, h, width) in [0, 1], on the CPU."""

    def gathered(self) -> Tensor:
        """(channels, height, width)."""
        return torch.cat(list(self.rows), 1)


@dataclass(frozen=True)
class Work:
    """What is asked of a model for one picture."""

    compute: Compute
    """Its answer to some tiles."""
    thumbnail: Callable[[int], Tensor]
    """Its answer to the whole picture, made smaller, to no more than so many pixels."""


Made = Callable[[Work], AbstractContextManager[Iterable[Tensor]]]
"""The outputs of all tiles, in the layout's order."""


@dataclass(frozen=True)
class Cut:
    """A picture and how it is cut."""

    values: Tensor
    """(C, H, W): uint8, or float in [0, 1]; grey, grey and alpha, RGB, or RGB and alpha."""
    layout: Layout
    geometry: Geometry
    ask: Callable[[Tensor, Tensor | None, bool], Tensor]
    """Pictures (B, C', h, w), their mask or None, and whether they are alpha → the model's answer, anywhere."""
    feather: int = 0
    """Input pixels over which neighbours blend where they overlap."""

    def bands(self, made: Made) -> Bands:
        """The answer, of the outputs that are `made`."""
        parts = Parts.of(self.values[:, :1, :1])
        has_alpha, is_grey = parts.alpha is not None, len(parts.colour) == 1
        keeps_grey = is_grey and (self.geometry.restores or self.geometry.fills)
        channels = (1 if keeps_grey else 3) + (has_alpha and not self.geometry.fills)
        height, width = (side * self.geometry.scale for side in self.values.shape[-2:])
        rows = self._joined(made)
        return Bands((height, width), channels, chain([next(rows)], rows))  # the first band shows that memory does

    def _joined(self, made: Made) -> Iterator[Tensor]:
        asks_alpha = self.geometry.restores and Parts.of(self.values).alpha is not None and self._is_seen_through()
        of_alpha = Work(self.alpha, lambda pixels: self._asked(self._small(pixels), as_alpha=True))
        of_colours = Work(self.colours, lambda pixels: self._asked(self._small(pixels)))
        with made(of_colours) as colours, made(of_alpha) if asks_alpha else nullcontext(None) as alphas:
            answers = self._answered(colours)
            answers_of_alpha = self._answered(alphas) if alphas is not None else None
            top = 0
            for band in answers:
                alpha_band = None if answers_of_alpha is None else next(answers_of_alpha)
                yield from self._with_source(band, alpha_band, top)
                top += band.shape[1] // self.geometry.scale

    def _is_seen_through(self) -> bool:
        return any(bool(in_unit_range(rows).amin() < 1) for rows in self.values[-1].split(ROWS))

    def colours(self, tiles: Sequence[Tile]) -> Tensor:
        """The model's answer to what these tiles show."""
        return self._asked([self._parts(tile.outer) for tile in tiles])

    def alpha(self, tiles: Sequence[Tile]) -> Tensor:
        """The model's answer to the transparency of these tiles."""
        return self._asked([self._parts(tile.outer) for tile in tiles], as_alpha=True)

    def _asked(self, parts: Sequence[Parts], as_alpha: bool = False) -> Tensor:
        shown = [part.alpha_shown() if as_alpha else part.shown(self.geometry) for part in parts]
        mask = torch.stack([part.holes for part in parts]) if self.geometry.fills else None
        return self.ask(self.geometry.channelled(torch.stack(shown)), mask, as_alpha)

    def _small(self, pixels: int) -> list[Parts]:
        """All of the picture, in a size that the model takes."""
        height, width = self.values.shape[-2:]
        shrink = min(1.0, (pixels / (height * width)) ** 0.5)
        unit = self.geometry.multiple_of
        sides = [
            max(unit, int(side * shrink) // unit * unit, self.geometry.padded(1, 1)[0]) for side in (height, width)
        ]
        small = F.interpolate(self.values[None], sides, mode="bilinear", antialias=True)[0]
        return [Parts.of(in_unit_range(small))]

    def _parts(self, box: Box) -> Parts:
        whole = Parts.of(self.values)
        alpha = None if whole.alpha is None else region(whole.alpha, box, self.geometry)
        return Parts(region(whole.colour, box, self.geometry), alpha)

    def _answered(self, outputs: Iterable[Tensor]) -> Iterator[Tensor]:
        """Bands (C', h·scale, W·scale) of the picture, without what was added beyond its edges."""
        height, width = (side * self.geometry.scale for side in self.values.shape[-2:])
        top = 0
        for band in assembled(outputs, self.layout, self.geometry.scale, self.feather):
            if top < height:
                yield band[:, : height - top, :width]
            top += band.shape[1]

    def _with_source(self, band: Tensor, alpha_band: Tensor | None, top: int) -> Iterator[Tensor]:
        """The band joined with what the picture has in these rows, from `top` on, some rows at a time."""
        scale = self.geometry.scale
        bottom = top + band.shape[1] // scale
        for first in range(top, bottom, ROWS):
            last = min(bottom, first + ROWS)
            start, end = max(0, first - 1), min(self.values.shape[1], last + 1)  # alpha looks at its neighbours
            around = (first - start) * scale, (end - last) * scale
            rows = slice((first - top) * scale, (last - top) * scale)
            answer = _wider(shown(in_unit_range(band[:, rows])), around)
            of_alpha = None if alpha_band is None else _wider(shown(in_unit_range(alpha_band[:, rows])), around)
            parts = Parts.of(in_unit_range(self.values[:, start:end]))
            joined = parts.joined(answer, of_alpha, self.geometry)
            yield joined[:, around[0] : joined.shape[1] - around[1]]


def _wider(answer: Tensor, rows: tuple[int, int]) -> Tensor:
    """With so many rows more above and below, whatever they hold."""
    return answer if rows == (0, 0) else F.pad(answer[None], (0, 0, *rows), mode="replicate")[0]
