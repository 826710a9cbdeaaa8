"""Pictures, one after another, as an animation or a document of pages."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy
from PIL import Image

from i2i.disk.drafts import BeforeRename, complete_or_not_at_all
from i2i.errors import BrokenPicture, I2IError
from i2i.images.encode import PLAIN, write_whole
from i2i.images.formats import FORMATS, Encoding, known_suffix
from i2i.images.frames.avif import write_avif
from i2i.images.frames.gif import write_gif
from i2i.images.frames.heif import write_heif
from i2i.images.frames.patches import Patch, changed
from i2i.images.frames.png import write_png
from i2i.images.frames.sequence import Frames
from i2i.images.frames.tiff import write_tiff
from i2i.images.frames.webp import write_webp
from i2i.images.holding import Held, held
from i2i.images.metadata import NOTHING
from i2i.images.rows import LARGEST_TIFF, PngRows, Rows
from i2i.images.whole import Whole

_OF_A_PAGE = 1000  # milliseconds, in an animation
Pictures = Iterator[tuple[Held, Rows]]
"""As they go into the file, in full."""


def write_frames(
    wholes: Iterable[Whole],
    frames: Frames,
    path: Path,
    encoding: Encoding = PLAIN,
    before_rename: BeforeRename | None = None,
) -> list[str]:
    """Write pictures, as they come, into one file; says what the format could not hold, one phrase each.

    GIF, WebP, PNG and AVIF hold an animation, whose frames are of one size and kind, TIFF and HEIC pages of any. No
    more than two pictures are held at a time, but AVIF's encoder looks ahead and HEIC's takes all at once; a single
    one is written as `write_whole` does it. What is said beside the pixels of an animation is that of its first frame.
    Raises `BrokenPicture` where the format holds only one, or not these, `UsageError` for an unknown suffix, and
    `I2IError` where the file cannot be written or other pictures come than were announced.
    """
    suffix = known_suffix(path)
    if frames.count == 1:
        (whole,) = _counted(wholes, frames, path)
        return write_whole(whole, path, encoding, before_rename)
    form = FORMATS[suffix].name
    if form not in _WRITERS:
        several = "GIF, WebP, PNG, AVIF, TIFF and HEIC hold several"
        what = f"{frames.count} {frames.name}s as {form}"
        raise BrokenPicture(str(path), f"cannot be written ({what}: it holds one; {several}; or take --frames first)")
    pictures, lost = _counted(wholes, frames, path), dict[str, None]()
    if frames.poster and form != "PNG":
        next(pictures)
        frames = replace(frames, count=frames.count - 1, durations=frames.durations[1:], poster=False)
        lost[f"the picture shown in place of the animation left out, as {form} holds none"] = None
    frames = _fitted(frames, form, lost)
    with complete_or_not_at_all(path, before_rename) as stream:
        _WRITERS[form](_levels(pictures, path, encoding, lost), frames, stream, path)
    return list(lost)


def _gif(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    write_gif((rows for _, rows in _alike(pictures, path)), frames, stream)


def _png(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    write_png(_stills(_alike(pictures, path), frames, 1, _png_still), frames, stream)


def _webp(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    first, pictures = _first(_alike(pictures, path))
    told = {"profile": first.profile, "exif": first.metadata.exif, "xmp": first.metadata.xmp}
    write_webp(_stills(pictures, frames, 2, _webp_still), frames, stream, path, first.channels == 4, **told)


def _avif(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    first, pictures = _first(_alike(pictures, path))
    write_avif((rows for _, rows in pictures), frames, stream, first, path)


def _tiff(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    first, pictures = _first(pictures)
    page = first.width * first.height * first.channels * first.bits // 8
    write_tiff(pictures, stream, frames.count * page > LARGEST_TIFF, path)


def _heif(pictures: Pictures, frames: Frames, stream: BinaryIO, path: Path) -> None:
    write_heif(pictures, stream, path)


def _counted(wholes: Iterable[Whole], frames: Frames, path: Path) -> Iterator[Whole]:
    number = 0
    for number, whole in enumerate(wholes, 1):
        if number > frames.count:
            break
        yield whole
    if number != frames.count:
        found = f"{number} or more" if number > frames.count else f"{number}"
        raise I2IError(f"{path}: cannot be written ({frames.count} pictures were announced, {found} came)")


def _fitted(frames: Frames, form: str, lost: dict[str, None]) -> Frames:
    """Frames as the format has them: with durations, or without."""
    if form in _PAGES:
        if not frames.pages:
            lost[f"durations and repetition left out, as {form} holds pages"] = None
        return frames
    durations = frames.durations
    if len(durations) != frames.count:
        lost[f"each page shown for {_OF_A_PAGE / 1000:g} second, as {form} holds an animation"] = None
        loop = 0 if frames.pages else frames.loop
        return replace(frames, durations=(_OF_A_PAGE,) * frames.count, loop=loop, pages=False)
    if form == "GIF" and any(duration % 10 for duration in durations):
        lost["durations rounded, as GIF counts in hundredths of a second"] = None
    return frames


def _levels(wholes: Iterable[Whole], path: Path, encoding: Encoding, lost: dict[str, None]) -> Pictures:
    """Each picture as its file has it; what it loses is added to `lost`."""
    for whole in wholes:
        height, width = whole.values.shape[-2:]
        holding = held(whole.kind, (height, width), path, encoding)
        lost.update(dict.fromkeys(holding.phrases(holding.is_told_lost(whole.values))))
        yield holding, numpy.concatenate(list(holding.rows(whole.values)))


def _alike(pictures: Pictures, path: Path) -> Pictures:
    """The same pictures, if they can be frames of one animation. Raises `BrokenPicture` at one that cannot."""
    first, profile = "", None
    for number, (holding, rows) in enumerate(pictures, 1):
        kind = f"{holding.width}×{holding.height} with {holding.channels} channels of {holding.bits} bits"
        if not first:
            first, profile = kind, holding.profile
        if (kind, holding.profile) != (first, profile):
            found = f"frame {number} is {kind}, the first {first}" if kind != first else "their colour profiles differ"
            cause = f"frames of {holding.format.name} are all alike, pages of TIFF need not be"
            raise BrokenPicture(str(path), f"cannot be written ({found}; {cause})")
        yield holding, rows


def _first(pictures: Pictures) -> tuple[Held, Pictures]:
    first = next(pictures)
    return first[0], chain([first], pictures)


def _stills(
    pictures: Pictures, frames: Frames, step: int, encoded: Callable[[Held, Rows], bytes]
) -> Iterator[tuple[Patch, bytes]]:
    """What has changed of each picture, from corners at multiples of `step`, and as a file of its own."""
    before: Rows | None = None
    for number, (holding, rows) in enumerate(pictures):
        patch = changed(before, rows).on_grid(step)
        part = replace(holding, width=patch.width, height=patch.height)
        if number:  # what is said beside the pixels is that of the first
            part = replace(part, profile=None, metadata=NOTHING)
        yield patch, encoded(part, rows[patch.top : patch.bottom, patch.left : patch.right])
        before = rows if number or not frames.poster else None  # over which nothing is laid


def _png_still(holding: Held, rows: Rows) -> bytes:
    stream = io.BytesIO()
    if holding.bits == 8 and holding.profile is None and holding.metadata == NOTHING:  # Pillow packs it tighter
        Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows).save(stream, "PNG", compress_level=4)
        return stream.getvalue()
    writer = PngRows(stream, holding)
    writer.write(rows)
    writer.finish()
    return stream.getvalue()


def _webp_still(holding: Held, rows: Rows) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(rows).save(stream, "WEBP", quality=holding.quality, **(holding.format.settings or {}))
    return stream.getvalue()


_WRITERS: Mapping[str, Callable[[Pictures, Frames, BinaryIO, Path], None]] = {
    "AVIF": _avif,
    "GIF": _gif,
    "HEIF": _heif,
    "PNG": _png,
    "TIFF": _tiff,
    "WEBP": _webp,
}
_PAGES = ("HEIF", "TIFF")
