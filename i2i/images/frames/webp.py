"""The frames of an animated WebP file: how long each is shown, and how they are written."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from i2i.errors import BrokenPicture
from i2i.images.frames.patches import Patch
from i2i.images.frames.sequence import FrameLost, Frames, Layout

_PROFILE, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_AS_IT_IS = 2  # a frame replaces what was in its rectangle, transparency and all, and stays
_LONGEST = 2**24 - 1  # milliseconds
_MOST = 65535  # repetitions
_LARGEST = 2**32 - 10  # bytes behind the length
_OF_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")


def webp_layout(file: IO[bytes]) -> Layout:
    """Of an animated WebP file (RFC 9649, section 2.7). Raises `FrameLost` where the file ends within a frame."""
    end = file.seek(0, os.SEEK_END)
    durations, loop = list[int](), 0
    for name, place, length in _chunks(file):
        if name == b"ANIM":
            loop = struct.unpack("<H", file.read(6)[4:])[0]
        elif name == b"ANMF":
            if place + length > end:
                raise FrameLost(len(durations) + 1)
            durations.append(int.from_bytes(file.read(15)[12:], "little"))
    return Layout(Frames(len(durations), tuple(durations), loop), (0, 0))


def write_webp(
    stills: Iterable[tuple[Patch, bytes]],
    frames: Frames,
    file: IO[bytes],
    path: Path,
    alpha: bool,
    profile: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
) -> None:
    """Write an animated WebP of one-picture WebP files, each of the rectangle that changes, the first in full.

    The corners of the rectangles lie at even places. Raises `BrokenPicture` where it becomes larger than a WebP may be.
    """
    file.write(struct.pack("<4sI4s", b"RIFF", 0, b"WEBP"))  # the length is known at the end
    for number, (patch, still) in enumerate(stills):
        if number == 0:
            told = ((_PROFILE, profile), (_ALPHA, alpha), (_EXIF, exif), (_XMP, xmp))
            flags = sum((flag for flag, given in told if given), _ANIMATION)
            _write(file, b"VP8X", struct.pack("<I", flags) + _sides(patch.width - 1, patch.height - 1))
            if profile:
                _write(file, b"ICCP", profile)
            _write(file, b"ANIM", struct.pack("<IH", 0, min(_MOST, frames.loop)))
        place = _sides(patch.left // 2, patch.top // 2, patch.width - 1, patch.height - 1)
        shown = min(_LONGEST, frames.durations[number]).to_bytes(3, "little")
        _write(file, b"ANMF", place + shown + bytes([_AS_IT_IS]) + _pixels(still))
    for name, block in ((b"EXIF", exif), (b"XMP ", xmp)):
        if block:
            _write(file, name, block)
    length = file.tell() - 8
    if length > _LARGEST:
        raise BrokenPicture(str(path), "cannot be written (more than the 4 GiB of a WebP)")
    file.seek(4)
    file.write(struct.pack("<I", length))


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk's body, with the file there."""
    place = 12
    while file.seek(place) == place and len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        yield name, place + 8, length
        place += 8 + length + length % 2


def _pixels(still: bytes) -> bytes:
    place, held = 12, b""
    while place < len(still):
        name, length = struct.unpack_from("<4sI", still, place)
        end = place + 8 + length + length % 2
        if name in _OF_PIXELS:
            held += still[place:end]
        place = end
    return held


def _sides(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)


def _write(file: IO[bytes], name: bytes, body: bytes) -> None:
    file.write(struct.pack("<4sI", name, len(body)) + body + bytes(len(body) % 2))
