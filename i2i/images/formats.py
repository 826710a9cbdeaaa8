"""Formats that pictures are written in, and what each can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from i2i.errors import BrokenPicture, UsageError


@dataclass(frozen=True)
class Format:
    """What a format holds as it is written here."""

    name: str
    """As Pillow calls it."""
    side: int = 2**31 - 1
    """The most pixels across, and down."""
    pixels: int | None = None
    """The most in all, where that is less."""
    kinds: frozenset[int] = frozenset({1, 2, 3, 4})
    """Numbers of channels: grey, grey and alpha, RGB, RGB and alpha."""
    deep: bool = False
    """Whether it takes levels of 16 bits."""
    exact: bool = True
    profile: bool = True
    described: bool = True
    """Whether it takes EXIF and XMP."""
    dpi: bool = False
    block: int | None = None
    """The most bytes of EXIF, and nearly of XMP."""
    quality: int | None = None
    """What it takes to look like the picture, of 100."""
    settings: Mapping[str, Any] | None = None
    """What else Pillow is told."""


_OPAQUE, _NO_GREY = frozenset({1, 3}), frozenset({3, 4})
_BMP = Format("BMP", pixels=2**32 // 3 - 1024, kinds=_OPAQUE, profile=False, described=False, dpi=True)
# JPEG's quality is of full colour resolution. AVIF's and HEIC's were chosen by their error on photographs of BSDS500,
# where it is less than that of WebP's; readers of HEIC seldom know full colour resolution.
_AVIF = Format(
    "AVIF", 32768, 2**28, kinds=frozenset({1, 3, 4}), exact=False, quality=90, settings={"subsampling": "4:4:4"}
)
_GIF = Format("GIF", 65535, kinds=frozenset({1, 3, 4}), exact=False, profile=False, described=False)
_HEIC = Format("HEIF", 32768, kinds=frozenset({1, 3, 4}), exact=False, quality=90)
_JPEG = Format(
    "JPEG", 65500, kinds=_OPAQUE, exact=False, dpi=True, block=65533, quality=95, settings={"subsampling": "4:4:4"}
)
_JPEG2000 = Format("JPEG2000", profile=False, described=False)
_CODESTREAM = replace(_JPEG2000, settings={"no_jp2": True})
_PNG = Format("PNG", deep=True, dpi=True, settings={"compress_level": 4})
_TIFF = Format("TIFF", deep=True, dpi=True)
_WEBP = Format("WEBP", 16383, kinds=_NO_GREY, exact=False, quality=95)

FORMATS: Mapping[str, Format] = {
    ".apng": _PNG,
    ".avif": _AVIF,
    ".bmp": _BMP,
    ".dib": _BMP,
    ".gif": _GIF,
    ".heic": _HEIC,
    ".heif": _HEIC,
    ".hif": _HEIC,
    ".j2k": _CODESTREAM,
    ".jfif": _JPEG,
    ".jp2": _JPEG2000,
    ".jpe": _JPEG,
    ".jpeg": _JPEG,
    ".jpf": _JPEG2000,
    ".jpg": _JPEG,
    ".pbm": Format("PPM", kinds=frozenset({1}), exact=False, profile=False, described=False),
    ".pgm": Format("PPM", kinds=frozenset({1}), deep=True, profile=False, described=False),
    ".png": _PNG,
    ".pnm": Format("PPM", kinds=_OPAQUE, deep=True, profile=False, described=False),
    ".ppm": Format("PPM", kinds=frozenset({3}), deep=True, profile=False, described=False),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".webp": _WEBP,
}
"""By the suffixes that they are written under."""
WRITABLE: Mapping[str, str] = {suffix: form.name for suffix, form in FORMATS.items()}
"""Suffixes and the formats, as Pillow names them, that are written under them."""
INEXACT = frozenset(suffix for suffix, form in FORMATS.items() if not form.exact)
"""Suffixes of formats that, as they are written here, give other pixels back."""
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "avif": ".avif", "heic": ".heic"}


@dataclass(frozen=True)
class Encoding:
    """How pictures are written."""

    quality: int | None = None
    """1 to 100, of JPEG, WebP, AVIF and HEIC; None: what each needs to look like the picture."""
    background: str = "white"
    """A Pillow colour, over which transparency is laid that a format cannot hold."""


def suffix_for(format_name: str) -> str:
    """The suffix of a format by its name here: png, jpeg, webp, tiff, avif or heic. Raises `UsageError` for another."""
    if format_name not in _SUFFIXES:
        raise UsageError(f"no such format: {format_name!r} (one of {', '.join(_SUFFIXES)})")
    return _SUFFIXES[format_name]


def known_suffix(path: Path | str) -> str:
    """The suffix of a path, or a suffix alone, in small letters.

    Raises `UsageError` where no format is written under it, and where a package is missing that writes it.
    """
    suffix = Path(f"-{path}").suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path}: no format for the suffix {suffix!r} (one of {', '.join(sorted(FORMATS))})")
    if FORMATS[suffix].name == "HEIF" and find_spec("pillow_heif") is None:
        raise UsageError(f"{path}: HEIC needs the package pillow-heif; pip install 'i2i[heic]'")
    return suffix


def require_fitting(path: Path | str, width: int, height: int) -> None:
    """Raise `BrokenPicture` where the format of a path, or of a suffix alone, holds no picture of so many pixels."""
    form = FORMATS[known_suffix(path)]
    most = f"{form.side:,} pixels a side" if max(width, height) > form.side else ""
    if not most and form.pixels is not None and width * height > form.pixels:
        most = f"{form.pixels:,} pixels"
    if most:
        cause = f"it holds at most {most}; PNG and TIFF hold more"
        raise BrokenPicture(str(path), f"cannot be written ({width}×{height} as {form.name}: {cause})")
