"""What the levels of an opened picture mean, by the colour profile that came with it."""

from __future__ import annotations

from PIL import Image

from i2i.images.colour import Transform, fits, from_srgb, is_srgb, is_usable, to_srgb, why_unusable
from i2i.images.kinds import EIGHT_BITS, Colours, Levels

GREY = ("1", "L", "LA", "La")
"""Pillow's modes of greys of up to 8 bits."""


def stored_as(image: Image.Image) -> str:
    """Of what kind the levels of an opened picture are: L, RGB or CMYK; those of a palette are RGB."""
    if image.mode in GREY or image.mode[0] in "IF":
        return "L"
    return "CMYK" if image.mode == "CMYK" else "RGB"


def is_moved(image: Image.Image, stored: str) -> bool:
    """Whether the levels of an opened picture, L, RGB or CMYK, mean other colours than those of sRGB."""
    profile: bytes | None = image.info.get("icc_profile")
    return profile is not None and is_usable(profile, stored) and not is_srgb(profile)


def meaning(image: Image.Image, grey: bool, colours: Colours) -> tuple[Levels, Transform | None]:
    """What levels of 8 bits will mean, and how they come to do so; neither a profile nor a way: as sRGB."""
    image.load()  # PNG allows a profile's chunk nowhere else, but some formats tell their palette only then
    stored = stored_as(image)
    profile = _fitting(image, channels=1 if grey else 3) if stored != "CMYK" else None
    if profile is not None and colours == "as-stored":
        return Levels(profile=profile), None
    if left_out := _left_out(image, stored, is_used=is_usable(image.info.get("icc_profile") or b"", stored)):
        return Levels(left_out=left_out), None
    if profile is None or colours == "srgb" or grey:
        return EIGHT_BITS, None
    if is_srgb(profile):
        return Levels(profile=profile), None
    if (transform := to_srgb(profile, "RGB")) is None or from_srgb(profile) is None:
        return EIGHT_BITS, None
    return Levels(profile=profile, from_srgb=True), transform


def deep_meaning(image: Image.Image, channels: int, colours: Colours) -> Levels:
    """What levels of 16 bits mean: they are not converted."""
    profile = _fitting(image, channels) if colours != "srgb" else None
    is_used = profile is not None or is_srgb(image.info.get("icc_profile") or b"")
    return Levels(16, profile, left_out=_left_out(image, "L" if channels <= 2 else "RGB", is_used))


def _fitting(image: Image.Image, channels: int) -> bytes | None:
    """The profile, if it is one of so many channels, alpha counting too."""
    profile: bytes | None = image.info.get("icc_profile")
    return profile if fits(profile, channels) else None


def _left_out(image: Image.Image, stored: str, is_used: bool) -> str:
    """Why a profile is not used, where there is one and that is so; None stands for one that could not be read."""
    return "" if is_used or "icc_profile" not in image.info else why_unusable(image.info["icc_profile"], stored)
