"""Pictures to files, each complete or not there at all."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import GifImagePlugin, Image

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images import deep
from i2i.images.decode import open_picture, parsed_colour, to_image
from i2i.images.whole import Whole

_FORMATS = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".pbm": "PPM",
    ".pgm": "PPM",
    ".png": "PNG",
    ".ppm": "PPM",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
_MODES = {".pbm": "1", ".pgm": "L", ".ppm": "RGB"}  # what Pillow would otherwise take from the picture
INEXACT = frozenset({".gif", ".jpeg", ".jpg", ".pbm", ".webp"})
"""Suffixes of formats that, as they are written here, give other pixels back."""
_WITH_ALPHA = ("GIF", "PNG", "TIFF", "WEBP")
_WITH_GREY_ALPHA = ("PNG", "TIFF")
_DEEP: Mapping[str, Callable[[deep.Levels16, bytes | None], bytes]] = {
    ".pgm": deep.portable,
    ".png": deep.png,
    ".ppm": deep.portable,
    ".tif": deep.tiff,
    ".tiff": deep.tiff,
}


def write_picture(image: Image.Image, path: Path, quality: int = 95) -> None:
    """Write `image` to `path` in the format that the suffix names; missing parent folders are made.

    The file appears under its name when it is complete and on the disk; a failure leaves what was there before.
    `quality`, 1 to 100, is for JPEG (written with full colour resolution, 4:4:4) and WebP. Transparency is kept where
    the format has it and composited over white elsewhere.
    Raises `UsageError` for an unknown suffix, `BrokenPicture` when the format cannot hold this picture (a WebP is at
    most 16383 pixels wide), and `I2IError` when the file cannot be written.
    """
    suffix = _known_suffix(path)
    writable = _writable(image, suffix)
    contents = _encoded(writable.size, path, lambda: _saved(writable, suffix, quality))
    with complete_or_not_at_all(path) as stream:
        stream.write(contents)


def write_whole(picture: Whole, path: Path, background: str = "white", quality: int = 95) -> list[str]:
    """Write a picture with all that the format can hold; says what that was not, one phrase each.

    Levels of 16 bits go into PNG, TIFF, PGM and PPM, their profile into PNG and TIFF. Transparency goes into GIF, PNG,
    TIFF and WebP and is laid over `background` elsewhere; GIF knows no half of it. Otherwise as `write_picture`.
    """
    suffix = _known_suffix(path)
    file_format, lost = _FORMATS[suffix], list[str]()
    if picture.has_alpha and file_format not in _WITH_ALPHA:
        if picture.is_seen_through:
            lost.append(f"transparency laid over {background}, as {file_format} holds none")
        picture = picture.over(parsed_colour(background))
    if picture.levels.reduced:
        lost.append(f"8 bits of each level kept, as Pillow reads no more from this kind of {file_format}")
    if picture.levels.bits == 16 and suffix not in _DEEP:
        lost.append(f"8 of 16 bits kept, as {file_format} holds no more")
    height, width = picture.values.shape[-2:]
    contents = _encoded((width, height), path, lambda: _whole_saved(picture, suffix, quality))
    with complete_or_not_at_all(path) as stream:
        stream.write(contents)
    return lost


def write_copy(source: Path, path: Path) -> None:
    """Write what the file `source` holds, byte for byte. The file appears as with `write_picture`."""
    contents = source.read_bytes()  # a source that has gone is not a target that cannot be written
    with complete_or_not_at_all(path) as stream:
        stream.write(contents)


def write_animation(pictures: Iterable[Image.Image], path: Path, per_second: int = 25) -> None:
    """Write a GIF that loops for ever; pictures of one size are taken as they come and none is kept in memory.

    Each picture has 256 colours of its own and no dithering, whose grain would shimmer from one to the next. GIF counts
    in hundredths of a second, so 20, 25 and 50 pictures a second are exact.
    The file appears as with `write_picture`. Raises `I2IError` when there is no picture or it cannot be written.
    """
    with complete_or_not_at_all(path) as stream:
        for number, picture in enumerate(pictures):
            frame = picture.convert("RGB").quantize(256)
            if number == 0:
                stream.writelines(GifImagePlugin.getheader(frame, info={"loop": 0})[0])
            duration = 10 * round(100 / per_second)  # milliseconds
            stream.writelines(GifImagePlugin.getdata(frame, duration=duration, include_color_table=True))
        if not stream.tell():
            raise I2IError(f"{path}: no pictures to show")
        stream.write(b";")


@contextmanager
def complete_or_not_at_all(path: Path) -> Iterator[BinaryIO]:
    """A stream whose contents are on the disk under `path` once the block is done; before and without that, not."""
    draft = path.parent / f".i2i-{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with draft.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as problem:
        raise I2IError(f"{path}: cannot be written ({_cause(path, problem)})") from problem


def _known_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: no format for the suffix {suffix!r} (one of {', '.join(sorted(_FORMATS))})")
    return suffix


def _encoded(size: tuple[int, int], path: Path, encode: Callable[[], bytes | memoryview]) -> bytes | memoryview:
    """In memory: while Pillow writes to a file, a full disk and a picture that the format cannot hold look alike."""
    try:
        return encode()
    except Exception as problem:  # Pillow's writers raise several kinds
        what = f"{size[0]}×{size[1]} as {_FORMATS[path.suffix.lower()]}"
        cause = "out of memory" if isinstance(problem, MemoryError) else str(problem).strip() or type(problem).__name__
        raise BrokenPicture(path, f"cannot be written ({what}: {cause})") from problem


def _saved(picture: Image.Image, suffix: str, quality: int, profile: bytes | None = None) -> memoryview:
    file_format, stream = _FORMATS[suffix], io.BytesIO()
    meaning = {"icc_profile": profile} if profile else {}
    picture.save(stream, format=file_format, **_settings(file_format, quality), **meaning)
    return stream.getbuffer()


def _whole_saved(picture: Whole, suffix: str, quality: int) -> bytes | memoryview:
    profile = picture.levels.profile
    if picture.levels.bits == 16 and suffix in _DEEP:
        return _DEEP[suffix](picture.deep(), profile)
    image = to_image(picture.values)
    if picture.has_alpha and suffix == ".gif":
        image.putalpha(image.getchannel("A").point(lambda alpha: 255 * (alpha > 127)))
    return _saved(_writable(image, suffix), suffix, quality, profile)


def _cause(path: Path, problem: OSError) -> str:
    if isinstance(problem, FileExistsError | NotADirectoryError):
        return f"{path.parent} is not a folder"
    return (problem.strerror or str(problem)).lower()


def _writable(image: Image.Image, suffix: str) -> Image.Image:
    if _FORMATS[suffix] in _WITH_ALPHA and image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        grey = image.mode in ("LA", "La") and _FORMATS[suffix] in _WITH_GREY_ALPHA
        return image.convert("LA" if grey else "RGBA")
    bare = not image.has_transparency_data and not {"exif", "icc_profile"} & image.info.keys()
    plain = image if bare and image.mode in ("L", "RGB") else open_picture(image)
    return plain.convert(_MODES.get(suffix, plain.mode))


def _settings(file_format: str, quality: int) -> dict[str, Any]:
    if file_format == "JPEG":
        return {"quality": quality, "subsampling": "4:4:4"}
    if file_format == "WEBP":
        return {"quality": quality}
    if file_format == "PNG":
        return {"compress_level": 4}
    return {}
