"""Why a file could not be decoded, told from what Pillow raised and how the file begins."""

from __future__ import annotations

import codecs
import errno
import os
import re
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from i2i.images.heif import heif_is_readable, is_heif
from i2i.images.limits import LIMITS, BeyondLimits, Limits, too_many_pixels

_LONGEST = 200  # letters of what a decoder says
_CUT_OFF = r"truncat|\beof\b|not enough|but only got|end of file"
_SIGNATURES = (
    (rb"\xff\xd8\xff", "a damaged JPEG header"),
    (rb"\x89PNG", "a damaged PNG header"),
    (rb"GIF8", "a damaged GIF header"),
    (rb"RIFF....WEBP", "a damaged WebP header"),
    (rb"II\*\0|MM\0\*", "a damaged TIFF header"),
    (rb"BM", "a damaged BMP header"),
    (rb"P[1-6]\s", "a damaged PPM header"),
    (rb"....ftypavi[fs]", "a damaged AVIF header"),
    (rb"....ftyp(hei|hev|mif1|msf1)", "a damaged HEIC header"),
    (rb"....ftyp", "a video"),
    (rb"....jP  |\xff\x4f\xff\x51", "a damaged JPEG 2000 header"),
    (rb"8BPS", "a Photoshop document"),
    (rb"%PDF", "PDF"),
    (rb"PK\x03\x04", "a zip archive"),
    (rb"version https://git-lfs", "a Git LFS pointer; `git lfs pull` fetches the picture"),
    (rb"\s*(<\?xml[^>]*>)?\s*(<!--.*?-->\s*)?<svg", "SVG"),
    (rb"\s*<(!doctype html|html)", "HTML"),
    (rb"\0*\Z", "nothing but zeros"),
)


def reason_for(path: Path, problem: Exception, limits: Limits = LIMITS) -> str:
    """A few words for a person: what `problem`, raised while `path` was decoded, says about the file."""
    if isinstance(problem, SystemError) and isinstance(problem.__cause__, Exception):  # met by a library in C
        return reason_for(path, problem.__cause__, limits)
    if isinstance(problem, BeyondLimits):
        return str(problem)
    if isinstance(problem, UnidentifiedImageError):
        return _unidentified(path)
    if isinstance(problem, Image.DecompressionBombError):
        return _too_many_pixels(problem, limits)
    if isinstance(problem, MemoryError):
        return "does not fit into memory"
    if isinstance(problem, OSError) and problem.errno == errno.EINVAL:
        return "damaged (it points to places that no file has)"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    if "MAX_TEXT" in str(problem):
        return "too large: texts or a colour profile in it inflate to more than is read of them"
    if isinstance(problem, EOFError) or re.search(_CUT_OFF, str(problem), re.I) or _is_short(path):
        return "truncated"
    return f"damaged ({_in_one_line(str(problem)) or type(problem).__name__})"


def _too_many_pixels(problem: Exception, limits: Limits) -> str:
    """Pillow's own limit, which the user may have set, is looked at before ours."""
    stated = re.search(r"\((\d+) pixels\)", str(problem))
    if stated and int(stated[1]) > limits.pixels:
        return too_many_pixels(int(stated[1]), limits.pixels)
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return f"too large: more than {limit:,} pixels (PIL.Image.MAX_IMAGE_PIXELS sets the limit)"


def _is_short(path: Path) -> bool:
    """Whether a file of blocks ends before the last of them does, of which Pillow says no more than that it failed."""
    start = _start(path)
    webp, boxes = (re.match(sign, start, re.S) for sign in (rb"RIFF....WEBP", rb"....(ftyp|jP  )"))
    if not webp and not boxes:
        return False
    with path.open("rb") as stream:
        length, place = stream.seek(0, os.SEEK_END), 0
        if webp:
            return length < 8 + int.from_bytes(start[4:8], "little")
        while place + 8 <= length:
            stream.seek(place)
            size = int.from_bytes(stream.read(4), "big")
            size = int.from_bytes(stream.read(12)[4:], "big") if size == 1 else size
            if size < 8:  # the last one, up to the end of the file, or damage
                return False
            place += size
        return place != length


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(512)
    except Exception:  # gone meanwhile, in an object store perhaps, or a picture in memory
        return b"\0?"


def _unidentified(path: Path) -> str:
    start = _start(path)
    if not start:
        return "empty file"
    found = next((name for sign, name in _SIGNATURES if re.match(sign, start, re.S | re.I)), None)
    if is_heif(start) and not heif_is_readable():
        found = "HEIC; `pip install 'i2i[heic]'` lets it be read"
    elif found is not None and _is_short(path):
        return "truncated"
    if found is None:
        found = "text" if _is_text(start) else "unknown data"
    return f"not a picture that Pillow can read (found {found})"


def _in_one_line(text: str) -> str:
    """What a decoder says may quote the file."""
    text = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]


def _is_text(start: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)  # incremental: a letter may be cut in two
    except UnicodeDecodeError:
        return False
    return not re.search(r"[\0-\x08\x0e-\x1a\x7f]", text)
