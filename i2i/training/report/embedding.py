"""Pictures of a run folder as parts of its report: small enough, and encoded once."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from i2i.pages.pictures import data_url

LARGEST = 100_000_000
"""Pixels of a picture that is worth decoding for a report."""
CRISP = 160
"""Side in pixels up to which a picture is kept exactly, if it may be that large."""
LADDER = (
    (1280, 85),
    (1280, 72),
    (1024, 70),
    (800, 65),
    (640, 60),
    (480, 55),
    (320, 50),
    (200, 40),
    (120, 30),
    (64, 20),
)
"""Sides in pixels and qualities of WebP, tried in turn."""
HOPELESS = 1.5
"""How many times as large as allowed a picture must seem for a rung not to be tried."""


@dataclass(frozen=True)
class Embedded:
    """A picture as an address that holds it, and its size in the page, in pixels."""

    address: str
    width: int
    height: int


class Pictures:
    """Remembers what it encoded, as long as the file is the same."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], Embedded | None]] = {}
        self._asked: set[Path] = set()
        self.encoded = 0
        """How often a file was read."""

    def knows(self, file: Path) -> bool:
        """Whether the file was asked for before."""
        return file in self._known

    def embed(self, file: Path, most: int) -> Embedded | None:
        """A picture in at most `most` characters, always the same of a file; None where it cannot be read."""
        self._asked.add(file)
        try:
            found = file.stat()
        except (OSError, ValueError):  # no name that a file could have
            return None
        stamp = (found.st_mtime_ns, found.st_size)
        if file not in self._known or self._known[file][0] != stamp:
            self.encoded += 1
            self._known[file] = stamp, embedded(file, most)
        return self._known[file][1]

    def forget_unasked(self) -> None:
        """Drop what nobody asked for since this was last called."""
        self._known = {file: kept for file, kept in self._known.items() if file in self._asked}
        self._asked = set()


def embedded(file: Path, most: int) -> Embedded | None:
    """A picture in at most `most` characters, made smaller where it has to be; None where it cannot be read."""
    try:
        with Image.open(file) as picture:
            if picture.width * picture.height > LARGEST:
                return None
            picture.load()
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError):
        return None
    if max(picture.size) <= CRISP and len(address := data_url(picture)) <= most:
        return Embedded(address, *picture.size)
    density = 0.0  # characters a pixel, of the quality 100
    for side, quality in LADDER:
        scale = min(1.0, side / max(picture.size))
        width, height = (max(1, round(length * scale)) for length in picture.size)
        if density * quality / 100 * width * height > HOPELESS * most:
            continue
        address = data_url(picture, side, quality)
        if len(address) <= most:
            return Embedded(address, width, height)
        density = len(address) / (width * height * quality / 100)
    return None
