"""The frames of a GIF file: how long each is shown, and how they are written."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import IO, Any

import numpy
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from i2i.images.frames.patches import changed
from i2i.images.frames.sequence import FrameLost, Frames, Layout

_KEEP, _CLEAR = 1, 2  # what becomes of a frame when the next one comes
_MOST = 65535  # hundredths of a second, or repetitions
_OPAQUE = 128  # of 255, the alpha from which on a pixel is seen


@dataclass(frozen=True)
class _Control:
    """What is said of the frame that follows."""

    duration: int = 0
    transparent: bool = False
    fate: int = 0
    """What becomes of it when the next one comes; as Pillow has it, what was said of the one before if nothing is."""


@dataclass(frozen=True)
class GifLayout(Layout):
    """With what all its frames have in common."""

    grey: bool = False
    """Whether no palette holds a colour."""
    alpha: bool = False
    """Whether any frame may be seen through, not merely leave what is there."""

    def still(self, image: Image.Image) -> Image.Image:
        """The frame that Pillow shows, of the size and kind of all the others."""
        mode = ("L" if self.grey else "RGB") + ("A" if self.alpha else "")
        frame = image.convert("RGBA" if self.alpha else "RGB").convert(mode)
        frame.info = {}  # of the palette that is gone
        if frame.size == self.size:
            return frame
        canvas = Image.new(mode, self.size)  # a later frame lies beyond the size in the header
        canvas.paste(frame)
        return canvas


def gif_layout(file: IO[bytes]) -> GifLayout:
    """Of a GIF file (GIF89a specification, sections 18 to 27, and the extension NETSCAPE2.0).

    Raises `FrameLost` where the file ends within a frame.
    """
    start = file.read(13)
    screen, common = struct.unpack("<HH", start[6:10]), _palette(file, start[10])
    controls, greys, size, loop, control = list[_Control](), list[bool](), screen, 1, _Control()
    while (kind := file.read(1)) not in (b"", b";"):
        if kind == b"!":
            label, told = file.read(1), _blocks(file)
            if label == b"\xf9" and len(told) >= 4:
                flags, delay = struct.unpack("<BH", told[:3])
                control = _Control(10 * delay, bool(flags & 1), flags >> 2 & 7 or control.fate)
            elif told.startswith(b"NETSCAPE2.0\1") and len(told) >= 14 and not controls:
                loop = _plays(struct.unpack("<H", told[12:14])[0])
        elif kind == b",":
            number = len(controls) + 1
            left, top, across, down, flags = struct.unpack("<HHHHB", _whole(file.read(9), 9, number))
            size = max(size[0], left + across), max(size[1], top + down)
            own = _palette(file, flags)
            greys.append(_is_grey(own if flags & 128 else common))
            _skip_pixels(file, number)
            controls.append(control)
            control = _Control(fate=control.fate)
    frames = Frames(len(controls), tuple(control.duration for control in controls), loop)
    alpha = controls[0].transparent or any(
        control.transparent and (control.fate == _CLEAR or size != screen) for control in controls
    )
    return GifLayout(frames, size, all(greys), alpha)


def write_gif(pictures: Iterable[NDArray[numpy.uint8]], frames: Frames, file: IO[bytes]) -> None:
    """Write pictures (H, W, C) of one size, grey, RGB or RGBA, as they come; two of them are held at a time.

    Each has up to 256 colours of its own, without dithering, whose grain would shimmer from one to the next; of each
    only the rectangle that has changed is stored.
    """
    delays = iter(hundredths(frames.durations))
    shown: NDArray[Any] | None = None
    for now, after in pairwise(chain((_seen(picture) for picture in pictures), [None])):
        if now is None:
            break
        if not file.tell():
            file.write(_header(now.shape[1], now.shape[0], frames.loop))
        clear = after is not None and _is_seen_through(after)  # what is to be seen through must not lie over this
        patch = changed(None if clear else shown, now)
        part = now[patch.top : patch.bottom, patch.left : patch.right]
        file.writelines(_frame(part, (patch.left, patch.top), next(delays), clear))
        shown = None if clear else now
    file.write(b";")


def hundredths(durations: Iterable[int]) -> Iterator[int]:
    """Milliseconds in hundredths of a second; what rounding takes from one frame is given to the next.

    >>> list(hundredths([33, 33, 34, 100]))
    [3, 4, 3, 10]
    """
    end = told = 0
    for duration in durations:
        end += duration
        delay = min(_MOST, round(end / 10) - told)
        told = round(end / 10)
        yield delay


def _plays(repetitions: int) -> int:
    return repetitions + 1 if repetitions else 0


def _palette(file: IO[bytes], flags: int) -> bytes:
    return file.read(3 << (flags & 7) + 1) if flags & 128 else b""


def _is_grey(palette: bytes) -> bool:
    return palette[::3] == palette[1::3] == palette[2::3]


def _blocks(file: IO[bytes]) -> bytes:
    """The first three blocks of a row of them; the rest are passed over."""
    held = b""
    for place in range(1 << 62):
        length = file.read(1)
        if not length or not length[0]:
            break
        if place < 3:
            held += file.read(length[0])
        else:
            file.seek(length[0], os.SEEK_CUR)
    return held


def _skip_pixels(file: IO[bytes], number: int) -> None:
    file.seek(1, os.SEEK_CUR)
    while length := _whole(file.read(1), 1, number)[0]:
        _whole(file.read(length), length, number)


def _whole(found: bytes, length: int, number: int) -> bytes:
    if len(found) < length:
        raise FrameLost(number)
    return found


def _seen(picture: NDArray[numpy.uint8]) -> NDArray[numpy.uint8]:
    """(H, W, 4): colours, all alike where nothing is seen, and whether anything is: 255 or 0."""
    image = Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture)
    levels = numpy.array(image.convert("RGBA"))
    seen = levels[:, :, 3] >= _OPAQUE
    levels[:, :, 3] = 255 * seen
    levels[~seen, :3] = levels[seen][0, :3] if seen.any() else 0
    return levels


def _is_seen_through(levels: NDArray[numpy.uint8]) -> bool:
    return not levels[:, :, 3].all()


def _header(width: int, height: int, loop: int) -> bytes:
    """Without a palette: each frame has its own."""
    screen = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x70, 0, 0)
    if loop == 1:
        return screen
    return screen + b"!\xff\x0bNETSCAPE2.0" + struct.pack("<BBHB", 3, 1, min(_MOST, max(0, loop - 1)), 0)


def _frame(levels: NDArray[numpy.uint8], offset: tuple[int, int], delay: int, clear: bool) -> list[bytes]:
    """A frame's blocks. One that is cleared away names a transparent colour even if it shows none: what is left then
    is up to the background colour elsewhere."""
    hidden = levels[:, :, 3] == 0
    with_transparency = clear or bool(hidden.any())
    image = Image.fromarray(levels[:, :, :3]).quantize(255 if with_transparency else 256)
    settings: dict[str, Any] = {"duration": 10 * delay, "disposal": _CLEAR if clear else _KEEP}
    if with_transparency:
        index = len(image.getpalette() or []) // 3
        settings["transparency"] = index
        image.putpalette([*(image.getpalette() or []), 0, 0, 0])
        image.paste(index, mask=Image.fromarray(hidden))
    return GifImagePlugin.getdata(image, offset, include_color_table=True, **settings)
