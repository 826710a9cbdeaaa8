"""How much memory a model takes for a tile, measured by running it on two small ones; and which tile that allows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from i2i.contracts.geometry import Geometry
from i2i.errors import I2IError
from i2i.tiling.layout import smallest_side
from i2i.tiling.live import LiveBytes
from i2i.tiling.memory import spelled

SMALL = 64
"""Side of the smaller of the two tiles that a model is tried on, in pixels, where it takes so few."""
SAFETY = 1.1
"""By what the bytes that were counted are multiplied, on top of which comes `SLACK`.

Measured on two cores of a CPU with AVX-512 (torch 2.15, glibc 2.36 after `memory.settle`): the peak of the process's
resident memory above what it held before, over three translations each, beside the estimate from two small tiles. The
generators of cyclegan, cyclegan-light, srgan (compact and ResNet), pix2pix and fast-style, 256 to 1024 pixels, single
and by four, fp32 and bf16, took 0.85 to 1.03 times the estimate, small ones up to 7 MB more. Without `settle` they
took up to 1.5 times as much and, where tiles are small, 70 MB more. On a GPU the factor stands for blocks that its
allocator cannot use; there it has not been measured.
"""
SLACK = 16 * 1000**2
"""Bytes for what does not grow with the tile: kernels' buffers, heaps of threads."""
LARGEST = 2048
"""Side in pixels beyond which a larger tile saves next to nothing: with an overlap of 88, as the ResNet of nine blocks
needs, the model sees 1.2 times the picture's pixels."""


@dataclass(frozen=True)
class Footprint:
    """Bytes that a model takes while it computes, beyond its weights: a straight line over the number of pixels."""

    fixed: float
    per_pixel: float
    """For each pixel that the network sees, of all tiles of a batch."""

    def of(self, height: int, width: int, batch: int = 1) -> int:
        """Bytes for a batch of pictures of this size, as the network sees them."""
        return math.ceil(self.fixed + self.per_pixel * height * width * batch)


def measured(compute: Callable[[int, int], object], device: torch.device, geometry: Geometry) -> Footprint:
    """What `compute(height, width)` takes on a device: all of it, from making a tile of that size to its answer.

    It is called three times, first to let it set up what it keeps. Tensors and convolutions' scratch are counted on
    the CPU, the allocator's own count is taken on CUDA (whose peak is reset), and tensors alone elsewhere.
    """
    small = -(-max(geometry.min_size, SMALL) // geometry.multiple_of) * geometry.multiple_of
    large = 2 * small
    compute(small, small)  # what it sets up once is no part of it
    less, more = (_peak(compute, side, device) for side in (small, large))
    per_pixel = (more - less) / (large**2 - small**2)
    return Footprint(max(0.0, less - per_pixel * small**2) * SAFETY + SLACK, per_pixel * SAFETY)


def useful_side(geometry: Geometry, overlap: int | None = None) -> int:
    """Side in pixels of the smallest tile worth computing: a third of it is its own, which is dear enough.

    The model sees ((inner + 2 · overlap) / inner)² times the picture's pixels: nine times where inner is the overlap.
    """
    least = smallest_side(geometry, overlap)
    unit = geometry.multiple_of
    asked = geometry.margin if overlap is None else overlap
    return max(least, 3 * (-(-asked // unit) * unit))


def side_for(
    footprint: Footprint, available: int, geometry: Geometry, overlap: int | None = None, line: int = 0
) -> int:
    """Side in pixels of the largest tile, `LARGEST` at most, that fits into so many bytes.

    `line` are bytes held besides for each row of a tile (`line_bytes`). Raises `I2IError` where not even the smallest
    tile that is of use fits.
    """
    unit = geometry.multiple_of
    least = useful_side(geometry, overlap)

    def taken(side: int) -> int:
        return footprint.of(side, side) + line * side

    for side in range(max(LARGEST // unit * unit, least), least - 1, -unit):
        if taken(side) <= available:
            return side
    raise I2IError(
        f"memory: tiles of {least}×{least} pixels, the smallest that are of use, take {spelled(taken(least))} and "
        f"the budget is {spelled(taken(least) - available)} short of it; raise --memory, or take a smaller model"
    )


def _peak(compute: Callable[[int, int], object], side: int, device: torch.device) -> int:
    if device.type != "cuda":
        with LiveBytes() as live:
            compute(side, side)
        return live.peak
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    compute(side, side)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
