"""EXIF as a TIFF structure: made right for another file, and laid out anew."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Any

from i2i.images.fields import LONG, SHORT, Block, Entry, Field, Fields, laid_out

_BEGIN = b"II*\0\x08\0\0\0"
_EXIF, _GPS, RELATED = 0x8769, 0x8825, 0xA005  # lists of fields that a field points at
_ORIENTATION = 0x0112
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128
_WIDTHS, _HEIGHTS = {0x0100, 0xA002, 0x1001}, {0x0101, 0xA003, 0x1002}
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))  # where, and of how many bytes
DESCRIPTIVE = frozenset(
    {0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298, 0x83BB}
    | set(range(0x9C9B, 0x9CA0))
)
"""Fields of a TIFF that tell of the picture and not of how it is stored: title, camera, artist, copyright, …"""
_ROUNDED = 0.01  # formats count in whole pixels an inch, a centimetre or a metre


def mended(exif: bytes) -> bytes:
    """Upright and without a thumbnail. Raises `ValueError` where it is no EXIF."""
    block = Block(exif)
    for entry in block.listed(block.first):
        if entry.tag == _ORIENTATION:
            block.put(entry, SHORT, 1)
    second = block.next_to(block.first)
    block.unlink(block.first)
    upright = bytes(block.bytes)
    if not second:
        return upright
    blanked = _blanked(Block(upright), second)
    return blanked if _names(blanked) == _names(upright) else upright


def sized(exif: bytes, width: int, height: int) -> bytes:
    """With this size, in pixels, wherever a size is told."""
    block = Block(exif)
    first = block.listed(block.first)
    below = block.below(first, _EXIF)
    for entry in first + below + block.below(below, RELATED):
        if entry.tag in _WIDTHS | _HEIGHTS:
            block.put(entry, LONG, width if entry.tag in _WIDTHS else height)
    return bytes(block.bytes)


def told_resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels an inch across and down, where it tells them."""
    block = Block(exif)
    fields = {entry.tag: entry for entry in block.listed(block.first)}
    if not {_ACROSS, _DOWN} <= set(fields):
        return None
    unit = {1: 0.0, 3: 2.54}.get(block.numbers(fields[_UNIT])[0] if _UNIT in fields else 2, 1.0)
    pairs = [struct.unpack("<2I", block.field(fields[tag]).values.ljust(8, b"\0")[:8]) for tag in (_ACROSS, _DOWN)]
    return sane([unit * dots / (length or math.inf) for dots, length in pairs])


def sane(dpi: Any) -> tuple[float, float] | None:
    """Pixels an inch across and down, whatever a file says they are; None where that is no resolution."""
    if isinstance(dpi, str):
        return None
    try:
        across, down = (float(number) for number in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 < across < 65535 and 1 < down < 65535 else None  # Pillow says 1 where none is told


def exif_telling(dpi: tuple[float, float], exif: bytes | None) -> bytes:
    """EXIF that tells the resolution too, for formats that tell it nowhere else.

    What stood in it stays in its place, where a maker's own notes may point at it; damaged EXIF is laid out anew.
    """
    if exif is None:
        return _BEGIN + laid_out(resolution(dpi), len(_BEGIN))
    told = told_resolution(exif) or (0.0, 0.0)
    if all(math.isclose(*pair, rel_tol=_ROUNDED) for pair in zip(told, dpi, strict=True)):
        return exif
    block = Block(exif)
    block.add(resolution(dpi))
    joined = bytes(block.bytes)
    if _beside_resolution(joined) == _beside_resolution(exif):
        return joined
    return _BEGIN + laid_out({**described(exif), **resolution(dpi)}, len(_BEGIN))


def resolution(dpi: tuple[float, float]) -> Mapping[int, Field]:
    """A TIFF's fields that tell it."""
    across, down = (Field(5, struct.pack("<2I", round(1000 * number), 1000)) for number in dpi)
    return {_ACROSS: across, _DOWN: down, _UNIT: Field.of(SHORT, 2)}


def described(exif: bytes) -> Fields:
    """The fields of EXIF that go into a TIFF's own list."""
    block = Block(exif)
    fields: dict[int, Field | Fields] = dict(_carried(block, block.listed(block.first), DESCRIPTIVE))
    for tag in (_EXIF, _GPS):
        if below := block.below(block.listed(block.first), tag):
            inner: dict[int, Field | Fields] = dict(_carried(block, below))
            if tag == _EXIF and (related := _carried(block, block.below(below, RELATED))):
                inner[RELATED] = related
            fields[tag] = inner
    return fields


def _carried(block: Block, entries: list[Entry], tags: frozenset[int] | None = None) -> dict[int, Field]:
    wanted = [entry for entry in entries if entry.size and (entry.tag in tags if tags else entry.tag != RELATED)]
    return {entry.tag: block.field(entry) for entry in wanted}


def _blanked(block: Block, second: int) -> bytes:
    """Zeros where the thumbnail's list of fields and its pixels were; cut off where those were the end."""
    entries, end = block.listed(second), len(block.bytes)
    for where, size in _THUMBNAILS:
        places, sizes = ([n for e in entries if e.tag == tag for n in block.numbers(e)] for tag in (where, size))
        for place, length in zip(places, sizes, strict=False):
            stop = min(place + length, len(block.bytes))
            block.bytes[place:stop] = bytes(max(0, stop - place))
            end = min(end, place) if stop == len(block.bytes) else end
    stop = second + 2 + 12 * len(entries)
    block.bytes[second:stop] = bytes(stop - second)
    return bytes(block.bytes[:end])


def _beside_resolution(exif: bytes) -> list[tuple[int, int]]:
    return sorted(name for name in _names(exif) if name[0] not in (_ACROSS, _DOWN, _UNIT))


def _names(exif: bytes) -> list[tuple[int, int]]:
    """Which fields can be read, to see that none was lost."""
    try:
        block = Block(exif)
    except ValueError:
        return []
    first = block.listed(block.first)
    below = block.below(first, _EXIF)
    every = first + below + block.below(first, _GPS) + block.below(below, RELATED)
    return [(entry.tag, entry.size) for entry in every]
