"""What translations are called: one rule, and no two of a folder alike."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from i2i.errors import UsageError
from i2i.images.folders import PICTURE_SUFFIXES


@dataclass(frozen=True)
class Naming:
    """How a translation is to be called after its picture.

    Raises `UsageError` for a suffix that is no part of a file's name, or is a file format's.
    """

    suffix: str = ""
    """What is put behind the name, before the file format's suffix: with `_large` photo.jpg becomes photo_large.jpg."""
    format: str | None = None
    """File format to write: png, jpeg, webp, tiff, avif; None or `same`: that of each picture."""

    def __post_init__(self) -> None:
        if found := [mark for mark in ("/", "\\", "\0") if mark in self.suffix]:
            raise UsageError(f"--suffix {self.suffix!r}: holds {found[0]!r}, and is to be a part of a file's name")
        if self.suffix.lower() in PICTURE_SUFFIXES:
            raise UsageError(f"--suffix {self.suffix}: is a file format's; --format says which to write")


@dataclass(frozen=True)
class Names:
    """`Naming`, with what can be written."""

    naming: Naming
    writable: Mapping[str, str]
    """Suffix → file format, of every suffix that can be written."""
    chosen: str = ""
    """The suffix to write; empty: that of each picture."""

    def can_write(self, name: str) -> bool:
        """Whether the translation of this picture has a format that can be written."""
        return bool(self.chosen) or _parts(name)[1].lower() in self.writable

    def of(self, pictures: Iterable[str], folders: Iterable[str]) -> dict[str, str]:
        """The names of the translations of one folder's pictures; `folders` are the names of the folders beside them.

        Where two would be equal, be it but for upper and lower case, each keeps its old suffix in front of the new one:
        x.jpg and x.png become x.jpg.webp and x.png.webp. Names that were equal but for upper and lower case, and are
        still two, stay so. A picture that keeps its file format keeps its suffix, .jpeg as well as .jpg.
        """
        if not self.chosen and not self.naming.suffix:
            return {name: name for name in pictures}
        named = {name: self._name(name) for name in pictures}
        taken = {folded(name) for name in folders}
        while clashing := _clashing(named, taken) - {name for name, new in named.items() if new == self._longer(name)}:
            named |= {name: self._longer(name) for name in clashing}
        return named

    def _name(self, name: str) -> str:
        stem, suffix = _parts(name)
        return f"{stem}{self.naming.suffix}{self._suffix(suffix)}"

    def _longer(self, name: str) -> str:
        stem, suffix = _parts(name)
        return f"{stem}{self.naming.suffix}{suffix}{self._suffix(suffix)}"

    def _suffix(self, old: str) -> str:
        if not self.chosen or self.writable.get(old.lower()) == self.writable[self.chosen]:
            return old
        return self.chosen


def folded(name: str) -> str:
    """What becomes of a name on a disk where upper and lower case, and both spellings of an accent, are the same."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _clashing(named: Mapping[str, str], taken: set[str]) -> set[str]:
    """Pictures whose names meet that of another picture or of a folder."""
    owners: dict[str, list[str]] = {}
    for name, new in named.items():
        owners.setdefault(folded(new), []).append(name)
    return {
        name
        for new, names in owners.items()
        if new in taken or len({named[name] for name in names}) < len(names) or len(set(map(folded, names))) > 1
        for name in names
    }


def _parts(name: str) -> tuple[str, str]:
    """Stem and suffix of a picture's name, of which only the last dot counts."""
    suffix = PurePosixPath(name).suffix
    return name.removesuffix(suffix), suffix
