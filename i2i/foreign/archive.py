"""What a file that torch is said to have saved looks like from outside, before torch opens it. Imports no torch."""

from __future__ import annotations

import struct
import tarfile
import zipfile
from typing import BinaryIO

MOST_ENTRIES = 100_000
MOST_PICKLE_BYTES = 16 * 2**20
"""Of `data.pkl`, which only names tensors: some hundred bytes each."""

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
LOCAL = struct.Struct("<4s22xHH")
"""Of an entry: signature, lengths of its name and of what is behind that."""
END = struct.Struct("<4s16xH")
"""Of a zip's last 22 bytes: signature, length of the comment."""
ENCRYPTED = 1


class Refused(Exception):
    """Says in a few words why a file is not read."""


def check(file: BinaryIO, size: int) -> None:
    """Raise `Refused` where torch can have saved no such file, as far as that is seen without unpickling.

    A zip archive is checked as torch writes it: every entry stored as it is, in a place of its own, under one folder.
    """
    if size == 0:
        raise Refused("is empty")
    file.seek(0)
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    if start.startswith(ZIP):
        _check_zip(file, size)
    elif _begins_a_tar(start):
        raise Refused("is a tar archive, as torch saved before 2018; load it there and save its state dict anew")
    elif not start.startswith(PICKLE):
        raise Refused("is no file of tensors: it begins neither as torch's zip archives nor as its older files")
    file.seek(0)


def _begins_a_tar(start: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _check_zip(file: BinaryIO, size: int) -> None:
    file.seek(max(0, size - END.size))
    if size < END.size or END.unpack(file.read()) != (b"PK\x05\x06", 0):
        raise Refused("is a zip archive that is cut short or has something behind its end")
    try:
        with zipfile.ZipFile(file) as archive:
            entries, directory = archive.infolist(), archive.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError) as error:
        raise Refused(f"is a damaged zip archive ({error})") from error
    _check_names(entries)
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            raise Refused("is a zip archive of compressed entries, which torch does not write")
        if entry.flag_bits & ENCRYPTED:
            raise Refused("is an encrypted zip archive, which torch does not write")
    _check_places(file, entries, directory)


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.orig_filename for entry in entries]
    if len(names) > MOST_ENTRIES:
        raise Refused(f"is a zip archive of {len(names)} entries; more than {MOST_ENTRIES} are not read")
    if len(set(names)) < len(names):
        raise Refused("is a zip archive with two entries of one name")
    parts = [name.split("/") for name in names]
    if any(len(way) < 2 or not {"", ".", ".."}.isdisjoint(way) for way in parts):
        raise Refused("is a zip archive with names that lead out of its folder")
    if len({way[0] for way in parts}) != 1 or any("\\" in name or not name.isprintable() for name in names):
        raise Refused("is a zip archive, but not as torch lays it out: one folder with all entries")
    inside = {name.partition("/")[2]: entry.file_size for name, entry in zip(names, entries, strict=True)}
    if "constants.pkl" in inside:
        raise Refused("is a TorchScript archive, which holds code; save the state dict of its module instead")
    if "data.pkl" not in inside:
        raise Refused("is a zip archive without the data.pkl in which torch names its tensors")
    if inside["data.pkl"] > MOST_PICKLE_BYTES:
        raise Refused(f"has a data.pkl of {inside['data.pkl']} bytes; more than {MOST_PICKLE_BYTES} are not read")


def _check_places(file: BinaryIO, entries: list[zipfile.ZipInfo], directory: int) -> None:
    """Entries lie one behind the other, from the first byte to the directory, and say of themselves what that says."""
    entries = sorted(entries, key=lambda entry: entry.header_offset)
    if entries[0].header_offset != 0:
        raise Refused("is a zip archive behind something else")
    ends = []
    for entry in entries:
        file.seek(entry.header_offset)
        start = file.read(LOCAL.size)
        if len(start) < LOCAL.size:
            raise Refused("is a zip archive whose directory points beyond its end")
        signature, name, extra = LOCAL.unpack(start)
        if signature != ZIP or file.read(name).decode("utf-8", "replace") != entry.orig_filename:
            raise Refused("is a zip archive whose directory does not say what its entries say")
        ends.append(entry.header_offset + LOCAL.size + name + extra + entry.file_size)
    starts = [*(entry.header_offset for entry in entries[1:]), directory]
    if any(end > start for end, start in zip(ends, starts, strict=True)):
        raise Refused("is a zip archive whose entries lie over each other")
