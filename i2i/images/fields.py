"""TIFF's lists of fields, of which EXIF is made too: read, mended in place, and laid out anew."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

SHORT, LONG, UNDEFINED, LONG8 = 3, 4, 7, 16
_SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, UNDEFINED: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, LONG8: 8}
_MOST = 2**16 - 1  # of a list's fields
_WORDS = {SHORT: 2, LONG: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes that are swapped together, of the kinds where there are any."""


@dataclass(frozen=True)
class Field:
    """Values of one kind."""

    kind: int
    values: bytes
    """In little-endian order."""

    @classmethod
    def of(cls, kind: int, *numbers: int) -> Field:
        """Numbers of the kinds SHORT, LONG or LONG8."""
        return cls(kind, struct.pack(f"<{len(numbers)}{ {SHORT: 'H', LONG: 'I', LONG8: 'Q'}[kind] }", *numbers))


Fields: TypeAlias = "Mapping[int, Field | Fields]"
"""By their tags; a list in a list is what a field points at."""


@dataclass(frozen=True)
class Entry:
    """A field where it stands in a block."""

    tag: int
    kind: int
    place: int
    """Of its twelve bytes."""
    start: int
    """Of its values."""
    size: int
    """Of its values, in bytes; 0 where they do not lie in the block or are of no known kind."""


class Block:
    """A TIFF structure in memory that can be read and mended. Raises `ValueError` where it is none."""

    def __init__(self, block: bytes) -> None:
        self.bytes = bytearray(block)
        self.order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(block[:4]), "")
        if not self.order or len(block) < 14:
            raise ValueError("no TIFF structure")
        (self.first,) = self._unpacked("I", 4)
        if not self.listed(self.first):
            raise ValueError("no list of fields")

    def listed(self, place: int) -> list[Entry]:
        """The fields of the list at a place; none where it does not lie in the block."""
        count = self._count(place)
        return [self._entry(place + 2 + 12 * number) for number in range(count or 0)]

    def next_to(self, place: int) -> int:
        """The place of the list behind the one at a place, 0 where there is none."""
        at = self._next_at(place)
        return self._unpacked("I", at)[0] if at else 0

    def unlink(self, place: int) -> None:
        """Let the list at a place be the last."""
        if at := self._next_at(place):
            self.bytes[at : at + 4] = bytes(4)

    def below(self, entries: list[Entry], tag: int) -> list[Entry]:
        """The list that the field with a tag points at; none where there is no such field."""
        return [entry for pointer in entries if pointer.tag == tag for entry in self.listed(self.numbers(pointer)[0])]

    def numbers(self, entry: Entry) -> list[int]:
        """The values of a field of the kinds SHORT and LONG; [0] where there are none."""
        code = {SHORT: "H", LONG: "I", 13: "I"}.get(entry.kind)
        if code is None or not entry.size:
            return [0]
        return list(self._unpacked(f"{entry.size // _SIZES[entry.kind]}{code}", entry.start))

    def put(self, entry: Entry, kind: int, number: int) -> None:
        """Let a field have this one value."""
        values = struct.pack(f"{self.order}{'H' if kind == SHORT else 'I'}", number).ljust(4, b"\0")
        packed = struct.pack(f"{self.order}HHI", entry.tag, kind, 1) + values
        self.bytes[entry.place : entry.place + 12] = packed

    def add(self, fields: Mapping[int, Field]) -> None:
        """Let the first list have these fields too, in place of those with their tags; all else stays where it is."""
        kept = [entry for entry in self.listed(self.first) if entry.tag not in fields]
        room = _MOST - len(fields)
        entries = {entry.tag: bytes(self.bytes[entry.place : entry.place + 12]) for entry in kept[:room]}
        after = self.next_to(self.first)
        self.bytes += bytes(len(self.bytes) % 2)
        for tag, field in fields.items():
            count, values = len(field.values) // _SIZES[field.kind], self._ordered(field.kind, field.values)
            if len(values) > 4:
                place = len(self.bytes)
                self.bytes += values + bytes(len(values) % 2)
                values = struct.pack(f"{self.order}I", place)
            entries[tag] = struct.pack(f"{self.order}HHI", tag, field.kind, count) + values.ljust(4, b"\0")
        self.first = len(self.bytes)
        self.bytes += struct.pack(f"{self.order}H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
        self.bytes += struct.pack(f"{self.order}I", after)
        struct.pack_into(f"{self.order}I", self.bytes, 4, self.first)

    def field(self, entry: Entry) -> Field:
        """A field to be laid out elsewhere."""
        return Field(entry.kind, self._ordered(entry.kind, bytes(self.bytes[entry.start : entry.start + entry.size])))

    def _ordered(self, kind: int, values: bytes) -> bytes:
        """Between the block's order and little-endian, either way."""
        word = _WORDS.get(kind, 1)
        if self.order == "<" or word == 1:
            return values
        return b"".join(values[start : start + word][::-1] for start in range(0, len(values), word))

    def _unpacked(self, layout: str, place: int) -> tuple[int, ...]:
        return struct.unpack_from(f"{self.order}{layout}", self.bytes, place)

    def _count(self, place: int) -> int | None:
        if not 8 <= place <= len(self.bytes) - 2:
            return None
        (count,) = self._unpacked("H", place)
        return count if place + 2 + 12 * count <= len(self.bytes) else None

    def _next_at(self, place: int) -> int:
        count = self._count(place)
        at = place + 2 + 12 * (count or 0)
        return at if count is not None and at + 4 <= len(self.bytes) else 0

    def _entry(self, place: int) -> Entry:
        tag, kind, count = struct.unpack_from(f"{self.order}HHI", self.bytes, place)
        size = _SIZES.get(kind, 0) * count
        start = place + 8 if size <= 4 else self._unpacked("I", place + 8)[0]
        return Entry(tag, kind, place, start, size if start + size <= len(self.bytes) else 0)


def laid_out(fields: Fields, place: int, big: bool = False) -> bytes:
    """A list of fields, little-endian, as it stands at `place`, with what does not fit into it behind.

    `big` is BigTIFF's layout, with places of 8 bytes.
    """
    head, room, pointer = ("<Q", 8, LONG8) if big else ("<H", 4, LONG)
    after = place + struct.calcsize(head) + (4 + 2 * room) * len(fields) + room
    entries, behind = [], b""
    for tag, field in sorted(fields.items()):
        if isinstance(field, Mapping):
            inner = laid_out(field, after + len(behind), big)
            field, behind = Field.of(pointer, after + len(behind)), behind + inner + bytes(len(inner) % 2)
        count, values = len(field.values) // _SIZES[field.kind], field.values
        if len(values) > room:
            where = after + len(behind)
            behind += values + bytes(len(values) % 2)
            values = struct.pack("<Q" if big else "<I", where)
        entries.append(struct.pack("<HHQ" if big else "<HHI", tag, field.kind, count) + values.ljust(room, b"\0"))
    return struct.pack(head, len(entries)) + b"".join(entries) + bytes(room) + behind
