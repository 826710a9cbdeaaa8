"""What clients call their files: labels that are shown and handed back, never paths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import quote

from i2i.images.folders import PICTURE_SUFFIXES
from i2i.inference.places.naming import folded

LONGEST = 120
"""Characters of a label."""
_RESERVED = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')


def label_of(name: str) -> str:
    """A file name that is one on any system, as near as can be to what a client sent.

    >>> label_of("../../etc/passwd"), label_of("C:\\\\photos\\\\a b.JPG"), label_of(" .. ")
    ('passwd', 'a b.JPG', 'picture')
    """
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(sign if sign.isprintable() else "_" for sign in unicodedata.normalize("NFC", last))
    shown = _RESERVED.sub("_", shown.encode("utf-8", "replace").decode()).strip(". ")
    stem, suffix = split(shown)
    while len(f"{stem}{suffix}".encode()) > LONGEST:
        stem = stem[:-1] if stem else stem
        suffix = suffix if stem else suffix[: len(suffix) // 2]
    return f"{stem.rstrip('. ')}{suffix}" if stem.strip(". ") else f"picture{suffix if suffix != shown else ''}"


def short(text: str, most: int = 80) -> str:
    """A text in one line of at most so many letters.

    >>> short("a\\nb"), short("long", 3)
    ('a?b', 'lo…')
    """
    shown = "".join(sign if sign.isprintable() else "?" for sign in text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def split(name: str) -> tuple[str, str]:
    """Stem and suffix, of which only the last dot counts.

    >>> split("a.b.png"), split("a")
    (('a.b', '.png'), ('a', ''))
    """
    stem, dot, suffix = name.rpartition(".")
    return (stem, f".{suffix}") if dot else (name, "")


def suffix_of(label: str) -> str:
    """The suffix that a file is kept under: its own where it is a picture's, else that of PNG."""
    suffix = split(label)[1].lower()
    return suffix if suffix in PICTURE_SUFFIXES else ".png"


def told_apart(labels: Sequence[str]) -> list[str]:
    """The same where no two are alike, be it but for upper and lower case; else with a number.

    >>> told_apart(["a.png", "A.png", "a.png"])
    ['a.png', 'A (2).png', 'a (3).png']
    """
    taken: set[str] = set()
    apart = []
    for label in labels:
        stem, suffix = split(label)
        new, number = label, 1
        while folded(new) in taken:
            number += 1
            new = f"{stem} ({number}){suffix}"
        taken.add(folded(new))
        apart.append(new)
    return apart


def attachment(label: str) -> str:
    """The header `Content-Disposition` for a file of this name (RFC 6266, RFC 8187).

    >>> attachment("Käse.png")
    'attachment; filename="K_se.png"; filename*=UTF-8\\'\\'K%C3%A4se.png'
    """
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", label)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(label, safe='')}"
