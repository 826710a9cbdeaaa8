"""The frames of an animated PNG file: how they lie in it, how they are put together, how they are written."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import IO

import numpy

from i2i.images.chunks import SIGNATURE, chunk, picture_header
from i2i.images.frames.layers import Levels, over, with_alpha
from i2i.images.frames.patches import Patch
from i2i.images.frames.sequence import FrameLost, Frames, Layout, durations_between

_CONTROL = ">IIIIHHBB"  # width, height, left, top, delay's numerator and denominator, dispose, blend
_CLEAR, _PREVIOUS = 1, 2  # dispose: what becomes of a frame's rectangle when the next one comes
_OVER = 1  # blend
_OF_PIXELS = (b"PLTE", b"tRNS")
_OF_CANVAS = (b"cHRM", b"cICP", b"eXIf", b"gAMA", b"iCCP", b"iTXt", b"pHYs", b"sRGB", b"tEXt", b"zTXt")
_PIXELS = (b"IDAT", b"fdAT")
_MOST = 65535  # of a delay's numerator


@dataclass(frozen=True)
class PngFrame:
    """Where a frame lies in the picture, and in the file."""

    patch: Patch
    dispose: int = 0
    blend: int = 0
    start: int = 0
    """Where its first chunk of pixels starts; 0 where it has none."""
    stop: int = 0
    """Where its last one ends."""


@dataclass(frozen=True)
class PngLayout(Layout):
    """With what is needed beside the pixels."""

    header: bytes = b""
    pictures: tuple[PngFrame, ...] = ()
    """The poster too, where there is one."""
    of_pixels: bytes = b""
    """Chunks without which the pixels of a frame mean nothing."""
    of_canvas: bytes = b""
    """Chunks that say what the colours mean, and metadata."""

    def alone(self, file: IO[bytes], number: int) -> bytes:
        """A PNG file of what is stored of one frame. Raises `FrameLost`."""
        frame = self.pictures[number]
        header = struct.pack(">II", frame.patch.width, frame.patch.height) + self.header[8:]
        chunks = _chunks(file, frame.start, frame.stop)
        pixels = [_checked(file, *told, number + 1) for told in chunks if told[0] in _PIXELS]
        return _png_file(header, self.of_pixels, pixels)

    def composed(self, stored: Callable[[int], Levels]) -> Iterator[Levels]:
        """Each picture in full, from what is stored of it (PNG specification, third edition, 11.3.6.2).

        It is (H, W, C) with alpha where a frame has it or leaves nothing behind; the next one is made in its place.
        """
        frames = self.pictures[self.frames.poster :]
        clears = {number for number, frame in enumerate(frames) if frame.dispose == _CLEAR}
        if frames[0].dispose == _PREVIOUS:  # where nothing was
            clears.add(0)
        if self.frames.poster:
            yield with_alpha(stored(0)) if clears else stored(0)
        canvas: Levels | None = None
        for number, frame in enumerate(frames):
            levels = stored(number + self.frames.poster)
            levels = with_alpha(levels) if clears else levels
            if canvas is None:
                canvas = numpy.zeros((*self.size[::-1], levels.shape[2]), levels.dtype)
            place = canvas[frame.patch.top : frame.patch.bottom, frame.patch.left : frame.patch.right]
            before = place.copy()
            place[:] = over(levels, before) if frame.blend == _OVER and levels.shape[2] in (2, 4) else levels
            yield canvas
            if number in clears:
                place[:] = 0
            elif frame.dispose == _PREVIOUS:
                place[:] = before

    def still(self, canvas: Levels) -> bytes:
        """A PNG file of a picture in full, with all that is said of it."""
        height, width, channels = canvas.shape
        rows = canvas.astype(canvas.dtype.newbyteorder(">")).reshape(height, -1).view(numpy.uint8)
        unfiltered = numpy.pad(rows, ((0, 0), (1, 0)))  # the filter's number begins each row
        stored = picture_header(width, height, 8 * canvas.itemsize, channels)
        return _png_file(stored, self.of_canvas, [zlib.compress(unfiltered.tobytes(), 0)])


def png_layout(file: IO[bytes]) -> PngLayout:
    """Of an animated PNG file (PNG specification, third edition, sections 5 and 11.3.6).

    Raises `FrameLost` where the file holds less than it announces.
    """
    header, kept = b"", dict.fromkeys((*_OF_PIXELS, *_OF_CANVAS), b"")
    pictures, times, announced, loop, poster = list[PngFrame](), [0.0], 0, 0, False
    end = file.seek(0, os.SEEK_END)
    for name, place, length in _chunks(file, len(SIGNATURE), end):
        if name == b"IHDR":
            header = file.read(13)
        elif name == b"acTL":
            announced, loop = struct.unpack(">II", file.read(8))
        elif name == b"fcTL" and len(pictures) == announced + poster:  # what follows is no frame
            break
        elif name == b"fcTL":
            frame, delay = _frame(file.read(length), len(pictures) + 1, header)
            pictures.append(frame)
            times.append(times[-1] + delay)
        elif name in _PIXELS:
            if not pictures:
                poster = True
                pictures.append(PngFrame(Patch(0, 0, *struct.unpack(">II", header[:8]))))
            if place + length + 4 > end:
                raise FrameLost(len(pictures))
            start = pictures[-1].start or place - 8
            pictures[-1] = replace(pictures[-1], start=start, stop=place + length + 4)
        elif name in kept:
            file.seek(place - 8)
            kept[name] += file.read(length + 12)
    expected = announced + poster
    for number in range(1, expected + 1):
        if number > len(pictures) or not pictures[number - 1].start:
            raise FrameLost(number)
    frames = Frames(expected, (0,) * poster + durations_between(times), loop, poster=poster)
    of_pixels, of_canvas = (b"".join(kept[name] for name in names) for names in (_OF_PIXELS, _OF_CANVAS))
    return PngLayout(frames, struct.unpack(">II", header[:8]), header, tuple(pictures), of_pixels, of_canvas)


def write_png(stills: Iterable[tuple[Patch, bytes]], frames: Frames, file: IO[bytes]) -> None:
    """Write an animated PNG of one-picture PNG files, each of the rectangle that changes, the first in full.

    All have the same channels and depth; what is said beside the pixels is that of the first.
    """
    numbers = count()
    for place, (patch, still) in enumerate(stills):
        parts = list(_bodies(still))
        if place == 0:
            file.write(SIGNATURE + chunk(*parts[0]))
            file.write(chunk(b"acTL", struct.pack(">II", frames.count - frames.poster, frames.loop)))
            file.writelines(chunk(*part) for part in parts[1:-1] if part[0] != b"IDAT")
        if place or not frames.poster:
            file.write(chunk(b"fcTL", struct.pack(">I", next(numbers)) + _control(patch, frames.durations[place])))
        for name, body in parts:
            if name == b"IDAT":
                file.write(chunk(b"fdAT", struct.pack(">I", next(numbers)) + body) if place else chunk(name, body))
    file.write(chunk(b"IEND", b""))


def _control(patch: Patch, duration: int) -> bytes:
    units = (1000, 100, 10, 1)  # a second
    told = ((round(duration * unit / 1000), unit) for unit in units)
    delay = next((delay for delay in told if delay[0] <= _MOST), (_MOST, 1))
    return struct.pack(_CONTROL, patch.width, patch.height, patch.left, patch.top, *delay, 0, 0)


def _frame(control: bytes, number: int, header: bytes) -> tuple[PngFrame, float]:
    """What an `fcTL` chunk says of a frame, and its milliseconds."""
    if len(control) < 26:
        raise FrameLost(number)
    width, height, left, top, part, whole, dispose, blend = struct.unpack(_CONTROL, control[4:26])
    across, down = struct.unpack(">II", header[:8])
    if left + width > across or top + height > down:
        raise FrameLost(number, "damaged (it lies beyond the picture)")
    return PngFrame(Patch(left, top, left + width, top + height), dispose, blend), 1000 * part / (whole or 100)


def _chunks(file: IO[bytes], place: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each chunk's body, with the file there; the last may end beyond the file."""
    while place < stop and file.seek(place) == place and len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IEND":
            return
        yield name, place + 8, length
        place += length + 12


def _bodies(still: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(SIGNATURE)
    while place < len(still):
        length, name = struct.unpack_from(">I4s", still, place)
        yield name, still[place + 8 : place + 8 + length]
        place += length + 12


def _checked(file: IO[bytes], name: bytes, place: int, length: int, number: int) -> bytes:
    file.seek(place)
    body, checksum = file.read(length), file.read(4)
    if checksum != struct.pack(">I", zlib.crc32(name + body)):
        raise FrameLost(number, "damaged (a wrong checksum)")
    return body[4:] if name == b"fdAT" else body  # its number


def _png_file(header: bytes, chunks: bytes, pixels: list[bytes]) -> bytes:
    images = [chunk(b"IDAT", body) for body in pixels]
    return b"".join([SIGNATURE, chunk(b"IHDR", header), chunks, *images, chunk(b"IEND", b"")])
