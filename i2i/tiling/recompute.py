"""Exact norms without a disk: tiles are translated again and again until the moments of the whole picture are known."""

from __future__ import annotations

from collections.abc import Sequence

from i2i.errors import I2IError
from i2i.tiling.layout import Layout, Tile
from i2i.tiling.looks import Look
from i2i.tiling.moments import OTHER_WAYS, Moments, Statistics, together
from i2i.tiling.norms import Compute, Met, Report, inner, known, silent
from i2i.tiling.sample import Correction, corrected

TOLERANCE = 5e-3
"""How far moments may still move, in standard deviations and in the logarithm of the variance, when `refined` corrects
them for the last time."""


def recomputed(compute: Compute, layout: Layout, looks: int, report: Report = silent) -> Statistics:
    """The moments at each look, one after the other: all tiles are translated up to it, those before it being known.

    `looks` is how often a translation looks at the whole picture; for n of them, alike far apart, this takes the work
    of n / 2 translations. Raises `I2IError` where the model computes differently in different tiles.
    """
    statistics: Statistics = ()
    work = looks * (looks + 1) / 2
    for place in range(looks):
        done = place * (place + 1) / 2

        def so_far(fraction: float, done: float = done, place: int = place) -> None:
            report((done + fraction * (place + 1)) / work)

        statistics += _met(compute, layout, statistics, range(place, place + 1), so_far)
    return statistics


def refined(
    compute: Compute, layout: Layout, sample: Sequence[Tile], looks: int, report: Report = silent
) -> Statistics:
    """The same by successive approximation, which takes the work of about five translations however many looks.

    A sample of the picture is translated at once, its norms going by its own moments. With these, all tiles are
    translated: how the moments of the whole differ from the sample's corrects the sample's, each by its own difference,
    when it is translated again. One turn makes the difference some four times smaller, and exact at one look more, so
    after `looks` + 1 turns at most it is nil.
    """
    if not looks:
        return ()
    corrections: list[Correction] | None = None
    for turn in range(looks + 1):
        used, found = corrected(compute, sample, corrections)

        def so_far(fraction: float, turn: int = turn) -> None:
            report(1 - 0.5 ** (turn + fraction))

        whole = _met(compute, layout, used, range(looks), so_far)
        corrections = [Correction.between(*pair) for pair in zip(found, whole, strict=True)]
        if max(Correction.between(*pair).size for pair in zip(used, whole, strict=True)) <= TOLERANCE:
            break
    return corrected(compute, sample, corrections)[0]


class _Reached(BaseException):
    """Ends a translation at the last look that is of interest."""


def _met(compute: Compute, layout: Layout, statistics: Statistics, wanted: range, report: Report) -> Statistics:
    """The moments over all tiles at the wanted looks, where `statistics` answer each before the last of them."""
    of_tiles = []
    for number, tile in enumerate(layout, 1):
        of_tiles.append(_met_in(compute, tile, statistics, wanted))
        report(number / len(layout))
    return tuple(together(moments) for moments in zip(*of_tiles, strict=True))


def _met_in(compute: Compute, tile: Tile, statistics: Statistics, wanted: range) -> list[Moments]:
    found: list[Moments] = []

    def answer(place: int, look: Look) -> object:
        if place in wanted:
            found.append(inner(look, [tile]))
        if place == wanted[-1]:
            raise _Reached
        return look.answer(known(statistics, place, look))

    try:
        with Met(answer, 1):
            compute([tile])
    except _Reached:
        return found
    raise I2IError(OTHER_WAYS)
