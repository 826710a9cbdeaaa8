"""Animations and documents as pictures, one after another, each in full."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from i2i.errors import BrokenPicture
from i2i.images.frames.avif import avif_layout
from i2i.images.frames.gif import GifLayout, gif_layout
from i2i.images.frames.layers import Levels
from i2i.images.frames.png import PngLayout, png_layout
from i2i.images.frames.sequence import FrameLost, Frames, Layout, naming_frame
from i2i.images.frames.tiff import TiffLayout, tiff_layout
from i2i.images.frames.webp import webp_layout
from i2i.images.kinds import Colours
from i2i.images.limits import LIMITS, BeyondLimits, Examine, Header, Limits
from i2i.images.parts import Part
from i2i.images.reading import decoding, seek_frame
from i2i.images.whole import Whole, open_whole

_LAYOUTS: tuple[tuple[bytes, Callable[[IO[bytes]], Layout]], ...] = (
    (rb"GIF8", gif_layout),
    (rb"\x89PNG", png_layout),
    (rb"RIFF....WEBP", webp_layout),
    (rb"....ftyp(avif|avis|mif1|msf1)", avif_layout),
    (rb"II[*+]|MM\0[*+]", tiff_layout),
)
_STILL = Layout(Frames(), (0, 0))


@contextmanager
def open_frames(
    path: Path, colours: Colours = "source", limits: Limits = LIMITS, examine: Examine | None = None
) -> Iterator[tuple[Frames, Iterator[Whole]]]:
    """What a file holds, and its pictures, decoded as they are asked for: no more than one of them is held.

    Frames of an animation come in full, with what the frames before left behind, and are all of one size and kind;
    pages come as they are, without those that repeat one at less resolution. Each is as `open_whole` gives a still of
    that look; other pictures have one. `examine` is shown the header once, with the size of the largest page.
    Raises `BrokenPicture` where the file, or later one of its frames, cannot be decoded, or asks for more than
    `limits`, whose seconds are those of each frame.
    """
    layout = _layout(path, limits, examine)
    wholes = _wholes(path, layout, colours, limits)
    try:
        yield layout.frames, wholes
    finally:
        wholes.close()


def _layout(path: Path, limits: Limits, examine: Examine | None) -> Layout:
    layout = _STILL

    def look(header: Header) -> None:
        nonlocal layout
        if header.frames > 1:
            layout = _told(path, header, limits)
        if examine is not None:
            told = layout.frames.count > 1 and isinstance(layout, GifLayout | TiffLayout)
            width, height = layout.size if told else (header.width, header.height)
            examine(replace(header, width=width, height=height, frames=layout.frames.count))

    try:
        with decoding(path, limits, look):
            return layout
    except BrokenPicture as broken:
        lost = _lost(path) if broken.reason.startswith(("truncated", "not a picture")) else None
        if lost is None:
            raise
        raise BrokenPicture(broken.path, str(lost)) from broken


def _told(path: Path, header: Header, limits: Limits) -> Layout:
    """The layout of what holds several pictures, within limits."""
    if header.format == "HEIF":
        return Layout(Frames(header.frames, pages=True), (0, 0))
    try:
        layout = _layout_of(path)
    except FrameLost as lost:
        raise BrokenPicture(str(path), str(lost)) from lost
    if not isinstance(layout, TiffLayout):
        limits.check_size(*layout.size, layout.frames.count)
        return layout
    for page in layout.pages:
        limits.check_size(page.width, page.height)
    gigapixels = sum(page.width * page.height for page in layout.pages) / 1e9
    if gigapixels > limits.all_pixels / 1e9:
        most = limits.all_pixels / 1e9
        raise BeyondLimits(f"too large: its pages are {gigapixels:,.0f} gigapixels; up to {most:,.0f} are read")
    return layout


def _layout_of(path: Path) -> Layout:
    """Raises `FrameLost`, and where the file is no sequence of any kind, or damaged otherwise, several others."""
    with path.open("rb") as file:
        start = file.read(16)
        file.seek(0)
        return next(layout for sign, layout in _LAYOUTS if re.match(sign, start, re.S))(file)


def _lost(path: Path) -> FrameLost | None:
    """Which frame is missing, where that is why the decoder of WebP or AVIF refuses the whole file."""
    try:
        with path.open("rb") as file:
            if re.match(rb"RIFF....WEBP|....ftyp", file.read(16), re.S):
                _layout_of(path)
    except FrameLost as lost:
        return lost
    except Exception:  # it is no sequence, or not even that can be told
        return None
    return None


def _wholes(path: Path, layout: Layout, colours: Colours, limits: Limits) -> Generator[Whole, None, None]:
    frames = layout.frames
    if frames.count == 1:
        yield open_whole(path, colours, limits)
    elif isinstance(layout, TiffLayout):
        for number in range(frames.count):
            with naming_frame(path, number + 1, frames, limits):
                whole = open_whole(layout.alone(path, number), colours, limits)
            yield whole
    elif isinstance(layout, PngLayout):
        yield from _composed(path, layout, colours, limits)
    else:
        with decoding(path, limits) as image:
            first = image.tell()  # HEIC says which picture is shown where there is room for one
            for number in sorted(range(frames.count), key=lambda number: number != first):
                with naming_frame(path, number + 1, frames, limits):
                    seek_frame(image, number, limits)
                    shown = layout.still(image) if isinstance(layout, GifLayout) else image
                    whole = open_whole(shown, colours)
                yield whole


def _composed(path: Path, layout: PngLayout, colours: Colours, limits: Limits) -> Iterator[Whole]:
    """Put together here: Pillow does it in 8 bits, and does not see through what was cleared."""
    unpacked = replace(limits, file_bytes=2**63)  # of a canvas, which is not packed again

    def opened(contents: bytes, colours: Colours) -> Whole:
        return open_whole(cast("Path", Part(path, lambda: io.BytesIO(contents))), colours, unpacked)

    def stored(number: int) -> Levels:
        whole = opened(layout.alone(file, number), "as-stored")
        return whole.deep() if whole.levels.bits == 16 else whole.values.permute(1, 2, 0).numpy()

    with path.open("rb") as file:
        canvases = layout.composed(stored)
        for number in range(layout.frames.count):
            with naming_frame(path, number + 1, layout.frames, limits):
                whole = opened(layout.still(next(canvases)), colours)
            yield whole
