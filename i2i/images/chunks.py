"""The chunks that a PNG file is made of."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and its checksum (PNG specification, third edition, 5.3)."""
    return b"".join([struct.pack(">I", len(body)), name, body, struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))])


def picture_header(width: int, height: int, bits: int, channels: int) -> bytes:
    """The body of the first chunk, `IHDR`: the picture's size in pixels, bits of a level, and 1 to 4 channels."""
    return struct.pack(">IIBB3x", width, height, bits, _COLOUR_TYPES[channels])
