"""Free-form masks: what a hand with a brush would take out of a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from i2i.datasets.degradation import drawn

# Of pictures of 256 pixels a side in Yu et al.'s published configuration; here shares of the shorter side.
WIDTH = (12 / 256, 40 / 256)
ANGLE = (4 / 15 * math.pi, 8 / 15 * math.pi)
VERTICES = (4, 12)
LONGEST = 1 / 4  # of the diagonal

NEW_AREA = 0.01
"""Least share of what is still bare in a square that a segment covers, on average over a picture's segments."""
SLACK = 24
"""Segments more, where a picture's strokes are all thin."""
THINNEST = 0.75
"""Least radius of a brush in pixels: below it a stroke has gaps."""


def free_form_masks(count: int, size: Sequence[int], share: tuple[float, float], generator: torch.Generator) -> Tensor:
    """(count, 1, H, W) of 0 and 1: holes brushed at random, on the generator's device.

    Each mask's share of ones is drawn evenly from `share`: least and most, in [0, 0.9]. Strokes are those of Yu et al.
    2019, Free-Form Image Inpainting with Gated Convolution, section 3.4 and algorithm 1: a brush of one width goes from
    vertex to vertex, turning one way and the other. Widths are relative to the shorter side, lengths to the diagonal.
    Departures: strokes are turned by any angle, where the paper mirrors whole masks; they are mirrored a little beyond
    the picture's border instead of leaving it; the last one ends at the pixel where the share is reached. Seldom, and
    by a few hundredths, a mask of thin strokes falls short of its share.
    """
    height, width = size
    wanted = drawn((count,), share, generator)
    new_area = NEW_AREA * min(height, width) / max(height, width)
    segments = math.ceil(-math.log(1 - share[1]) / new_area) + SLACK
    moments = _moments(_paths(count, height, width, segments, generator), height, width).flatten(1)  # (B, H * W)
    pixels = (wanted * height * width).round().long().clamp(max=height * width)
    ordered = moments.sort(dim=1).values
    last = ordered.gather(1, (pixels - 1).clamp(min=0)[:, None])
    covered = (moments <= last) & moments.isfinite() & (pixels > 0)[:, None]
    return covered.view(count, 1, height, width).float()


@dataclass(frozen=True)
class _Paths:
    """One brush a picture, segment after segment: (B, S) each, lengths in pixels."""

    column: Tensor
    row: Tensor
    """Where a segment begins."""
    across: Tensor
    down: Tensor
    """Its direction, of length 1."""
    length: Tensor
    radius: Tensor


def _paths(count: int, height: int, width: int, segments: int, generator: torch.Generator) -> _Paths:
    """Strokes of `VERTICES` segments each, one after another, until there are `segments`."""
    device = generator.device
    shape = (count, segments)
    most = -(-segments // VERTICES[0])  # strokes, if all are short
    lengths = torch.randint(VERTICES[0], VERTICES[1] + 1, (count, most), generator=generator, device=device)
    ends = lengths.cumsum(1)
    places = torch.arange(segments, device=device)
    stroke = (places[None, :, None] >= ends[:, None, :]).sum(-1)  # (B, S): which stroke a segment is part of
    begins = (ends - lengths).gather(1, stroke)
    within = places - begins

    def of_stroke(least: float, largest: float) -> Tensor:
        return drawn((count, most), (least, largest), generator).gather(1, stroke)

    turn = drawn(shape, ANGLE, generator)
    angle = torch.where(within % 2 == 0, -turn, turn) + of_stroke(0, 2 * math.pi)
    reach = drawn(shape, (0.0, LONGEST * math.hypot(height, width)), generator)
    side = min(height, width)
    radius = (of_stroke(*WIDTH) * side / 2).clamp(min=THINNEST)
    beyond = sum(WIDTH) / 4 * side  # the mean radius: else borders would be covered much less
    columns = _walked(angle.sin() * reach, begins, of_stroke(-beyond, width + beyond), beyond, width)
    rows = _walked(angle.cos() * reach, begins, of_stroke(-beyond, height + beyond), beyond, height)
    across, down = columns[1] - columns[0], rows[1] - rows[0]
    length = torch.hypot(across, down).clamp(min=1e-3)
    return _Paths(columns[0], rows[0], across / length, down / length, length, radius)


def _walked(steps: Tensor, begins: Tensor, start: Tensor, beyond: float, limit: int) -> tuple[Tensor, Tensor]:
    """Where each segment begins and ends along one axis: (B, S) in [-beyond, limit + beyond], mirrored at the ends."""
    so_far = torch.ones(2 * steps.shape[1:], device=steps.device).tril()
    after = (steps[:, None, :] * so_far).sum(-1)  # `cumsum` is not deterministic on every device
    before = after - steps
    origin = start - before.gather(1, begins)
    room = limit + 2 * beyond
    first, last = (room - ((origin + at + beyond).remainder(2 * room) - room).abs() - beyond for at in (before, after))
    return first, last


def _moments(paths: _Paths, height: int, width: int) -> Tensor:
    """(B, H, W): when the brush first touches each pixel's centre, infinite where it never does.

    Segment s takes from 2s - 1 to 2s + 1: until 2s the brush is pressed down where the segment begins, then it moves.
    """
    device = paths.row.device
    rows = torch.arange(height, device=device)[:, None] + 0.5
    columns = torch.arange(width, device=device)[None, :] + 0.5
    moments = torch.full((len(paths.row), height, width), torch.inf, device=device)
    for s in range(paths.row.shape[1]):
        column, row, across, down, length, radius = (
            part[:, s, None, None]
            for part in (paths.column, paths.row, paths.across, paths.down, paths.length, paths.radius)
        )
        x, y = columns - column, rows - row  # (B, 1, W), (B, H, 1)
        ahead = x * across + y * down  # (B, H, W)
        aside = (x * down - y * across).square()
        room = radius.square() - aside  # square of half the chord that the brush covers, along the segment
        reached = ahead - room.clamp(min=0).sqrt()  # pixels that the brush has moved when it touches
        pressed = (ahead.square() + aside).sqrt() / radius - 1
        moment = torch.where(pressed <= 0, pressed, reached / length)
        touched = (pressed <= 0) | ((room >= 0) & (reached >= 0) & (reached <= length))
        moments = torch.where(touched, torch.minimum(moments, 2 * s + moment), moments)
    return moments
