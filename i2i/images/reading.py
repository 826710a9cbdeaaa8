"""Files opened for decoding, within limits, and what their headers say."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from i2i.errors import BrokenPicture, I2IError
from i2i.images.chunks import SIGNATURE, chunk, picture_header
from i2i.images.diagnosis import reason_for
from i2i.images.heif import heif_is_readable, is_heif
from i2i.images.limits import LIMITS, BeyondLimits, Examine, Header, Limits
from i2i.images.outline import outline_of
from i2i.images.outline.outline import Outline
from i2i.images.watched import Watched

# Told by content, not by suffix. Formats that run a program (EPS) or have no signature (TGA) stay out.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
_HELD_WHOLE = ("WEBP", "AVIF", "HEIF", "JPEG2000")
"""Formats whose decoders hold all of the file."""
_BLOCK = 4096
"""Bytes of a progressive JPEG read at a time: each scan of a few bytes may cost as much as the whole picture."""
_BITS_PER_SAMPLE = 258


@contextmanager
def decoding(path: Path, limits: Limits = LIMITS, examine: Examine | None = None) -> Iterator[ImageFile.ImageFile]:
    """The opened, not yet decoded file; whatever goes wrong inside the `with` block becomes `BrokenPicture`.

    `path` is a Path or anything that opens like one. What asks for more than `limits` is refused before it is decoded,
    and most of it before it is read; `examine` then sees the header, and time that it takes does not count.
    """
    _silence_size_warning()
    with explaining(path, limits), _opened(path) as file:
        length = file.seek(0, os.SEEK_END)
        limits.check_bytes(length)
        watched = Watched(file, limits.seconds)
        outline = outline_of(watched, limits)
        with Image.open(cast("IO[bytes]", watched), formats=_formats(watched)) as image:
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                _read_planes_whole(image)
            if "progressive" in image.info:
                image.decodermaxblock = _BLOCK
            header = _header(path, image, outline, length)
            limits.check_size(header.width, header.height, header.frames)
            if examine is not None:
                examine(header)
                watched.restart()
            yield image


@contextmanager
def explaining(source: Path | Image.Image, limits: Limits = LIMITS) -> Iterator[None]:
    """Whatever goes wrong inside the `with` block becomes `BrokenPicture` of this file or picture in memory."""
    in_memory = isinstance(source, Image.Image)
    path = Path(getattr(source, "filename", "") or "a picture in memory") if in_memory else cast(Path, source)
    try:
        yield
    except I2IError:
        raise
    except Exception as problem:  # Pillow's readers raise a dozen kinds
        raise BrokenPicture(str(path), reason_for(path, problem, limits)) from problem  # a place elsewhere is no Path


def check_header(path: Path) -> tuple[int, int]:
    """Width and height as displayed, that is after orientation, read from the header alone.

    Raises `BrokenPicture` when the header cannot be read; damage further on stays unseen.
    """
    found: list[Header] = []
    with decoding(path, examine=found.append):
        return found[0].width, found[0].height


def seek_frame(image: ImageFile.ImageFile, place: int, limits: Limits = LIMITS) -> None:
    """Go to another frame or page of a file that is being decoded: it has its own time, and the size limit holds.

    Raises `EOFError` where there is no such frame, `BeyondLimits`, and what Pillow raises.
    """
    for file in (image.fp, getattr(image, "_fp", None)):
        if isinstance(file, Watched):
            file.restart()
    image.seek(place)
    limits.check_size(*image.size)


def stored_bits(image: ImageFile.ImageFile) -> int:
    """Bits of a level in the file behind an opened, not yet decoded picture; 8 where it has no more."""
    if image.mode in ("I", "F"):
        return 32
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (8,)))
    return 16 if image.mode.startswith("I;16") or any(map(_is_deep, image.tile)) else 8


def orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; damaged EXIF data does not spoil a picture."""
    try:
        # PngImageFile.getexif would decode the whole picture first
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _header(path: Path, image: ImageFile.ImageFile, outline: Outline, length: int) -> Header:
    kind = image.format or ""
    width, height = image.size
    if kind != "TIFF" and _stated_orientation(image, outline.late) in (5, 6, 7, 8):  # Pillow turns a TIFF itself
        width, height = height, width
    frames = outline.frames
    if kind in ("PNG", "AVIF", "HEIF"):  # a JPEG's other pictures (MPO) are no frames of it
        frames = getattr(image, "n_frames", 1)
    held = length if kind in _HELD_WHOLE else 0
    return Header(path, width, height, "JPEG" if kind == "MPO" else kind, image.mode, frames, stored_bits(image), held)


def _is_deep(tile: Any) -> bool:
    """Whether what Pillow is about to decode has levels of 16 bits; of a PPM it knows the level of white."""
    codec, _, _, layout = tile
    return ";16" in str(layout) or (codec.startswith("ppm") and isinstance(layout, tuple) and layout[1] > 255)


def _stated_orientation(image: Image.Image, late: bytes) -> int:
    """The orientation, without decoding and without Pillow keeping it: more may lie behind a PNG's pixels."""
    stated = Image.Image()
    stated.info = dict(image.info)
    if late:
        start = SIGNATURE + chunk(b"IHDR", picture_header(1, 1, bits=8, channels=1))
        try:
            with Image.open(io.BytesIO(start + late + chunk(b"IDAT", b"")), formats=("PNG",)) as alone:
                stated.info.update(alone.info)
        except Exception:  # as damaged EXIF
            return 1
    return orientation(stated)


def _opened(path: Path) -> io.BufferedReader:
    """A pipe or a device may never end, and opening one may never return."""
    if not path.is_file() and not path.is_dir() and path.exists():
        raise BeyondLimits("not a regular file")
    return path.open("rb")


def _formats(file: Watched) -> tuple[str, ...]:
    start = file.read(16)
    return (*_FORMATS, "HEIF") if is_heif(start) and heif_is_readable() else _FORMATS


def _silence_size_warning() -> None:
    """Keep Pillow's warning about 90 to 179 megapixels off the console, unless the user has a filter for it.

    `warnings.catch_warnings` would be the local way, but threads that decode side by side would undo each other's.
    """
    if not any(entry[2] is Image.DecompressionBombWarning for entry in warnings.filters):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def _read_planes_whole(image: TiffImagePlugin.TiffImageFile) -> None:
    """Where the colours of a TIFF lie uncompressed in planes of 16-bit levels, Pillow would take each byte for one."""
    if 16 not in image.tag_v2.get(_BITS_PER_SAMPLE, ()):
        return
    end = "B" if image.tag_v2.prefix == b"MM" else "L"
    for place, tile in enumerate(image.tile):
        if tile.codec_name == "raw" and isinstance(tile.args, tuple) and tile.args[0] in ("R", "G", "B", "A"):
            image.tile[place] = tile._replace(args=(f"{tile.args[0]};16{end}", *tile.args[1:]))
