"""The chunks of PNG and WebP files."""

from __future__ import annotations

import os
import struct

from i2i.images.outline.outline import Outline, Weighed
from i2i.images.outline.tiff import weigh_exif
from i2i.images.watched import Watched

_CHUNK = 12  # bytes of length, name and checksum
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_KINDS = {b"iCCP": "colour profile", b"eXIf": "EXIF"} | dict.fromkeys(_TEXTS, "text")
_WEBP_KINDS = {b"ICCP": "colour profile", b"EXIF": "EXIF", b"XMP ": "XMP"}


def png(file: Watched, weighed: Weighed) -> Outline:
    """Of a PNG or APNG file (PNG specification, third edition, sections 5 and 11)."""
    file.seek(8)
    late, frames, after_pixels = b"", 1, False
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            break
        if name in (b"IDAT", b"fdAT"):
            after_pixels = True
        else:
            other = f"{name.decode()} chunk" if name.isalpha() else "nameless chunk"
            weighed.add(_PNG_KINDS.get(name, other), length + _CHUNK)
        if name == b"acTL" and length >= 4:
            frames, length = struct.unpack(">I", file.read(4))[0], length - 4
        body = file.read(length) if name == b"eXIf" or (after_pixels and name in _TEXTS) else b""
        if name == b"eXIf":
            weigh_exif(body, weighed)
        if after_pixels and body:
            late += head + body + file.read(4)
        else:
            file.seek(length - len(body) + 4, os.SEEK_CUR)
    return Outline(frames=frames, late=late)


def webp(file: Watched, weighed: Weighed) -> Outline:
    """Of a WebP file (RFC 9649)."""
    size = _webp_size(file.read(30))
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == b"ANMF":
            weighed.another_frame()
        elif name in _WEBP_KINDS:
            weighed.add(_WEBP_KINDS[name], length)
        end = file.tell() + length + length % 2
        if name == b"EXIF":
            weigh_exif(file.read(length), weighed)
        file.seek(end)
    return Outline(*size, frames=max(1, weighed.frames))


def _webp_size(start: bytes) -> tuple[int, int]:
    """Width and height of the canvas, which its decoder makes before it decodes anything."""
    name, body = start[12:16], start[20:]
    if name == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if name == b"VP8L":
        sides = int.from_bytes(body[1:5], "little")
        return (sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", body[6:10])
    return width & 0x3FFF, height & 0x3FFF
