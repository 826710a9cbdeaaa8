"""Pictures to measure with: smooth colours with a little noise, which files compress about as photographs."""

from __future__ import annotations

from pathlib import Path

import numpy
from PIL import Image

NOISE = 4.0
"""Levels of 255, standard deviation."""


def drawn(number: int, side: int) -> Image.Image:
    """A square picture, a function of its number and side."""
    chance = numpy.random.default_rng((number, side))
    coarse = Image.fromarray(chance.integers(0, 256, (16, 16, 3), "uint8"))
    smooth = numpy.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), "float32")
    return Image.fromarray(numpy.clip(smooth + chance.normal(0, NOISE, smooth.shape), 0, 255).astype("uint8"))


def draw(folder: Path, count: int, side: int, suffix: str = ".jpg") -> list[Path]:
    """So many files `00000.jpg`, … in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number:05}{suffix}" for number in range(count)]
    for number, path in enumerate(paths):
        drawn(number, side).save(path)
    return paths
