"""Levels of 16 bits, of which Pillow reads those of grey pictures alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO, Any, cast

import numpy
from numpy.typing import NDArray
from PIL import ImageFile

from i2i.images.decode import upright
from i2i.images.limits import LIMITS, Limits
from i2i.images.reading import decoding

Levels16 = NDArray[numpy.uint16]

WHITE = 65535
_OTHER_END = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LAYOUTS = {f"{colours};16{end}" for colours in ("RGB", "RGBA", "R", "G", "B") for end in _OTHER_END}
_GREY_AND_ALPHA = "LA;16B"


def holds_deep_grey(image: ImageFile.ImageFile) -> bool:
    """Whether an opened, not yet decoded file is of 16-bit greys with alpha, which Pillow takes for colours."""
    return {_rawmode(tile) for tile in image.tile} == {_GREY_AND_ALPHA}


def deep_colour(path: Path, image: ImageFile.ImageFile, limits: Limits = LIMITS) -> Levels16 | None:
    """(H, W, C) of an opened, not yet decoded file of 16-bit levels: RGB, RGBA or grey and alpha; upright.

    None where the file is of another kind; then `image` is as it was.
    """
    if image.tile[0].codec_name == "ppm":
        return _portable(image)
    levels = _in_bytes(path, image, limits)
    return None if levels is None else _with_transparent_colour(levels, image)


def _portable(image: ImageFile.ImageFile) -> Levels16:
    """Of a PPM, whose levels Pillow brings to 8 bits."""
    _, _, start, (_, white) = cast("tuple[Any, Any, int, tuple[str, int]]", image.tile[0])
    width, height = image.size
    stream = cast("IO[bytes]", image.fp)
    stream.seek(start)
    stored = stream.read(6 * width * height)
    if len(stored) < 6 * width * height:
        raise EOFError
    levels = numpy.frombuffer(stored, ">u2").reshape(height, width, 3)
    scaled = levels if white == WHITE else numpy.rint(levels.clip(0, white) * (WHITE / white))
    return scaled.astype(numpy.uint16)


def _in_bytes(path: Path, image: ImageFile.ImageFile, limits: Limits) -> Levels16 | None:
    """Pillow keeps one byte of each level, the first or the second, as the layout that it is told says.

    The file is decoded once for each.
    """
    tiles = list(image.tile)
    if holds_deep_grey(image):  # the two bytes of two levels are four channels
        image.tile = [_laid_out(tile, "RGBA") for tile in tiles]
        return numpy.asarray(upright(image)).view(">u2").astype(numpy.uint16)
    if not {_rawmode(tile) for tile in tiles} <= _LAYOUTS:
        return None
    with decoding(path, limits) as again:
        again.tile = [_laid_out(tile, _rawmode(tile)[:-1] + _OTHER_END[_rawmode(tile)[-1]]) for tile in tiles]
        low = numpy.asarray(upright(again))
    high = numpy.asarray(upright(image)).astype(numpy.uint16)
    return high << 8 | low


def _with_transparent_colour(levels: Levels16, image: ImageFile.ImageFile) -> Levels16:
    """RGBA where a file of RGB calls one colour transparent."""
    transparent = image.info.get("transparency")
    if levels.shape[2] != 3 or not isinstance(transparent, tuple):
        return levels
    opaque = (levels != transparent).any(axis=-1, keepdims=True)
    return numpy.concatenate([levels, opaque * numpy.uint16(WHITE)], axis=-1)


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _laid_out(tile: Any, rawmode: str) -> Any:
    return tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))
