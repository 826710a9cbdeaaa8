"""Levels of 16 bits, of which Pillow reads and writes those of grey pictures alone."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from i2i.images.decode import decoding, upright

Levels16 = NDArray[numpy.uint16]

WHITE = 65535
LARGEST_TIFF = 2**32 - 1024
"""Bytes of pixels and profile, leaving room for the rest."""
_OTHER_END = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_LAYOUTS = {f"{colours};16{end}" for colours in ("RGB", "RGBA", "R", "G", "B") for end in _OTHER_END}
_BITS_PER_SAMPLE = 258
_ROWS = 256  # of a PNG, filtered at a time


def stored_bits(image: ImageFile.ImageFile) -> int:
    """Bits of a level in the file behind an opened, not yet decoded colour picture; 8 where it has no more."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,)))
    for codec, _, _, layout in image.tile:
        if codec.startswith("ppm") and isinstance(layout, tuple):
            return 16 if layout[1] > 255 else 8
        return 16 if ";16" in str(layout) else 8
    return 8


def deep_colour(path: Path, image: ImageFile.ImageFile) -> Levels16 | None:
    """(H, W, C) of an opened, not yet decoded file of 16-bit levels: RGB, RGBA or grey and alpha; upright.

    None where the file is of another kind; then `image` is as it was. Pillow keeps one byte of each level, the first
    or the second, as the layout that it is told says: the file is decoded once for each.
    """
    tiles = list(image.tile)
    layouts = {_rawmode(tile) for tile in tiles}
    if layouts == {"LA;16B"}:  # the two bytes of two levels are four channels
        image.tile = [_laid_out(tile, "RGBA") for tile in tiles]
        return numpy.asarray(upright(image)).view(">u2").astype(numpy.uint16)
    if not layouts <= _LAYOUTS:
        return None
    with decoding(path) as again:
        again.tile = [_laid_out(tile, _rawmode(tile)[:-1] + _OTHER_END[_rawmode(tile)[-1]]) for tile in tiles]
        low = numpy.asarray(upright(again))
    high = numpy.asarray(upright(image)).astype(numpy.uint16)
    return high << 8 | low


def png(levels: Levels16, profile: bytes | None = None) -> bytes:
    """A PNG file of (H, W, C): grey, grey and alpha, RGB or RGBA, in the meaning of an ICC profile or in sRGB."""
    height, width, channels = levels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    parts = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))]
    if profile:
        parts.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    packer = zlib.compressobj(4)
    parts += [_chunk(b"IDAT", packer.compress(rows)) for rows in _filtered(levels)]
    return b"".join([*parts, _chunk(b"IDAT", packer.flush()), _chunk(b"IEND", b"")])


def tiff(levels: Levels16, profile: bytes | None = None) -> bytes:
    """A TIFF file of (H, W, C), uncompressed: grey, RGB or RGBA (grey with alpha becomes RGBA: few can read it)."""
    if levels.shape[2] == 2:
        levels = levels[:, :, [0, 0, 0, 1]]
    height, width, channels = levels.shape
    pixels, start = levels.astype("<u2").tobytes(), 8
    if len(pixels) + len(profile or b"") > LARGEST_TIFF:
        raise ValueError("larger than the 4 GiB that a TIFF holds")
    fields = {
        256: (4, [width]), 257: (4, [height]), _BITS_PER_SAMPLE: (3, [16] * channels), 259: (3, [1]),
        262: (3, [1 if channels == 1 else 2]), 273: (4, [start]), 277: (3, [channels]), 278: (4, [height]),
        279: (4, [len(pixels)]),
    }  # fmt: skip
    if channels == 4:
        fields[338] = (3, [2])  # the fourth is alpha, and colours are not multiplied with it
    if profile:
        fields[34675] = (7, list(profile))
    return struct.pack("<2sHI", b"II", 42, start + len(pixels)) + pixels + _directory(fields, start + len(pixels))


def portable(levels: Levels16, profile: bytes | None = None) -> bytes:
    """A PGM or PPM file of (H, W, C): grey or RGB; it has no place for a profile."""
    height, width, channels = levels.shape
    return b"P%d %d %d %d\n" % (5 if channels == 1 else 6, width, height, WHITE) + levels.astype(">u2").tobytes()


def _rawmode(tile: Any) -> str:
    return str(tile.args if isinstance(tile.args, str) else tile.args[0])


def _laid_out(tile: Any, rawmode: str) -> Any:
    return tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:]))


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _filtered(levels: Levels16) -> Iterator[bytes]:
    """Each row as its differences from what Paeth's predictor makes of its neighbours (PNG specification, 9.4)."""
    height, width, channels = levels.shape
    step = 2 * channels
    above = numpy.zeros((1, width * step), numpy.uint8)
    for top in range(0, height, _ROWS):
        rows = levels[top : top + _ROWS].astype(">u2").view(numpy.uint8).reshape(-1, width * step)
        upper = numpy.concatenate([above, rows[:-1]])
        left, corner = (numpy.pad(part, ((0, 0), (step, 0)))[:, : width * step] for part in (rows, upper))
        coded = numpy.full((len(rows), 1 + width * step), 4, numpy.uint8)  # the filter's number begins each row
        coded[:, 1:] = rows - _nearest(left, upper, corner)
        above = rows[-1:]
        yield coded.tobytes()


def _nearest(left: NDArray[Any], upper: NDArray[Any], corner: NDArray[Any]) -> NDArray[Any]:
    """Which of the three is nearest to left + upper − corner, in this order where two are."""
    a, b, c = (part.astype(numpy.int16) for part in (left, upper, corner))
    to_left, to_upper, to_corner = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    other = numpy.where(to_upper <= to_corner, upper, corner)
    return numpy.where((to_left <= to_upper) & (to_left <= to_corner), left, other)


def _directory(fields: dict[int, tuple[int, list[int]]], place: int) -> bytes:
    """A TIFF's list of fields as it stands at `place`, with the values that do not fit into it behind."""
    entries, behind = [], b""
    after = place + 2 + 12 * len(fields) + 4
    for tag, (kind, values) in sorted(fields.items()):
        packed = struct.pack(f"<{len(values)}{ {3: 'H', 4: 'I', 7: 'B'}[kind] }", *values)
        if len(packed) > 4:
            packed, behind = struct.pack("<I", after + len(behind)), behind + packed + b"\0" * (len(packed) % 2)
        entries.append(struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0"))
    return struct.pack("<H", len(entries)) + b"".join(entries) + b"\0\0\0\0" + behind
