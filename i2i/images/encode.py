"""Pictures to files, each complete or not there at all."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
from PIL import GifImagePlugin, Image, PngImagePlugin

from i2i.disk.drafts import BeforeRename, complete_or_not_at_all
from i2i.errors import BrokenPicture, I2IError
from i2i.images.decode import open_picture
from i2i.images.formats import FORMATS, Encoding, Format, known_suffix
from i2i.images.holding import Held, held
from i2i.images.kinds import Kind
from i2i.images.metadata import NOTHING
from i2i.images.rows import Rows, takes_rows, writer_for
from i2i.images.whole import Whole

PLAIN = Encoding()


def write_picture(image: Image.Image, path: Path, quality: int | None = None) -> None:
    """Write `image` to `path` in the format that the suffix names; missing parent folders are made.

    The file appears under its name when it is complete and on the disk; a failure leaves what was there before.
    `quality`, 1 to 100, is for JPEG and AVIF (with full colour resolution, 4:4:4), WebP and HEIC. Transparency is kept
    where the format has it and composited over white elsewhere.
    Raises `UsageError` for an unknown suffix, `BrokenPicture` when the format cannot hold this picture (a WebP is at
    most 16383 pixels wide), and `I2IError` when the file cannot be written.
    """
    plain = _plain(image, FORMATS[known_suffix(path)])
    levels = numpy.asarray(plain).reshape(plain.height, plain.width, -1)
    write_levels([levels], held(Kind(levels.shape[2]), (plain.height, plain.width), path, Encoding(quality)), path)


def write_whole(
    picture: Whole, path: Path, encoding: Encoding = PLAIN, before_rename: BeforeRename | None = None
) -> list[str]:
    """Write a picture with all that the format can hold; says what that was not, one phrase each.

    Levels of 16 bits go into PNG, TIFF, PGM and PPM, transparency into AVIF, GIF, HEIC, JPEG 2000, PNG, TIFF and WebP;
    it is laid over the encoding's background elsewhere, and GIF knows no half of it. Colours that were brought to sRGB
    go back to those of their profile where the format takes that. EXIF, XMP and the resolution are kept likewise.
    `before_rename` is given the complete draft before the file appears. Otherwise as `write_picture`.
    """
    height, width = picture.values.shape[-2:]
    holding = held(picture.kind, (height, width), path, encoding)
    phrases = holding.phrases(holding.is_told_lost(picture.values))
    return phrases + write_levels(holding.rows(picture.values), holding, path, before_rename)


def write_levels(
    rows: Iterable[Rows], holding: Held, path: Path, before_rename: BeforeRename | None = None
) -> list[str]:
    """Write the rows of a picture as its file has them; says what more was lost, one phrase each."""
    if takes_rows(holding) and not (holding.format.name == "PNG" and holding.bits == 8):  # Pillow packs that tighter
        with complete_or_not_at_all(path, before_rename) as stream:
            writer = writer_for(stream, holding)
            for part in rows:
                writer.write(part)
            writer.finish()
        return []
    contents, lost = _encoded(_image(rows, holding), holding, path)
    with complete_or_not_at_all(path, before_rename) as stream:
        stream.write(contents)
    return lost


def write_copy(source: Path, path: Path, before_rename: BeforeRename | None = None) -> None:
    """Write what the file `source` holds, byte for byte. The file appears as with `write_whole`."""
    # a source that has gone is not a target that cannot be written
    with source.open("rb") as contents, complete_or_not_at_all(path, before_rename) as stream:
        shutil.copyfileobj(contents, stream, 1 << 20)


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


def _plain(image: Image.Image, form: Format) -> Image.Image:
    """Of mode L, LA, RGB or RGBA, as the format has it; what it does not hold is brought to sRGB over white."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") and 4 in form.kinds:
        return image.convert("LA" if image.mode in ("LA", "La") and 2 in form.kinds else "RGBA")
    bare = not image.has_transparency_data and not {"exif", "icc_profile"} & image.info.keys()
    plain = image if bare and image.mode in ("L", "RGB") else open_picture(image)
    wanted = "L" if form.kinds == {1} else plain.mode if 1 in form.kinds else "RGB"
    return plain.convert(wanted)


def _image(rows: Iterable[Rows], holding: Held) -> Image.Image:
    """As Pillow's writer of the format takes it."""
    levels, top = numpy.empty((holding.height, holding.width, holding.channels), numpy.uint8), 0
    for part in rows:
        levels[top : top + len(part)] = part
        top += len(part)
    image = Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)
    if holding.suffix == ".pbm":
        return image.convert("1")
    if holding.format.name == "GIF" and image.mode == "RGBA":
        image.putalpha(image.getchannel("A").point(lambda alpha: 255 * (alpha > 127)))
    return image


def _encoded(image: Image.Image, holding: Held, path: Path) -> tuple[memoryview, list[str]]:
    """In memory: while Pillow writes to a file, a full disk and a picture that the format cannot hold look alike."""
    try:
        return _saved(image, holding), []
    except Exception as problem:  # Pillow's writers raise several kinds
        bare = replace(holding, metadata=NOTHING)
        if bare != holding:
            contents, _ = _encoded(image, bare, path)
            return contents, [f"EXIF and XMP left out, as the writer of {holding.format.name} refused them ({problem})"]
        what = f"{image.width}×{image.height} as {holding.format.name}"
        cause = "out of memory" if isinstance(problem, MemoryError) else str(problem).strip() or type(problem).__name__
        raise BrokenPicture(str(path), f"cannot be written ({what}: {cause})") from problem


def _saved(image: Image.Image, holding: Held) -> memoryview:
    stream, settings = io.BytesIO(), {**(holding.format.settings or {}), **_told(holding)}
    if holding.quality is not None:
        settings["quality"] = holding.quality
    if holding.format.name == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(image).save(stream, **settings)
    else:
        image.save(stream, format=holding.format.name, **settings)
    return stream.getbuffer()


def _told(holding: Held) -> dict[str, Any]:
    """What goes beside the pixels, as Pillow's writers want to be told."""
    metadata, told = holding.metadata, dict[str, Any]()
    if holding.profile:
        told["icc_profile"] = holding.profile
    if metadata.dpi:
        told["dpi"] = metadata.dpi
    if metadata.exif:
        told["exif"] = b"Exif\0\0" + metadata.exif
    if metadata.xmp and holding.format.name == "PNG":
        told["pnginfo"] = PngImagePlugin.PngInfo()
        told["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "surrogateescape"))
    elif metadata.xmp:
        told["xmp"] = metadata.xmp
    return told
