"""The pictures of a HEIC file, written."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from i2i.errors import BrokenPicture
from i2i.images.holding import Held
from i2i.images.rows import Rows


def write_heif(pages: Iterable[tuple[Held, Rows]], file: BinaryIO, path: Path) -> None:
    """Write pages, each with its own size, kind and metadata; all of them are held until the last has come.

    Raises `BrokenPicture` where the encoder refuses them.
    """
    import pillow_heif

    document, quality = pillow_heif.HeifFile(), None
    for holding, rows in pages:
        image = Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)
        told = holding.metadata
        beside = {"icc_profile": holding.profile, "exif": told.exif and b"Exif\0\0" + told.exif, "xmp": told.xmp}
        image.info = {name: block for name, block in beside.items() if block}
        document.add_from_pillow(image)
        quality = holding.quality
    stream = io.BytesIO()
    try:
        document.save(stream, quality=quality, primary_index=0)
    except Exception as problem:  # libheif's writer raises several kinds
        raise BrokenPicture(str(path), f"cannot be written ({len(document)} pages as HEIC: {problem})") from problem
    file.write(stream.getbuffer())
