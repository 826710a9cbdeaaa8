"""Files of rows that go to the disk as they come: PNG, TIFF, PGM and PPM."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol

import numpy
from numpy.typing import NDArray

from i2i.images.chunks import SIGNATURE, chunk, picture_header
from i2i.images.exif import described, resolution
from i2i.images.fields import LONG, LONG8, SHORT, UNDEFINED, Field, Fields, laid_out
from i2i.images.holding import Held

Rows = NDArray[Any]
"""(h, W, C), uint8 or uint16."""
LARGEST_TIFF = 2**32 - 2**26
"""Bytes of pixels, leaving room for the rest; beyond that, places need 8 bytes: BigTIFF."""
_LEVEL = 1  # of zlib; on photographs level 3 takes two thirds longer and saves a thirtieth
_STRIP = 1 << 20  # bytes of a TIFF, before they are deflated
_BY_DIFFERENCES = 2


class RowWriter(Protocol):
    """Writes rows from the top."""

    def write(self, rows: Rows) -> None:
        """Write the next ones."""

    def finish(self) -> None:
        """Write what comes after the last."""


def takes_rows(held: Held) -> bool:
    """Whether such a file can be written by rows."""
    return held.format.name in _WRITERS and held.suffix != ".pbm"


def writer_for(stream: BinaryIO, held: Held) -> RowWriter:
    """What writes such a file by rows."""
    return _WRITERS[held.format.name](stream, held)


class PngRows:
    """A PNG. Each row is its difference from the one above (PNG specification, 9.2): the filter numpy is fastest at."""

    def __init__(self, stream: BinaryIO, held: Held) -> None:
        self.stream, self.deflate = stream, zlib.compressobj(_LEVEL)
        self.above = numpy.zeros((1, held.width * held.channels * held.bits // 8), numpy.uint8)
        stream.write(SIGNATURE)
        self._chunk(b"IHDR", picture_header(held.width, held.height, held.bits, held.channels))
        if held.profile:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(held.profile))
        if held.metadata.dpi:
            self._chunk(b"pHYs", struct.pack(">IIB", *(round(dots / 0.0254) for dots in held.metadata.dpi), 1))
        if held.metadata.exif:
            self._chunk(b"eXIf", held.metadata.exif)
        if held.metadata.xmp:
            self._chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + held.metadata.xmp)

    def write(self, rows: Rows) -> None:
        """Write the next ones."""
        levels = rows.astype(">u2", copy=False) if rows.dtype == numpy.uint16 else rows
        flat = levels.view(numpy.uint8).reshape(len(rows), -1)
        coded = numpy.empty((len(flat), 1 + flat.shape[1]), numpy.uint8)
        coded[:, 0] = 2  # the filter's number begins each row
        numpy.subtract(flat[:1], self.above, out=coded[:1, 1:])
        numpy.subtract(flat[1:], flat[:-1], out=coded[1:, 1:])
        self.above = flat[-1:].copy()
        self._pixels(self.deflate.compress(coded.data))

    def finish(self) -> None:
        """Write what comes after the last."""
        self._pixels(self.deflate.flush())
        self._chunk(b"IEND", b"")

    def _pixels(self, packed: bytes) -> None:
        if packed:
            self._chunk(b"IDAT", packed)

    def _chunk(self, kind: bytes, body: bytes) -> None:
        self.stream.write(chunk(kind, body))


class TiffRows:
    """A TIFF in deflated strips of differences from the left (TIFF 6.0, section 14), BigTIFF where it is too large."""

    def __init__(self, stream: BinaryIO, held: Held) -> None:
        self.stream, self.held = stream, held
        row = held.width * held.channels * held.bits // 8
        self.big, self.rows_of_strip = row * held.height > LARGEST_TIFF, max(1, _STRIP // row)
        self.waiting: list[Rows] = []
        self.places: list[int] = []
        self.sizes: list[int] = []
        stream.write(bytes(16))  # the header, known at the end

    def write(self, rows: Rows) -> None:
        """Write the next ones."""
        self.waiting.append(rows)
        if sum(map(len, self.waiting)) < self.rows_of_strip:
            return
        together = numpy.concatenate(self.waiting)
        whole = len(together) - len(together) % self.rows_of_strip
        for top in range(0, whole, self.rows_of_strip):
            self._strip(together[top : top + self.rows_of_strip])
        self.waiting = [together[whole:].copy()] if whole < len(together) else []

    def finish(self) -> None:
        """Write what comes after the last."""
        if self.waiting:
            self._strip(numpy.concatenate(self.waiting))
        end = self.stream.tell()
        self.stream.write(bytes(end % 2))
        self.stream.write(laid_out(self._fields(), end + end % 2, self.big))
        self.stream.seek(0)
        place = end + end % 2
        self.stream.write(
            struct.pack("<2sHHHQ", b"II", 43, 8, 0, place) if self.big else struct.pack("<2sHI", b"II", 42, place)
        )

    def _strip(self, rows: Rows) -> None:
        levels = rows.astype(f"<u{rows.dtype.itemsize}", copy=True)
        levels[:, 1:] -= rows[:, :-1]
        packed = zlib.compress(levels.data, _LEVEL)
        self.places.append(self.stream.tell())
        self.sizes.append(len(packed))
        self.stream.write(packed)

    def _fields(self) -> Fields:
        held, place = self.held, LONG8 if self.big else LONG
        fields: dict[int, Field | Fields] = {}
        if held.metadata.exif:
            fields |= described(held.metadata.exif)
        if held.metadata.dpi:
            fields |= resolution(held.metadata.dpi)
        fields |= {
            256: Field.of(LONG, held.width), 257: Field.of(LONG, held.height),
            258: Field.of(SHORT, *[held.bits] * held.channels), 259: Field.of(SHORT, 8),
            262: Field.of(SHORT, 1 if held.channels <= 2 else 2), 273: Field.of(place, *self.places),
            277: Field.of(SHORT, held.channels), 278: Field.of(LONG, self.rows_of_strip),
            279: Field.of(place, *self.sizes), 317: Field.of(SHORT, _BY_DIFFERENCES),
        }  # fmt: skip
        if held.channels in (2, 4):
            fields[338] = Field.of(SHORT, 2)  # the last is alpha, and colours are not multiplied with it
        if held.metadata.xmp:
            fields[700] = Field(1, held.metadata.xmp)
        if held.profile:
            fields[34675] = Field(UNDEFINED, held.profile)
        return fields


class PortableRows:
    """A PGM or PPM."""

    def __init__(self, stream: BinaryIO, held: Held) -> None:
        self.stream = stream
        kind, white = 5 if held.channels == 1 else 6, 2**held.bits - 1
        stream.write(b"P%d %d %d %d\n" % (kind, held.width, held.height, white))

    def write(self, rows: Rows) -> None:
        """Write the next ones."""
        self.stream.write((rows.astype(">u2") if rows.dtype == numpy.uint16 else rows).data)

    def finish(self) -> None:
        """Nothing comes after the last."""


_WRITERS: Mapping[str, Callable[[BinaryIO, Held], RowWriter]] = {
    "PNG": PngRows,
    "PPM": PortableRows,
    "TIFF": TiffRows,
}
