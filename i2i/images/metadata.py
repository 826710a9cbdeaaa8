"""What a file says of its picture beside the pixels: EXIF, XMP and resolution."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

from i2i.images.fields import LONG, SHORT, Block, Entry, Field, Fields, laid_out

_EXIF, _GPS, _RELATED = 0x8769, 0x8825, 0xA005  # lists of fields that a field points at
_ORIENTATION = 0x0112
_ACROSS, _DOWN, _UNIT = 0x011A, 0x011B, 0x0128
_WIDTHS, _HEIGHTS = {0x0100, 0xA002, 0x1001}, {0x0101, 0xA003, 0x1002}
_THUMBNAILS = ((0x0201, 0x0202), (0x0111, 0x0117))  # where, and of how many bytes
_DESCRIPTIVE = frozenset(
    {0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x4749, 0x8298, 0x83BB}
    | set(range(0x9C9B, 0x9CA0))
)
"""Fields of a TIFF that tell of the picture and not of how it is stored: title, camera, artist, copyright, …"""
_XMP_NUMBER = r"(\b(?:tiff|exif):{}(?:\s*=\s*[\"']|\s*>\s*))\d+"


@dataclass(frozen=True)
class Metadata:
    """What a picture carries from file to file; whatever speaks of how its file was laid out is made right."""

    exif: bytes | None = None
    """A TIFF structure, without `Exif\\0\\0` in front; its orientation is 1 and it holds no thumbnail."""
    xmp: bytes | None = None
    """An XML packet; its orientation is 1 and it holds no thumbnail."""
    dpi: tuple[float, float] | None = None
    """Pixels an inch across and down."""

    def sized(self, width: int, height: int) -> Metadata:
        """With this size wherever a size is told."""
        return replace(self, exif=self.exif and _sized(self.exif, width, height), xmp=self._sized_xmp(width, height))

    def _sized_xmp(self, width: int, height: int) -> bytes | None:
        xmp = self.xmp
        for names, size in (("(?:ImageWidth|PixelXDimension)", width), ("(?:ImageLength|PixelYDimension)", height)):
            xmp = xmp and _numbered(xmp, names, size)
        return xmp


NOTHING = Metadata()


def metadata_of(image: Image.Image) -> Metadata:
    """What a decoded picture says of itself; what is damaged is left out."""
    exif, xmp = _exif_of(image), image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    dpi = _sane(image.info.get("dpi")) or (_told_resolution(exif) if exif else None)
    return Metadata(exif, _mended_xmp(xmp) if isinstance(xmp, bytes) and xmp else None, dpi)


def exif_of_dpi(dpi: tuple[float, float]) -> bytes:
    """EXIF that tells the resolution, for formats that tell it nowhere else."""
    return b"II*\0\x08\0\0\0" + laid_out(resolution(dpi), 8)


def resolution(dpi: tuple[float, float]) -> Fields:
    """A TIFF's fields that tell it."""
    across, down = (Field(5, struct.pack("<2I", round(1000 * number), 1000)) for number in dpi)
    return {_ACROSS: across, _DOWN: down, _UNIT: Field.of(SHORT, 2)}


def described(exif: bytes) -> Fields:
    """The fields of EXIF that go into a TIFF's own list."""
    block = Block(exif)
    fields: dict[int, Field | Fields] = dict(_carried(block, block.listed(block.first), _DESCRIPTIVE))
    for tag in (_EXIF, _GPS):
        if below := block.below(block.listed(block.first), tag):
            inner: dict[int, Field | Fields] = dict(_carried(block, below))
            if tag == _EXIF and (related := _carried(block, block.below(below, _RELATED))):
                inner[_RELATED] = related
            fields[tag] = inner
    return fields


def _carried(block: Block, entries: list[Entry], tags: frozenset[int] | None = None) -> dict[int, Field]:
    wanted = [entry for entry in entries if entry.size and (entry.tag in tags if tags else entry.tag != _RELATED)]
    return {entry.tag: block.field(entry) for entry in wanted}


def _exif_of(image: Image.Image) -> bytes | None:
    try:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            exif: Any = _exif_of_tiff(image)
        else:
            exif = image.info.get("exif") or _exif_in_text(image.info.get("Raw profile type exif"))
        return _mended(re.sub(rb"^(Exif\0\0)+", b"", exif)) if exif else None
    except Exception:  # whatever a damaged block makes of its reader
        return None


def _exif_of_tiff(image: TiffImagePlugin.TiffImageFile) -> bytes | None:
    told, exif = image.getexif(), Image.Exif()
    for tag in _DESCRIPTIVE & set(told):
        exif[tag] = told[tag]
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if below := {key: value for key, value in told.get_ifd(tag).items() if key != _RELATED}:
            exif[tag] = below
    return exif.tobytes() if len(exif) else None


def _exif_in_text(text: object) -> bytes | None:
    """Of a PNG whose writer knew no other place: a name, a length and hexadecimal digits, in lines."""
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else None


def _mended(exif: bytes) -> bytes:
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


def _names(exif: bytes) -> list[tuple[int, int]]:
    """Which fields can be read, to see that none was lost."""
    try:
        block = Block(exif)
    except ValueError:
        return []
    first = block.listed(block.first)
    below = block.below(first, _EXIF)
    every = first + below + block.below(first, _GPS) + block.below(below, _RELATED)
    return [(entry.tag, entry.size) for entry in every]


def _sized(exif: bytes, width: int, height: int) -> bytes:
    block = Block(exif)
    first = block.listed(block.first)
    below = block.below(first, _EXIF)
    for entry in first + below + block.below(below, _RELATED):
        if entry.tag in _WIDTHS | _HEIGHTS:
            block.put(entry, LONG, width if entry.tag in _WIDTHS else height)
    return bytes(block.bytes)


def _told_resolution(exif: bytes) -> tuple[float, float] | None:
    block = Block(exif)
    fields = {entry.tag: entry for entry in block.listed(block.first)}
    if not {_ACROSS, _DOWN} <= set(fields):
        return None
    unit = {1: 0.0, 3: 2.54}.get(block.numbers(fields[_UNIT])[0] if _UNIT in fields else 2, 1.0)
    pairs = [struct.unpack("<2I", block.field(fields[tag]).values.ljust(8, b"\0")[:8]) for tag in (_ACROSS, _DOWN)]
    return _sane([unit * dots / (length or math.inf) for dots, length in pairs])


def _sane(dpi: Any) -> tuple[float, float] | None:
    if isinstance(dpi, str):
        return None
    try:
        across, down = (float(number) for number in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 1 < across < 65535 and 1 < down < 65535 else None  # Pillow says 1 where none is told


def _mended_xmp(xmp: bytes) -> bytes:
    upright = _numbered(xmp.rstrip(b"\0"), "Orientation", 1)
    bare = re.sub(rb"<xmp:Thumbnails\b.*?</xmp:Thumbnails>", b"", upright, flags=re.DOTALL)
    return re.sub(rb"\s*xmpNote:HasExtendedXMP\s*=\s*(\"[^\"]*\"|'[^']*')", b"", bare)


def _numbered(xmp: bytes, names: str, number: int) -> bytes:
    """With a number in place of those of the properties of TIFF and EXIF with these names."""
    return re.sub(_XMP_NUMBER.format(names).encode(), rb"\g<1>%d" % number, xmp)
