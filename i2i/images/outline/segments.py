"""The segments of JPEG files and the blocks of GIF files."""

from __future__ import annotations

import os
import struct

from i2i.images.outline.outline import Outline, Weighed
from i2i.images.outline.tiff import weigh_exif
from i2i.images.watched import Watched

_START_OF_SCAN, _COMMENT, _APPLICATION = 0xDA, 0xFE, range(0xE0, 0xF0)
_EXIF, _EXIF_NAME = 0xE1, b"Exif\0\0"
_ALONE = (0xD8, 0xD9, *range(0xD0, 0xD8))  # markers that no segment follows
_KINDS = {_EXIF: "EXIF and XMP", 0xE2: "colour profile", _COMMENT: "comment"}


def jpeg(file: Watched, weighed: Weighed) -> Outline:
    """Of a JPEG file, up to its first scan (ITU-T T.81, annex B)."""
    file.seek(2)
    exif = list[bytes]()
    while byte := file.read(1):
        if byte != b"\xff":  # junk between segments, which decoders pass over
            continue
        while (marker := file.read(1)) == b"\xff":
            pass
        if not marker or marker[0] == _START_OF_SCAN:
            break
        if marker[0] in (0, *_ALONE):
            continue
        length = struct.unpack(">H", file.read(2))[0]
        if marker[0] in _APPLICATION or marker[0] == _COMMENT:
            weighed.add(_KINDS.get(marker[0], f"APP{marker[0] & 15} segment"), length)
        end = file.tell() + max(0, length - 2)
        if marker[0] == _EXIF and file.read(len(_EXIF_NAME)) == _EXIF_NAME:
            exif.append(file.read(end - file.tell()))
        file.seek(end)
    weigh_exif(b"".join(exif), weighed)
    return Outline()


def gif(file: Watched, weighed: Weighed) -> Outline:
    """Of a GIF file (GIF89a specification, sections 18 to 27)."""
    flags = file.read(13)[10]
    _skip_palette(file, flags)
    while (start := file.read(1)) not in (b"", b";"):
        if start == b",":
            weighed.another_frame()
            flags = file.read(9)[8]
            _skip_palette(file, flags)
            file.seek(1, os.SEEK_CUR)
            _pass_blocks(file)
        elif start == b"!":
            label = file.read(1)
            length = _pass_blocks(file)
            if label == b"\xfe":
                weighed.add("comment", length)
    return Outline(frames=max(1, weighed.frames))


def _skip_palette(file: Watched, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, os.SEEK_CUR)


def _pass_blocks(file: Watched) -> int:
    """How many bytes lie in the blocks up to the empty one."""
    passed = 0
    while (length := file.read(1)) and length[0]:
        file.seek(length[0], os.SEEK_CUR)
        passed += length[0]
    return passed
