"""What a file says of its picture beside the pixels: EXIF, XMP and resolution."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from PIL import ExifTags, Image, TiffImagePlugin

from i2i.images.exif import DESCRIPTIVE, RELATED, mended, sane, sized, told_resolution

_XMP_NUMBER = r"(\b(?:tiff|exif):{}(?:\s*=\s*[\"']|\s*>\s*))\d+"


@dataclass(frozen=True)
class Metadata:
    """What a picture carries from file to file; whatever speaks of how its file was laid out is made right."""

    exif: bytes | None = None
    """A TIFF structure, without `Exif\\0\\0` in front; its orientation is 1 and it holds no thumbnail."""
    xmp: bytes | None = None
    """An XML packet; its orientation is 1 and it holds no thumbnail."""
    dpi: tuple[float, float] | None = None
    """Pixels an inch across and down."""

    def sized(self, width: int, height: int) -> Metadata:
        """With this size wherever a size is told."""
        return replace(self, exif=self.exif and sized(self.exif, width, height), xmp=self._sized_xmp(width, height))

    def _sized_xmp(self, width: int, height: int) -> bytes | None:
        xmp = self.xmp
        for names, size in (("(?:ImageWidth|PixelXDimension)", width), ("(?:ImageLength|PixelYDimension)", height)):
            xmp = xmp and _numbered(xmp, names, size)
        return xmp


NOTHING = Metadata()


def metadata_of(image: Image.Image) -> Metadata:
    """What a decoded picture says of itself; what is damaged is left out."""
    exif, xmp = _exif_of(image), image.info.get("xmp")
    if isinstance(xmp, str):
        xmp = xmp.encode()
    dpi = sane(image.info.get("dpi")) or (told_resolution(exif) if exif else None)
    return Metadata(exif, _mended_xmp(xmp) if isinstance(xmp, bytes) and xmp else None, dpi)


def _exif_of(image: Image.Image) -> bytes | None:
    try:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            exif: Any = _exif_of_tiff(image)
        else:
            exif = image.info.get("exif") or _exif_in_text(image.info.get("Raw profile type exif"))
        return mended(re.sub(rb"^(Exif\0\0)+", b"", exif)) if exif else None
    except Exception:  # whatever a damaged block makes of its reader
        return None


def _exif_of_tiff(image: TiffImagePlugin.TiffImageFile) -> bytes | None:
    told, exif = image.getexif(), Image.Exif()
    for tag in DESCRIPTIVE & set(told):
        exif[tag] = told[tag]
    for tag in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if below := {key: value for key, value in told.get_ifd(tag).items() if key != RELATED}:
            exif[tag] = below
    return exif.tobytes() if len(exif) else None


def _exif_in_text(text: object) -> bytes | None:
    """Of a PNG whose writer knew no other place: a name, a length and hexadecimal digits, in lines."""
    return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else None


def _mended_xmp(xmp: bytes) -> bytes:
    upright = _numbered(xmp.rstrip(b"\0"), "Orientation", 1)
    bare = re.sub(rb"<xmp:Thumbnails\b.*?</xmp:Thumbnails>", b"", upright, flags=re.DOTALL)
    return re.sub(rb"\s*xmpNote:HasExtendedXMP\s*=\s*(\"[^\"]*\"|'[^']*')", b"", bare)


def _numbered(xmp: bytes, names: str, number: int) -> bytes:
    """With a number in place of those of the properties of TIFF and EXIF with these names."""
    return re.sub(_XMP_NUMBER.format(names).encode(), rb"\g<1>%d" % number, xmp)
