"""Pictures inside a page."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from PIL import Image


def data_url(picture: Image.Image, side: int | None = None, quality: int | None = None) -> str:
    """A picture as the address that holds it: PNG, or WebP of a quality from 1 to 100.

    One larger than `side` pixels in height or width is made smaller first.
    """
    picture = _shown(picture)
    if side is not None and max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = BytesIO()
    if quality is None:
        picture.save(stream, "PNG", compress_level=6)
        return as_url(stream.getvalue(), "image/png")
    picture.save(stream, "WEBP", quality=quality, method=3)
    return as_url(stream.getvalue(), "image/webp")


def _shown(picture: Image.Image) -> Image.Image:
    """In a mode that browsers show: of 16 bits the upper 8."""
    if picture.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("L", "RGB", "RGBA"):
        return picture
    return picture.convert("RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB")


def as_url(content: bytes, kind: str) -> str:
    """Bytes of a media type such as `image/png` as the address that holds them (RFC 2397)."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
