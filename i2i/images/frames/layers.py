"""Levels of pictures laid over one another."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy
from numpy.typing import NDArray

Levels: TypeAlias = NDArray[Any]
"""(H, W, C), uint8 or uint16: grey or RGB, with alpha or without."""


def with_alpha(levels: Levels) -> Levels:
    """With a channel that says that all of it is seen, where there is none."""
    if levels.shape[2] in (2, 4):
        return levels
    return numpy.pad(levels, ((0, 0), (0, 0), (0, 1)), constant_values=numpy.iinfo(levels.dtype).max)


def over(top: Levels, below: Levels) -> Levels:
    """One picture laid over another, both with alpha, which their colours are not multiplied with (PNG, 13.16)."""
    white = numpy.iinfo(top.dtype).max
    covering, behind = top[:, :, -1:] / white, below[:, :, -1:] / white
    showing = behind * (1 - covering)
    alpha = covering + showing
    colours = (top[:, :, :-1] * covering + below[:, :, :-1] * showing) / numpy.where(alpha > 0, alpha, 1)
    return numpy.rint(numpy.concatenate([colours, alpha * white], axis=2)).astype(top.dtype)
