"""Curves of any length as ones that a browser draws at once, with no spike lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DIGITS = 6
"""Significant ones that are kept of a value."""


@dataclass(frozen=True)
class Thinned:
    """What is drawn of a curve."""

    steps: tuple[int, ...]
    values: tuple[float, ...]
    mean_steps: tuple[float, ...] = ()
    """Where the curve was thinned: the middles of its stretches."""
    means: tuple[float, ...] = ()
    """The mean of each stretch: what smoothing begins with, as extremes are no fair sample."""


def thin(steps: Sequence[int], values: Sequence[float], most: int) -> Thinned:
    """At most `most` points (4 or more) of a curve: its ends and, of equal stretches, the lowest and the highest."""
    if len(steps) <= most:
        return Thinned(tuple(steps), _short(np.asarray(values, dtype=np.float64)))
    x, y = np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float64)
    width = -(-(len(x) - 2) // ((most - 2) // 2))
    count = -(-(len(x) - 2) // width)
    padding = count * width - (len(x) - 2)
    inner_x = np.pad(x[1:-1], (0, padding), mode="edge").reshape(count, width)
    inner_y = np.pad(y[1:-1], (0, padding), mode="edge").reshape(count, width)
    begins = 1 + width * np.arange(count)
    kept = np.unique(np.concatenate([[0], begins + inner_y.argmin(1), begins + inner_y.argmax(1), [len(x) - 1]]))
    kept = np.unique(np.minimum(kept, len(x) - 1))
    return Thinned(
        tuple(x[kept].tolist()),
        _short(y[kept]),
        tuple(np.round(inner_x.mean(1), 1).tolist()),
        _short((inner_y / width).sum(1)),  # of numbers near the largest ones the sum would be none
    )


def _short(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{value:.{DIGITS}g}") for value in values.tolist())
