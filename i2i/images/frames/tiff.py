"""The pages of a TIFF file: where they lie, and how one is written behind another."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from i2i.errors import BrokenPicture
from i2i.images.frames.sequence import FrameLost, Frames, Layout
from i2i.images.holding import Held
from i2i.images.parts import Altered, Part
from i2i.images.rows import Rows, TiffRows

_KIND, _WIDTH, _HEIGHT, _ORIENTATION = 254, 256, 257, 274
_BESIDE = 1 | 4  # kinds of a page: another one at less resolution, and the mask of one
_NUMBERS = {3: "H", 4: "I", 16: "Q"}  # SHORT, LONG, LONG8


@dataclass(frozen=True)
class TiffPage:
    """Where a page is told of."""

    place: int
    link: int
    """Where the place of the next one stands."""
    width: int
    """As displayed, in pixels."""
    height: int


@dataclass(frozen=True)
class TiffLayout(Layout):
    """With where each page lies."""

    form: str = "<I"
    """How a place is written."""
    pages: tuple[TiffPage, ...] = ()

    def alone(self, path: Path, number: int) -> Path:
        """One page as if there were no other."""
        page, word = self.pages[number], struct.calcsize(self.form)
        changes = {word: struct.pack(self.form, page.place), page.link: bytes(word)}
        return cast("Path", Part(path, lambda: io.BufferedReader(Altered(path.open("rb"), changes))))


def tiff_layout(file: IO[bytes]) -> TiffLayout:
    """Of a TIFF or BigTIFF file (TIFF 6.0, section 2). What lies beside a page is none.

    Raises `FrameLost` where the file ends within the directory of a page.
    """
    start = file.read(4)
    order, big = "<" if start[:2] == b"II" else ">", 43 in start[2:]
    form, head = (order + "Q", order + "Q") if big else (order + "I", order + "H")
    link, seen, pages = 8 if big else 4, set[int](), list[TiffPage]()
    while (place := _number(file, form, link, len(pages))) and place not in seen:
        seen.add(place)
        count = _number(file, head, place, len(pages))
        entries = place + struct.calcsize(head)
        told = _told(_read(file, entries, count * (20 if big else 12), len(pages)), order, big)
        link = entries + count * (20 if big else 12)
        width, height = told.get(_WIDTH, 0), told.get(_HEIGHT, 0)
        if told.get(_ORIENTATION, 1) > 4:
            width, height = height, width
        if not pages or not told.get(_KIND, 0) & _BESIDE:
            pages.append(TiffPage(place, link, width, height))
    largest = max(pages, key=lambda page: page.width * page.height)
    return TiffLayout(Frames(len(pages), pages=True), (largest.width, largest.height), form, tuple(pages))


def write_tiff(pages: Iterable[tuple[Held, Rows]], file: BinaryIO, big: bool, path: Path) -> None:
    """Write pages as they come, each with its own size, kind and metadata; `big` as BigTIFF, for more than 4 GiB.

    `file` is open for reading too. Raises `BrokenPicture` where more comes than a TIFF holds that is not `big`.
    """
    link, form = 0, "<Q" if big else "<I"
    for held, rows in pages:
        file.seek(0, os.SEEK_END)
        file.write(bytes(file.tell() % 2))
        ending = _Ending(file)
        writer = TiffRows(cast("BinaryIO", ending), held)
        writer.big = big
        try:
            writer.write(rows)
            writer.finish()
        except struct.error as problem:
            raise BrokenPicture(
                str(path), "cannot be written (its pages take more than the 4 GiB of a TIFF)"
            ) from problem
        file.seek(link)
        file.write(ending.header[struct.calcsize(form) :] if link else ending.header)
        (place,) = struct.unpack(form, ending.header[struct.calcsize(form) :])
        head, entry = ("<Q", 20) if big else ("<H", 12)
        file.seek(place)
        link = place + struct.calcsize(head) + entry * struct.unpack(head, file.read(struct.calcsize(head)))[0]


class _Ending:
    """The end of a file, where a page's writer would put the header of a file with no other pages at its start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._back = file, False
        self.header = b""

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, place: int) -> None:
        self._back = True

    def write(self, contents: bytes) -> None:
        if self._back:
            self.header = contents
        else:
            self._file.write(contents)


def _read(file: IO[bytes], place: int, length: int, before: int) -> bytes:
    file.seek(place)
    found = file.read(length)
    if len(found) < length:
        raise FrameLost(before + 1, name="page")
    return found


def _number(file: IO[bytes], form: str, place: int, before: int) -> int:
    (number,) = struct.unpack(form, _read(file, place, struct.calcsize(form), before))
    return int(number)


def _told(entries: bytes, order: str, big: bool) -> dict[int, int]:
    """The numbers of a directory, by tag, of the fields that hold a single one."""
    told = {}
    for tag, kind, count, value in struct.iter_unpack(order + ("HHQ8s" if big else "HHI4s"), entries):
        if count == 1 and kind in _NUMBERS:
            (told[tag],) = struct.unpack_from(order + _NUMBERS[kind], value)
    return told
