"""Contact sheets: many pictures on one white page, for eyes rather than networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from PIL import Image, ImageDraw, ImageFont

from i2i.errors import I2IError

LARGEST_CELL = 256
"""The side, in pixels, that a cell has at most unless one is asked for."""

_SMALLEST_CELL = 96
_INK = "#333333"


def contact_sheet(
    columns: Mapping[str, Sequence[Image.Image]], cell: int | None = None, margin: int = 4
) -> Image.Image:
    """Labelled columns side by side, one picture of each in a row; a shorter column ends in blank cells.

    Every picture is scaled to fit a square of `cell` pixels, its aspect kept: whole multiples repeat pixels, so that
    small pictures stay crisp. Without `cell` it is the largest picture's side, brought between 96 and 256.
    `margin` is the white space between and around cells, in pixels. Raises `I2IError` when there is no picture.
    """
    return _page(list(zip_longest(*columns.values())), list(columns), cell, margin)


def plain_sheet(
    pictures: Sequence[Image.Image], width: int | None = None, cell: int | None = None, margin: int = 4
) -> Image.Image:
    """Pictures in reading order without labels, `width` to a row (without it, about 3 columns to 2 rows).

    `cell` and `margin` as in `contact_sheet`.
    """
    across = width or math.ceil(math.sqrt(len(pictures) * 1.5))
    rows = [pictures[start : start + across] for start in range(0, len(pictures), max(across, 1))]
    return _page(rows, [], cell, margin)


def fit(picture: Image.Image, cell: int) -> Image.Image:
    """`picture` scaled so that its longer side is `cell` pixels."""
    scale = cell / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if scale > 1:
        method = Image.Resampling.NEAREST if scale.is_integer() else Image.Resampling.BICUBIC
    else:
        method = Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((width, height), method)


def _page(
    rows: Sequence[Sequence[Image.Image | None]], labels: Sequence[str], cell: int | None, margin: int
) -> Image.Image:
    sides = [max(picture.size) for row in rows for picture in row if picture is not None]
    if not sides:
        raise I2IError("contact sheet: no pictures to show")
    side = cell or _cell_side(max(sides))
    across = max(len(row) for row in rows)
    header = _header_height(side) if labels else 0
    size = (across * (side + margin) + margin, header + len(rows) * (side + margin) + margin)
    page = Image.new("RGB", size, "white")
    for column, label in enumerate(labels):
        _write_label(page, label, margin + column * (side + margin), header + margin, side)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            if picture is not None:
                shown = fit(picture, side)
                left = margin + column * (side + margin) + (side - shown.width) // 2
                top = header + margin + row * (side + margin) + (side - shown.height) // 2
                page.paste(shown, (left, top))
    return page


def _cell_side(largest: int) -> int:
    """Small pictures are multiplied until they reach 96 pixels, large ones reduced to 256."""
    return min(largest * math.ceil(_SMALLEST_CELL / largest), LARGEST_CELL)


def _font_size(side: int) -> int:
    return min(max(side // 12, 11), 16)


def _header_height(side: int) -> int:
    return round(_font_size(side) * 1.6)


def _write_label(page: Image.Image, label: str, left: int, height: int, side: int) -> None:
    """Centred over the column, the end cut off with an ellipsis where it would run into the next."""
    font = ImageFont.load_default(_font_size(side))
    text = label
    while len(text) > 1 and font.getlength(text) > side:
        text = text[:-2] + "…"
    ImageDraw.Draw(page).text((left + side / 2, height / 2), text, fill=_INK, font=font, anchor="mm")
