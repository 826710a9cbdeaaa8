"""Colours of an ICC profile to sRGB, and back."""

from __future__ import annotations

import functools
import io

import numpy
from PIL import Image, ImageCms

_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
_MODE_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_NAMES = {b"GRAY": "grey", b"RGB ": "RGB", b"CMYK": "CMYK"}
_PROBE_MOVED = 2  # levels of 8 bits that sRGB's own profiles, of which there are many, may differ by
Transform = ImageCms.ImageCmsTransform


def fits(profile: bytes | None, channels: int) -> bool:
    """Whether there is an ICC profile and it is one of so many channels, alpha counting too."""
    return bool(profile) and profile[16:20] == _SPACES[channels]  # type: ignore[index]


@functools.lru_cache(maxsize=8)
def to_srgb(profile: bytes, mode: str) -> Transform | None:
    """From the profile's colours, L, RGB or CMYK, to sRGB.

    None when it is sRGB already, is broken, or is not meant for `mode`.
    """
    transform = _transform(profile, mode, inverse=False)
    return None if transform is None or (mode == "RGB" and _moves_nothing(transform)) else transform


@functools.lru_cache(maxsize=8)
def from_srgb(profile: bytes) -> Transform | None:
    """From sRGB to a profile's colours, RGB; None where it knows no way there."""
    return _transform(profile, "RGB", inverse=True)


@functools.lru_cache(maxsize=8)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile is one of RGB, can be used, and leaves the colours of sRGB where they are."""
    return _transform(profile, "RGB", inverse=False) is not None and to_srgb(profile, "RGB") is None


def is_usable(profile: bytes, mode: str) -> bool:
    """Whether a profile says what the colours of a picture, L, RGB or CMYK, mean; one of RGB says so of greys too."""
    return is_srgb(profile) or any(to_srgb(profile, colours) is not None for colours in (mode, "RGB"))


def why_unusable(profile: bytes | None, mode: str) -> str:
    """What keeps a profile from saying so."""
    meant = profile[16:20] if profile else b""
    if meant in _NAMES and meant != _MODE_SPACES[mode]:
        return f"it is meant for {_NAMES[meant]}"
    return "it is damaged or of an unknown kind"


def _transform(profile: bytes, mode: str, inverse: bool) -> Transform | None:
    if profile[16:20] != _MODE_SPACES[mode]:
        return None
    try:
        theirs, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        if inverse:
            return ImageCms.buildTransform(srgb, theirs, "RGB", mode)
        return ImageCms.buildTransform(theirs, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _moves_nothing(transform: Transform) -> bool:
    """A probe, since a profile's name proves nothing."""
    levels = numpy.linspace(0, 255, 9).round().astype(numpy.uint8)
    probe = numpy.stack(numpy.meshgrid(levels, levels, levels), axis=-1).reshape(27, 27, 3)
    moved = numpy.asarray(transform.apply(Image.fromarray(probe))).astype(int) - probe
    return bool(numpy.abs(moved).max() <= _PROBE_MOVED)
