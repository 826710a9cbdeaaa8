"""The boxes of AVIF, HEIC and JPEG 2000 files."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from i2i.images.outline.outline import Outline, Weighed
from i2i.images.outline.tiff import weigh_exif
from i2i.images.watched import Watched

_HELD = {b"meta": "description", b"moov": "description", b"jp2h": "header"}
"""Boxes that decoders hold and take apart."""
_KINDS = {b"Exif": "EXIF", b"mime": "XMP"}


def boxes(file: Watched, weighed: Weighed) -> Outline:
    """Of a file of boxes (ISO/IEC 14496-12; 15444-1, annex I). The size is that of its largest picture."""
    size = (0, 0)
    for name, length in _walk(file):
        if name in _HELD:
            weighed.add(_HELD[name], length)
        if name == b"meta":
            content = dict(_children(file.read(length)[4:]))
            size = _weigh_properties(content.get(b"iprp", b""), weighed)
            _weigh_items(file, content, weighed)
    return Outline(*size)


def _walk(file: Watched | io.BytesIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of each box, with the file at its content."""
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        length -= 8
        if length == -7:
            length = struct.unpack(">Q", file.read(8))[0] - 16
        if length < 0:  # up to the end of the file, or damaged
            return
        end = file.tell() + length
        yield name, length
        file.seek(end)


def _weigh_properties(iprp: bytes, weighed: Weighed) -> tuple[int, int]:
    """The size of the largest picture that is described; colour profiles are added up."""
    largest = (0, 0)
    for name, body in _children(dict(_children(iprp)).get(b"ipco", b"")):
        if name == b"colr":
            weighed.add("colour profile", len(body))
        elif name == b"ispe":
            width, height = struct.unpack(">II", body[4:12])
            largest = max(largest, (width, height), key=lambda size: size[0] * size[1])
    return largest


def _weigh_items(file: Watched, content: dict[bytes, bytes], weighed: Weighed) -> None:
    """Adds up the metadata that lies elsewhere in the file."""
    kinds = _item_kinds(content.get(b"iinf", b""))
    for item, place, length in _item_places(content.get(b"iloc", b"")):
        kind = kinds.get(item, b"")
        if kind in _KINDS:
            weighed.add(_KINDS[kind], length)
        if kind == b"Exif":
            file.seek(place)
            start = int.from_bytes(file.read(4), "big")  # how far the TIFF header is behind these four bytes
            weigh_exif(file.read(min(length, weighed.file_bytes))[start:], weighed)


def _children(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    stream = io.BytesIO(body)
    for name, length in _walk(stream):
        yield name, stream.read(length)


def _item_kinds(body: bytes) -> dict[int, bytes]:
    """The kind of each item of an `iinf` box, by its number."""
    kinds = {}
    for name, entry in _children(body[6 if body[:1] == b"\0" else 8 :]):
        if name == b"infe" and entry[:1] in (b"\2", b"\3"):
            form = ">HH4s" if entry[0] == 2 else ">IH4s"
            number, _, kind = struct.unpack_from(form, entry, 4)
            kinds[number] = kind
    return kinds


def _item_places(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, place in the file and length of each piece of each item of an `iloc` box (ISO/IEC 14496-12, 8.11.3)."""
    if not body:
        return
    stream, version = io.BytesIO(body), body[0]

    def number(size: int) -> int:
        return int.from_bytes(stream.read(size), "big")

    stream.seek(4)
    sizes = number(2)
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(min(number(2 if version < 2 else 4), len(body))):
        item = number(2 if version < 2 else 4)
        number(4 if version else 2)  # how it is laid out, and in which file
        begin = number(base)
        for _ in range(min(number(2), len(body) - stream.tell())):
            number(index if version else 0)
            yield item, begin + number(offset), number(length)
