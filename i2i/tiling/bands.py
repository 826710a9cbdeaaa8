"""A picture put together from what a model answered for its tiles, a band at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from i2i.tiling.layout import Layout, Span, Tile


def assembled(outputs: Iterable[Tensor], layout: Layout, scale: int, feather: int = 0) -> Iterator[Tensor]:
    """Bands (C, h, W·scale) from the top, out of one float (C, height·scale, width·scale) for each tile, in order.

    (height, width) is `layout.outer`, W the width of the padded picture. Each pixel comes from the tile whose inner
    box it lies in: with an overlap of the margin that is exact. With `feather`, an even number, neighbours fade into
    each other over so many input pixels around the border between them, linearly, as far as both reach: for overlaps
    below the margin, as it is exact only with half the feather more overlap than that. Where neighbours agree nothing
    changes. Bands are whole input rows, as many as in the inner boxes, shifted by half the feather. Outputs are asked
    for one by one, and no more is held than one band and the lines that fade into the next (`line_bytes`). Raises
    `ValueError` for too few outputs.
    """
    answers = zip(layout, outputs, strict=True)
    heights = _stretches([_down(row[0]) for row in layout.rows], scale, feather)
    widths = _stretches([_across(tile) for tile in layout.rows[0]], scale, feather)
    fading: Tensor | None = None
    for number, height in enumerate(heights):
        strip = _strip(answers, height, widths, scale)
        if fading is not None:
            strip[:, : height.fade] = torch.lerp(fading, strip[:, : height.fade], _ramp(height.fade, strip)[:, None])
        kept = heights[number + 1].fade if number + 1 < len(heights) else 0
        done = strip.shape[1] - kept
        fading = strip[:, done:].clone()
        yield strip[:, :done]
        del strip  # before the next one


def line_bytes(width: int, scale: int, channels: int = 3) -> int:
    """Bytes that `assembled` takes for each input row of a tile where the padded picture is so wide, at the most.

    That is twice what a band of float32 holds: whoever writes bands still has the last one while the next is made.
    """
    return 2 * 4 * channels * width * scale**2


@dataclass(frozen=True)
class _Stretch:
    """What one tile gives along one side of the picture, in output pixels."""

    first: int
    beyond: int
    fade: int
    """Pixels at its beginning that it shares with the tile before."""


def _strip(answers: Iterator[tuple[Tile, Tensor]], height: _Stretch, widths: Sequence[_Stretch], scale: int) -> Tensor:
    """(C, h, W·scale): all that one row of tiles gives."""
    strip: Tensor | None = None
    for width in widths:
        tile, output = next(answers)
        top, left = tile.outer.top * scale, tile.outer.left * scale
        piece = output[:, height.first - top : height.beyond - top, width.first - left : width.beyond - left]
        if strip is None:
            strip = piece.new_empty(*piece.shape[:2], widths[-1].beyond)
        place = strip[..., width.first : width.beyond]
        place[..., width.fade :] = piece[..., width.fade :]
        place[..., : width.fade].lerp_(piece[..., : width.fade], _ramp(width.fade, strip))
    assert strip is not None
    return strip


def _stretches(spans: Sequence[tuple[Span, Span]], scale: int, feather: int) -> list[_Stretch]:
    """From the outer and the inner span of each tile along one side."""
    reaches = [0, *(_reach(before, after, scale, feather) for before, after in pairwise(spans)), 0]
    return [
        _Stretch(inner[0] * scale - before, inner[1] * scale + after, 2 * before)
        for (_, inner), (before, after) in zip(spans, pairwise(reaches), strict=True)
    ]


def _reach(before: tuple[Span, Span], after: tuple[Span, Span], scale: int, feather: int) -> int:
    """How many output pixels the fade between two tiles goes to either side of their border."""
    border = after[1][0]
    within_tiles = min(before[0][1] - border, border - after[0][0])
    without_meeting_another = min(span[1][1] - span[1][0] for span in (before, after)) // 2
    return min(feather // 2, within_tiles, without_meeting_another) * scale


def _ramp(length: int, like: Tensor) -> Tensor:
    """(length,) rising from 0 to 1, at the centres of pixels; it falls as it rises."""
    return (torch.arange(length, dtype=like.dtype, device=like.device) + 0.5) / length


def _down(tile: Tile) -> tuple[Span, Span]:
    return (tile.outer.top, tile.outer.bottom), (tile.inner.top, tile.inner.bottom)


def _across(tile: Tile) -> tuple[Span, Span]:
    return (tile.outer.left, tile.outer.right), (tile.inner.left, tile.inner.right)
