"""Archives of pictures, read where they lie, member by member and in any order."""

from __future__ import annotations

import calendar
import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import I2IError, UsageError
from i2i.images.limits import LIMITS
from i2i.images.sources.entries import Entry
from i2i.images.sources.listing import has_picture_suffix
from i2i.images.sources.walking import Address, Folder, no_pictures

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ARCHIVE_SUFFIXES = (".tar", ".zip")
IN_MEMORY = 2**26
"""Bytes of a zipped picture that are held in memory."""
_COMPRESSED = (".7z", ".rar", ".tar.bz2", ".tar.gz", ".tar.xz", ".tar.zst", ".tbz2", ".tgz", ".txz", ".tzst")


def is_archive(name: str) -> bool:
    """Whether a file of this name is read as an archive. Raises `UsageError` for one that would have to be unpacked."""
    lower = name.lower()
    if lower.endswith(_COMPRESSED):
        raise UsageError(f"{name}: cannot be read picture by picture; unpack it, or make a .tar or .zip of it")
    return lower.endswith(ARCHIVE_SUFFIXES)


def read_archive(archive: Path, address: Address, may_be_empty: bool = False) -> Iterator[Folder]:
    """The folders of a .tar or .zip that hold pictures, as they come; the list of one archive is held at a time.

    Hidden members and other files are passed over; of several members of one name the last counts.
    Raises `UsageError` for a picture whose name leads outside or that is a link, and for an archive that is missing or,
    unless it `may_be_empty`, holds no pictures; `I2IError` where the archive cannot be read.
    """
    index: dict[PurePosixPath, dict[str, Entry]] = {}
    listed = _zipped if str(archive).lower().endswith(".zip") else _tarred
    try:
        for name, entry in listed(archive):
            index.setdefault(name.parent, {})[name.name] = entry
    except I2IError:
        raise
    except FileNotFoundError as problem:
        raise UsageError(f"{archive}: no such file or folder") from problem
    except Exception as problem:  # the readers and the file systems behind URLs raise a dozen kinds
        cause = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
        raise I2IError(f"{archive}: cannot be read as an archive ({cause.lower()})") from problem
    if not index and not may_be_empty:
        raise no_pictures(archive)
    folders: dict[PurePosixPath, dict[str, None]] = {}
    for place in index:
        for inner in (place, *place.parents):
            if inner.name:
                folders.setdefault(inner.parent, {})[inner.name] = None
    for place, entries in index.items():
        picture = partial(_looked_up, entries)
        yield Folder(address + place.parts, place, list(entries), list(folders.get(place, ())), picture)


def pack(members: Iterable[tuple[Path, str]], archive: Path) -> int:
    """Put files under these names into a tar archive, which appears when it is complete; how many they are.

    The same pictures make the same archive, whoever packs them and whenever. Raises `I2IError` where it cannot be
    written.
    """
    count = 0
    with complete_or_not_at_all(archive) as stream, tarfile.open(fileobj=stream, mode="w") as packed:
        for path, name in members:
            with path.open("rb") as contents:
                member = tarfile.TarInfo(name)
                member.size = os.fstat(contents.fileno()).st_size
                packed.addfile(member, contents)
                cast("Any", packed).members = []  # it would keep them all
            count += 1
    return count


def _looked_up(entries: dict[str, Entry], name: str) -> Path:
    return cast("Path", entries[name])  # for whoever reads it, it is one


def _tarred(archive: Path) -> Iterator[tuple[PurePosixPath, Entry]]:
    with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as members:
        while (member := members.next()) is not None:
            cast("Any", members).members = []  # it would keep them all
            if members.offset <= member.offset:  # a negative size would lead back for ever
                raise tarfile.ReadError(f"no member's header at byte {member.offset}")
            if member.isdir() or (name := _safe_name(archive, member.name)) is None:
                continue
            if not member.isreg() or member.issparse():
                kind = "is a link" if member.issym() or member.islnk() else "is no plain file"
                raise UsageError(f"{archive}: its member {member.name!r} {kind}; pack the picture itself")
            opened = partial(_opened_part, archive, member.offset_data, member.size)
            yield name, Entry(f"{archive}/{name}", member.size, round(member.mtime * 1e9), opened)
        stream.seek(members.offset)
        if stream.read(tarfile.BLOCKSIZE).strip(tarfile.NUL):  # tarfile takes what it cannot read for the end
            raise tarfile.ReadError(f"no member's header at byte {members.offset}")


def _zipped(archive: Path) -> Iterator[tuple[PurePosixPath, Entry]]:
    # open for as long as one of its pictures may be read, by several threads
    members = zipfile.ZipFile(archive if isinstance(archive, Path) else archive.open("rb"))
    for member in members.infolist():
        if member.is_dir() or (name := _safe_name(archive, member.filename)) is None:
            continue
        if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
            kind = "is encrypted" if member.flag_bits & 1 else "is a link"
            raise UsageError(f"{archive}: its member {member.filename!r} {kind}; pack the picture itself")
        changed = calendar.timegm((*member.date_time, 0, 0, 0))
        yield name, Entry(f"{archive}/{name}", member.file_size, changed * 10**9, partial(_unpacked, members, member))


def _safe_name(archive: Path, name: str) -> PurePosixPath | None:
    """The path of a picture below its archive; None of anything that is passed over."""
    if not has_picture_suffix(name):
        return None
    parts = re.split(r"[/\\]", name)  # both are slashes somewhere
    if ".." in parts or not parts[0] or re.match("[A-Za-z]:", name) or "\0" in name:
        raise UsageError(f"{archive}: its member {name!r} leads outside of the archive; pack it below one folder")
    path = PurePosixPath(name)
    return None if any(part.startswith(".") for part in path.parts) else path


def _unpacked(members: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A member on its own, where any place of it is near; a large one on the disk while it is open."""
    LIMITS.check_bytes(member.file_size)
    stream = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- whoever reads it closes it
    with members.open(member) as packed:
        shutil.copyfileobj(packed, stream, 1 << 20)
    stream.seek(0)
    return cast("IO[bytes]", stream)


def _opened_part(archive: Path, start: int, size: int) -> IO[bytes]:
    """A part of a file as if it were one."""
    if not isinstance(archive, Path):  # behind a URL: as much as is needed, at once
        return io.BytesIO(archive.fs.cat_file(archive.path, start=start, end=start + size))
    return io.BufferedReader(_Part(archive.open("rb", buffering=0), start, size))


class _Part(io.RawIOBase):
    """The bytes of a file from `start` on."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = os.SEEK_SET, /) -> int:
        self._place = max(0, place + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence])
        return self._place

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        wanted = memoryview(buffer).cast("B")
        count = min(len(wanted), max(0, self._size - self._place))
        self._file.seek(self._start + self._place)
        found = self._file.read(count)
        wanted[: len(found)] = found
        self._place += len(found)
        return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()
