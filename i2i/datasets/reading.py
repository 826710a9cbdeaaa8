"""Pictures as datasets read them: decoded no larger than they are wanted, and once only where they are kept on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from PIL import Image

from i2i.datasets.folders import Square
from i2i.datasets.kept import Keeping, Wanted
from i2i.images.decode import decoding, open_picture, parsed_colour, to_tensor, upright_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import ImageFile
    from torch import Tensor

    from i2i.datasets.options import CropOptions, PicturesOptions, SquareOptions

GAP = 4.0
"""A JPEG is decoded at a half, a quarter or an eighth of its size where that is this many times what is wanted: with a
gap of 2, photos were 36 dB from those that are decoded whole."""
Size = tuple[int, int]
"""Width and height."""
Half = int | None
"""0: the left one, 1: the right one; None: the whole picture."""


class Reader:
    """Reads the pictures of one dataset; `wanted` are all that it may read, each as wide and high as it is wanted."""

    def __init__(
        self, options: SquareOptions | PicturesOptions | CropOptions, wanted: Iterable[tuple[Path, Size, Half]]
    ) -> None:
        self.background = options.background
        self.keeping: Keeping | None = None
        if options.cache is not False:
            folder = _users_cache() if options.cache is True else Path(options.cache)
            pictures = (self._wanted(path, size, half) for path, size, half in wanted)
            self.keeping = Keeping(folder, int(options.cache_gigabytes * 2**30), pictures)

    def square(self, path: Path, place: Square, half: Half = None) -> Tensor:
        """What is seen at a place: uint8 (3, side, side). Raises `BrokenPicture`."""
        if place.is_in_long_picture:
            return to_tensor(place.of(_half(open_picture(path, self.background), half)))
        return place.cut(self._read(path, (place.width, place.height), half))

    def whole(self, path: Path, size: Size) -> NDArray[numpy.uint8]:
        """(H, W, 3) of a picture that is as wide and high, not to be written to. Raises `BrokenPicture`."""
        return self._read(path, size, None)

    def _read(self, path: Path, size: Size, half: Half) -> NDArray[numpy.uint8]:
        if self.keeping is None:
            return self._made(path, size, half)
        return self.keeping.get(self._wanted(path, size, half), lambda: self._made(path, size, half))

    def _made(self, path: Path, size: Size, half: Half) -> NDArray[numpy.uint8]:
        with decoding(path) as image:
            if half is None:
                _reduce(image, *size)
            picture = _half(upright_rgb(image, parsed_colour(self.background)), half)
        return numpy.asarray(picture if picture.size == size else picture.resize(size, Image.Resampling.BICUBIC))

    def _wanted(self, path: Path, size: Size, half: Half) -> Wanted:
        return Wanted(path, f"half {half}, on {self.background}", (size[1], size[0], 3))


def _reduce(image: ImageFile.ImageFile, width: int, height: int) -> None:
    """Let a JPEG be decoded at a part of its size; other formats know no such thing."""
    if image.format in ("JPEG", "MPO"):
        lies = (image.width > image.height) != (width > height)  # it will be turned upright
        wanted = (height, width) if lies else (width, height)
        image.draft(image.mode, (round(GAP * wanted[0]), round(GAP * wanted[1])))


def _half(picture: Image.Image, half: Half) -> Image.Image:
    if half is None:
        return picture
    middle = picture.width // 2
    return picture.crop((half * middle, 0, (half + 1) * middle, picture.height))


def _users_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "i2i" / "pictures"
