"""Pictures to files, each complete or not there at all."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from PIL import GifImagePlugin, Image

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import open_picture

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
_WITH_ALPHA = ("GIF", "PNG", "TIFF", "WEBP")


def write_picture(image: Image.Image, path: Path, quality: int = 95) -> None:
    """Write `image` to `path` in the format that the suffix names; missing parent folders are made.

    The file appears under its name when it is complete and on the disk; a failure leaves what was there before.
    `quality`, 1 to 100, is for JPEG (written with full colour resolution, 4:4:4) and WebP. Transparency is kept where
    the format has it and composited over white elsewhere.
    Raises `UsageError` for an unknown suffix, `BrokenPicture` when the format cannot hold this picture (a WebP is at
    most 16383 pixels wide), and `I2IError` when the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(f"{path}: no format for the suffix {suffix!r} (one of {', '.join(sorted(_FORMATS))})")
    contents = _encoded(_writable(image, suffix), path, quality)
    with _complete_or_not_at_all(path) as stream:
        stream.write(contents)


def write_animation(pictures: Iterable[Image.Image], path: Path, per_second: int = 25) -> None:
    """Write a GIF that loops for ever; pictures of one size are taken as they come and none is kept in memory.

    Each picture has 256 colours of its own and no dithering, whose grain would shimmer from one to the next. GIF counts
    in hundredths of a second, so 20, 25 and 50 pictures a second are exact.
    The file appears as with `write_picture`. Raises `I2IError` when there is no picture or it cannot be written.
    """
    with _complete_or_not_at_all(path) as stream:
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
def _complete_or_not_at_all(path: Path) -> Iterator[BinaryIO]:
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


def _encoded(picture: Image.Image, path: Path, quality: int) -> memoryview:
    """In memory: while Pillow writes to a file, a full disk and a picture that the format cannot hold look alike."""
    file_format, stream = _FORMATS[path.suffix.lower()], io.BytesIO()
    try:
        picture.save(stream, format=file_format, **_settings(file_format, quality))
    except Exception as problem:  # Pillow's writers raise several kinds
        size = f"{picture.width}×{picture.height}"
        cause = "out of memory" if isinstance(problem, MemoryError) else str(problem).strip() or type(problem).__name__
        raise BrokenPicture(path, f"cannot be written ({size} as {file_format}: {cause})") from problem
    return stream.getbuffer()


def _cause(path: Path, problem: OSError) -> str:
    if isinstance(problem, FileExistsError | NotADirectoryError):
        return f"{path.parent} is not a folder"
    return (problem.strerror or str(problem)).lower()


def _writable(image: Image.Image, suffix: str) -> Image.Image:
    if _FORMATS[suffix] in _WITH_ALPHA and image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        return image.convert("RGBA")
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
