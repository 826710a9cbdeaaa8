"""What a picture's file may ask of whoever reads it, and what its header says before a pixel is decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, PngImagePlugin

_SHALLOW = {"1": 10, "L": 10, "P": 17, "LA": 14, "RGBA": 20}
"""Bytes that are held for a pixel of each mode at most, 16 for those of other colours."""
_DEEP = {1: 20, 3: 34}
"""As that, by channels, where levels have more than 8 bits."""
_IN_DECODER = {"WEBP": 9, "AVIF": 5, "HEIF": 3, "JPEG2000": 6}
"""What decoders hold beside it."""


@dataclass(frozen=True)
class Limits:
    """What a file may ask of whoever reads it; one that asks for more is a `BrokenPicture`."""

    pixels: int = 512_000_000
    """Of one frame."""
    all_pixels: int = 64_000_000_000
    """Of all frames together."""
    frames: int = 65_536
    """Of an animation, or pages of a document."""
    file_bytes: int = 4 * 2**30
    metadata_bytes: int = 16 * 2**20
    """Of one kind of metadata: texts, the colour profile, EXIF, XMP."""
    seconds: float = 120.0
    """To read and decode one frame. The clock is looked at whenever a decoder asks the file for bytes."""

    def check_size(self, width: int, height: int, frames: int = 1) -> None:
        """Raises `BeyondLimits` for a picture of more pixels or frames than these."""
        if width * height > self.pixels:
            raise BeyondLimits(too_many_pixels(width * height, self.pixels, f"{width:,} × {height:,} pixels"))
        if frames > self.frames:
            raise BeyondLimits(f"too large: {frames:,} frames or more; up to {self.frames:,} are read")
        together = width * height * frames
        if frames > 1 and together > self.all_pixels:
            raise BeyondLimits(
                f"too large: {frames:,} frames of {width:,} × {height:,} pixels are {_pixels(together)}; "
                f"animations of up to {_pixels(self.all_pixels)} are read"
            )

    def check_bytes(self, count: int) -> None:
        """Raises `BeyondLimits` for a file of more bytes than these."""
        if count > self.file_bytes:
            raise BeyondLimits(
                f"too large: a file of {amount(count)}; files of up to {amount(self.file_bytes)} are read"
            )


LIMITS = Limits()


class BeyondLimits(Exception):
    """What a file asks for that it is not given, in words for `BrokenPicture`."""


@dataclass(frozen=True)
class Header:
    """What is known of a picture before a pixel is decoded."""

    path: Path
    width: int
    """As displayed, that is after orientation, in pixels."""
    height: int
    format: str
    """By content, as Pillow names it: JPEG, PNG, …"""
    mode: str
    """Pillow's mode of the stored pixels: RGB, L, P, …"""
    frames: int = 1
    """Of an animation, or pages of a document; 1 where there are no others."""
    bits: int = 8
    """Of a level in the file."""
    encoded_bytes: int = 0
    """Of the file, where its decoder holds all of it at once."""

    @property
    def decoded_bytes(self) -> int:
        """About what decoding holds at its peak: Pillow's pixels, NumPy's and the tensor of bytes or, if deep, floats.

        Measured with pictures of 12 megapixels (tests/prove/test_hostile_pictures.py does it again).
        """
        channels = len(self.mode) if self.mode in ("LA", "RGB", "RGBA", "CMYK") else 1
        held = _DEEP.get(channels, 44) if self.bits > 8 else _SHALLOW.get(self.mode, 16)
        composed = 8 if self.frames > 1 else 0
        return self.width * self.height * (held + _IN_DECODER.get(self.format, 0) + composed) + 2 * self.encoded_bytes


Examine = Callable[[Header], None]
"""Looks at a header before its picture is decoded. It may raise `BrokenPicture`, or wait until there is room."""


def allow_pixels(count: int) -> None:
    """Let Pillow decode pictures of so many pixels, in all of this process; its own limit is 179 megapixels.

    Whoever owns the process calls it once. It only ever raises the limit.
    """
    if Image.MAX_IMAGE_PIXELS is not None:
        Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, count)


def allow_metadata(count: int) -> None:
    """Let Pillow inflate texts and colour profiles of PNG files to so many bytes, in all of this process.

    Its own limit is 1 MiB. As `allow_pixels`.
    """
    PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, count)


def too_many_pixels(count: int, most: int, sides: str = "") -> str:
    """Why a picture of so many pixels is refused."""
    return f"too large: {sides or _pixels(count)} are more than the {_pixels(most)} that are read"


def _pixels(count: int) -> str:
    if count < 1e6:
        return f"{count:,} pixels"
    return f"{count / 1e6:,.0f} megapixels" if count < 1e10 else f"{count / 1e9:,.0f} gigapixels"


def amount(count: int) -> str:
    """So many bytes in words.

    >>> amount(3 * 2**20), amount(4 * 2**30), amount(100)
    ('3 MiB', '4 GiB', '100 bytes')
    """
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{round(count / unit, 1):g} {name}"
    return f"{count} bytes"
