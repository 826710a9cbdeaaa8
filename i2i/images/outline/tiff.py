"""The directories of TIFF files."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from dataclasses import dataclass

from i2i.images.outline.outline import Outline, Weighed
from i2i.images.watched import Watched

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes of a value, by type."""
_TEXTS = (1, 2, 7)  # types whose values stay bytes; each value of the others becomes an object
_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS and interoperability: tags whose values are places of more tags
_KINDS = {700: "XMP", 34675: "colour profile", 34377: "Photoshop data"}
_FEW = 64  # values that need no weighing: there are at most 65,535 tags


@dataclass(frozen=True)
class _Layout:
    """How numbers lie in this file: of 32 bits, or of 64 in a BigTIFF."""

    head: struct.Struct
    entry: struct.Struct
    word: struct.Struct

    @classmethod
    def of(cls, start: bytes) -> _Layout:
        order = "<" if start[:2] == b"II" else ">"
        forms = ("Q", "HHQ8s", "Q") if 43 in start[2:4] else ("H", "HHI4s", "I")
        return cls(*(struct.Struct(order + form) for form in forms))

    def number(self, file: Watched | io.BytesIO) -> int:
        """The next place in the file."""
        found: int = self.word.unpack(file.read(self.word.size))[0]
        return found


def tiff(file: Watched, weighed: Weighed) -> Outline:
    """Of a TIFF or BigTIFF file (TIFF 6.0, section 2): every directory, its pages' EXIF directories too."""
    return Outline(frames=_pages(file, weighed, as_metadata=True))


def weigh_exif(block: bytes, weighed: Weighed) -> None:
    """Look through an EXIF block, which is laid out as a TIFF file. Raises `BeyondLimits`; damage is passed over."""
    with suppress(struct.error, OSError, OverflowError):
        inside = io.BytesIO(block.removeprefix(b"Exif\0\0"))
        _pages(inside, Weighed(weighed.limits, len(block)), as_metadata=False)


def _pages(file: Watched | io.BytesIO, weighed: Weighed, as_metadata: bool) -> int:
    """How many directories follow each other; each is weighed, as are those below it."""
    layout = _Layout.of(file.read(4))
    file.seek(layout.word.size)
    place, seen = layout.number(file), set[int]()
    while place and place not in seen:
        seen.add(place)
        weighed.another_frame()
        page = Weighed(weighed.limits, weighed.file_bytes)
        below = _weigh_directory(file, layout, place, page, as_metadata)
        place = layout.number(file)
        with suppress(struct.error, OSError):
            for directory in below:
                for deeper in _weigh_directory(file, layout, directory, page, as_metadata):
                    _weigh_directory(file, layout, deeper, page, as_metadata)
    return weighed.frames


def _weigh_directory(
    file: Watched | io.BytesIO, layout: _Layout, place: int, weighed: Weighed, as_metadata: bool
) -> list[int]:
    """Where the directories below this one are; the file is left at its end."""
    file.seek(place)
    length = layout.head.unpack(file.read(layout.head.size))[0] * layout.entry.size
    if as_metadata:
        weighed.add("tag directory", length)
    entries = file.read(min(length, weighed.file_bytes))
    below = []
    whole = len(entries) // layout.entry.size * layout.entry.size
    for tag, kind, number, value in layout.entry.iter_unpack(entries[:whole]):
        size = number * _SIZES.get(kind, 0)
        if number > _FEW and kind not in _TEXTS and 0 < size <= weighed.file_bytes:
            weighed.add_numbers(tag, number)
        if number > _FEW and as_metadata:
            weighed.add(_KINDS.get(tag) or f"tag {tag}", size)
        if tag in _DIRECTORIES:
            below.append(layout.word.unpack_from(value)[0])
    return [place for place in below if place]
