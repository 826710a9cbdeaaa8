"""Pictures as every browser shows them, no larger than a screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import BrokenPicture, I2IError
from i2i.images.decode import upright_rgb
from i2i.images.limits import BeyondLimits, Limits, too_many_pixels
from i2i.images.reading import decoding, orientation
from i2i.serving.refusals import Refused, unwritten

SIDE = 2048
"""Pixels at most; larger pictures are made smaller."""
EXACT = 512 * 512
"""Pixels up to which nothing is lost."""
SENT_PIXELS = 64_000_000
ANSWER_PIXELS = 256_000_000
"""Held for it at most; pictures that clients send may need several times the memory for each."""


def preview(path: Path, folder: Path, limits: Limits, most: int, grew: Callable[[int], object]) -> Path:
    """A file to show instead of the picture in `path`, made in `folder` when it is first asked for.

    No more than `most` pixels are held for it. `grew` is told of its bytes; where it raises, there is none.
    Raises `Refused` where the picture cannot be read, or is too large for that.
    """
    made = folder / f"{path.parent.name}-{path.stem}.webp"
    if not made.exists():
        _write(path, made, limits, most)
        try:
            grew(made.stat().st_size)
        except BaseException:
            made.unlink()
            raise
    return made


def can_be_shown(path: Path, limits: Limits, most: int) -> bool:
    """Whether `preview` makes one, as far as the header tells."""
    try:
        with decoding(path, limits) as image:
            _require_fitting(image, most)
    except (BrokenPicture, OSError):
        return False
    return True


def _write(path: Path, made: Path, limits: Limits, most: int) -> None:
    if not path.is_file():
        raise Refused(404, "there is no such picture any more")
    try:
        with decoding(path, limits) as image:
            _require_fitting(image, most)
            shown = upright_rgb(_smaller(image))
    except BrokenPicture as broken:
        raise Refused(422, f"cannot be shown: {broken.reason}") from broken
    if max(shown.size) > SIDE:
        shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    try:
        with complete_or_not_at_all(made) as stream:
            shown.save(stream, "WEBP", quality=90, method=2, lossless=shown.width * shown.height <= EXACT)
    except (OSError, I2IError) as error:
        raise unwritten(error) from error


def _require_fitting(image: Image.Image, most: int) -> None:
    """JPEG is decoded to a part of its size at once; other pictures are held whole."""
    image.draft(None, (SIDE, SIDE))
    if image.width * image.height > most:
        raise BeyondLimits(too_many_pixels(image.width * image.height, most))


def _smaller(image: Image.Image) -> Image.Image:
    """The same before its colours are looked at, so that they take less memory, if it is far too large."""
    factor = max(image.size) // (2 * SIDE)
    is_plain = image.mode in ("L", "RGB", "RGBA") and "transparency" not in image.info and orientation(image) == 1
    if factor < 2 or not is_plain:
        return image
    return image.reduce((min(factor, image.width), min(factor, image.height)))
