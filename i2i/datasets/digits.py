"""The offline demo: two unpaired domains of drawn digits, white on black and yellow on blue stripes."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import numpy
from PIL import Image, ImageDraw, ImageFont

from i2i.errors import I2IError, UsageError
from i2i.images.encode import write_picture

DOMAINS = ("white", "yellow")

SMALLEST_SIZE = 16
"""Pixels a side; below it a digit cannot be told from another."""

_OVERSAMPLING = 4
_TILT = 12.0  # degrees either way: far from where a 6 could be a 9


def make_digits(folder: Path, count: int, size: int = 32, seed: int = 0) -> None:
    """Draw `count` pictures of each domain, `size` pixels a side, into `folder/white` and `folder/yellow`.

    Picture i of a domain is a function of (seed, domain, i) alone; every ten in turn hold each digit once, in an order
    of the domain's own. `folder/labels.csv` says which (`file,label`). Files of the same names are written over.
    Raises `UsageError` when `folder` is a file, `size` is below 16 or `count` below 1.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; a folder is needed to hold the digits")
    if size < SMALLEST_SIZE or count < 1:
        raise UsageError(f"digits: at least 1 picture of at least {SMALLEST_SIZE} pixels, found {count} of {size}")
    labels = [("file", "label")]
    for domain_number, domain in enumerate(DOMAINS):
        for index in range(count):
            name = f"{domain}/{index:05d}.png"
            label = _label(seed, domain_number, index)
            rng = numpy.random.default_rng([seed, domain_number, index])
            write_picture(draw_digit(domain, label, size, rng), folder / name)
            labels.append((name, str(label)))
    _write_labels(folder / "labels.csv", labels)


def draw_digit(domain: str, label: int, size: int, rng: numpy.random.Generator) -> Image.Image:
    """One RGB picture, `size` pixels a side, of the digit `label` in the manner of `domain`, `white` or `yellow`.

    Height, place, tilt (within 12°) and stroke vary with `rng`; so do, for `yellow`, the shades and the stripes.
    """
    side = size * _OVERSAMPLING
    shape = _digit_shape(label, side, rng)
    if domain == "white":
        ink, ground = (255, 255, 255), Image.new("RGB", (side, side), "black")
    elif domain == "yellow":
        ink, ground = _yellow(rng), _blue_stripes(side, rng)
    else:
        raise UsageError(f"digits: no such domain: {domain!r} (one of {', '.join(DOMAINS)})")
    ground.paste(ink, mask=shape)
    return ground.reduce(_OVERSAMPLING)


def _label(seed: int, domain_number: int, index: int) -> int:
    turn, place = divmod(index, 10)
    order = numpy.random.default_rng([seed, domain_number, turn, 10]).permutation(10)
    return int(order[place])


def _digit_shape(label: int, side: int, rng: numpy.random.Generator) -> Image.Image:
    """Coverage, mode L: the digit upright or nearly so, wholly inside a thin border."""
    height = side * rng.uniform(0.58, 0.8)
    font = ImageFont.load_default(round(height / 0.74))  # the font's digits are 0.74 of its size high
    stroke = side / 32 * rng.uniform(0, 0.7)
    board = Image.new("L", (2 * side, 2 * side))
    ImageDraw.Draw(board).text((side, side), str(label), fill=255, font=font, anchor="mm", stroke_width=stroke)
    tilted = board.rotate(rng.uniform(-_TILT, _TILT), Image.Resampling.BICUBIC)
    glyph = tilted.crop(tilted.getbbox())
    border = side // 32
    glyph.thumbnail((side - 2 * border, side - 2 * border))
    left = rng.integers(border, side - border - glyph.width, endpoint=True)
    top = rng.integers(border, side - border - glyph.height, endpoint=True)
    shape = Image.new("L", (side, side))
    shape.paste(glyph, (int(left), int(top)))
    return shape


def _yellow(rng: numpy.random.Generator) -> tuple[int, int, int]:
    red, green, blue = rng.integers((235, 200, 0), (256, 236, 70))
    return int(red), int(green), int(blue)


def _blue_stripes(side: int, rng: numpy.random.Generator) -> Image.Image:
    """Two blues in turn, the stripes about an eighth to a quarter of the picture wide, in any direction."""
    period = side * rng.uniform(0.2, 0.34)
    angle, phase = rng.uniform(0, math.pi), rng.uniform(0, 1)
    across, down = numpy.meshgrid(numpy.arange(side), numpy.arange(side))
    position = (across * math.cos(angle) + down * math.sin(angle)) / period + phase
    dark = rng.integers((0, 20, 90), (20, 50, 140))
    light = rng.integers((40, 100, 190), (80, 140, 240))
    pixels = numpy.where((position % 1 < 0.5)[..., None], dark, light)  # (side, side, 3)
    return Image.fromarray(pixels.astype(numpy.uint8))


def _write_labels(path: Path, rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    try:
        path.write_text(text.getvalue(), encoding="utf-8")
    except OSError as problem:
        raise I2IError(f"{path}: cannot be written ({str(problem.strerror).lower()})") from problem
