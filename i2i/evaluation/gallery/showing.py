"""How pictures get into a page: by a link, converted beside it, or whole inside it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from PIL import Image, ImageFile

from i2i.errors import BrokenPicture
from i2i.images.decode import decoding, upright_parts, without_frames
from i2i.images.encode import write_picture
from i2i.images.limits import Header
from i2i.images.reading import orientation
from i2i.pages.pictures import as_url

KINDS = {
    "JPEG": ("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "PNG": ("image/png", (".png", ".apng")),
    "WEBP": ("image/webp", (".webp",)),
    "GIF": ("image/gif", (".gif",)),
    "BMP": ("image/bmp", (".bmp",)),
    "AVIF": ("image/avif", (".avif",)),
}
"""What browsers show: format → its media type, and the suffixes by which they know it."""
MADE = re.compile(r"[^/\\\0]*-[0-9a-f]{8}\.png|\.i2i-[0-9a-f]+\.part", re.DOTALL)
"""Names of converted pictures, whole or in the making."""
_WEBP_SIDE = 16383
_QUALITY = 90
_STEM_BYTES = 200
"""Of a name that something is put behind: file systems allow 255."""
_CHUNK = 64
"""Pictures handed to the threads at a time."""


@dataclass(frozen=True)
class Shown:
    """A picture as a page has it."""

    address: str
    width: int
    """Of the original as displayed, in pixels."""
    height: int
    made: Path | None = None
    """What had to be written for it."""


@dataclass(frozen=True)
class Way:
    """Where the page is to be, and how pictures get into it."""

    page: Path
    embed: bool = False
    side: int | None = None
    """Pixels that an embedded picture has at most in height and width."""

    @property
    def folder(self) -> Path:
        """Of converted pictures: `gallery_files` beside `gallery.html`."""
        return self.page.with_name(f"{self.page.stem}_files")

    def shown(self, path: Path) -> Shown:
        """Raises `BrokenPicture` where the file cannot be decoded."""
        headers: list[Header] = []
        with decoding(path, examine=headers.append) as image:
            width, height = headers[0].width, headers[0].height
            plain = _is_plain(path, headers[0], image)
            if self.embed:
                return Shown(self._embedded(path, headers[0], image, plain), width, height)
            if plain:
                _require_whole(image)
                return Shown(self.link(path), width, height)
            converted = _upright(image)
        stem = os.fsencode(path.stem)[:_STEM_BYTES].decode(errors="replace")
        made = self.folder / f"{stem}-{_digest(path)}.png"
        write_picture(converted, made)
        return Shown(self.link(made), width, height, made)

    def link(self, path: Path) -> str:
        """The address of a file as seen from the page: relative, or a file's where there is no way from here to there.

        Dots in an address count by its text, so links on the way stay as they are.
        """
        here = os.path.abspath(self.page.parent)  # noqa: PTH100 (resolve follows links)
        try:
            relative = os.path.relpath(os.path.abspath(path), here)  # noqa: PTH100
        except ValueError:  # another drive
            return path.absolute().as_uri()
        return quote(os.fsencode(relative.replace(os.sep, "/")), safe="/")

    def _embedded(self, path: Path, header: Header, image: ImageFile.ImageFile, plain: bool) -> str:
        fits = self.side is None or max(header.width, header.height) <= self.side
        if plain and fits:
            _require_whole(image)
            return as_url(path.read_bytes(), KINDS[header.format][0])
        picture = _upright(image)
        if not fits and self.side is not None:
            picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
        stream = BytesIO()
        if max(picture.size) > _WEBP_SIDE:
            picture.save(stream, "PNG")
            return as_url(stream.getvalue(), "image/png")
        picture.save(stream, "WEBP", lossless=fits, quality=_QUALITY, method=3)
        return as_url(stream.getvalue(), "image/webp")


def all_shown(paths: Iterable[Path], way: Way, threads: int = 4) -> Iterator[tuple[Path, Shown | BrokenPicture]]:
    """Each picture, in their order, or why it cannot be shown."""
    waiting = iter(paths)
    with ThreadPoolExecutor(threads) as pool:
        try:
            while chunk := list(islice(waiting, _CHUNK)):
                yield from zip(chunk, pool.map(_or_broken(way), chunk), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _or_broken(way: Way) -> Callable[[Path], Shown | BrokenPicture]:
    def shown(path: Path) -> Shown | BrokenPicture:
        try:
            return way.shown(path)
        except BrokenPicture as broken:
            return without_frames(broken)

    return shown


def _is_plain(path: Path, header: Header, image: Image.Image) -> bool:
    """Whether every browser shows the file itself as it is meant.

    All turn a JPEG as its EXIF says, and not all turn the others; CMYK they show each in its own way.
    """
    if header.format not in KINDS or path.suffix.lower() not in {suffix for _, own in KINDS.values() for suffix in own}:
        return False
    if header.mode == "CMYK" or (header.format not in ("PNG", "AVIF") and header.bits > 8):
        return False
    turned = image.size != (header.width, header.height) or orientation(image) not in (0, 1)
    return header.format == "JPEG" or not turned


def _require_whole(image: ImageFile.ImageFile) -> None:
    """Decode what is shown as it is: a browser would show half a file as if nothing were missing."""
    image.draft(None, (1, 1))  # a JPEG at an eighth of its size, which is faster
    image.load()


def _upright(image: Image.Image) -> Image.Image:
    """Of 8 bits in sRGB, with its transparency."""
    colours, alpha = upright_parts(image)
    colours.info = {}  # a stale profile would be written out again
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _digest(path: Path) -> str:
    """What tells it from others of the same name, the same each time."""
    return sha256(os.fsencode(os.path.abspath(path))).hexdigest()[:8]  # noqa: PTH100
