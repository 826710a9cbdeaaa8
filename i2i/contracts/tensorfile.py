"""What a safetensors file says of itself, checked before anybody believes it.

The safetensors library checks that offsets fit shapes, kinds and the length of the file. Added here are bounds: on the
header, on numbers of tensors and dimensions, on names, which are printed, and on metadata. No name comes twice.
"""

from __future__ import annotations

import json
import math
import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

LONGEST_HEADER = 16 * 2**20
"""Bytes. The format allows 100 MB; that of a thousand tensors takes 0.1."""
LONGEST_METADATA = 4 * 2**20
"""Characters."""
MOST_TENSORS = 100_000
MOST_DIMENSIONS = 64
"""What torch can hold."""
MOST_NUMBERS = 2**59
"""Of a tensor, empty dimensions counted as one: their bytes fit into 63 bits."""
LONGEST_NAME = 1000
LONGEST_NUMBER = 20
"""Digits."""

BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
"""Kind of number → what one takes."""

IRREGULAR = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True)
class Claim:
    """One tensor, and where its bytes lie behind the header."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Contents:
    """A header that holds together."""

    tensors: Mapping[str, Claim]
    """In the order of their bytes."""
    metadata: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """What all tensors take."""
        return max((claim.end for claim in self.tensors.values()), default=0)


def open_regular(path: Path) -> BinaryIO:
    """A file to read, opened without waiting. Raises `OSError`; `ValueError` where it is a pipe, a folder, a device."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise ValueError(f"it is {IRREGULAR.get(stat.S_IFMT(mode), 'no file')}")
    return os.fdopen(descriptor, "rb")


def read_contents(path: Path) -> Contents:
    """Of a file. Raises `OSError` where it cannot be opened, `ValueError`, in a few words, where it is none."""
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(8)
        if len(start) < 8:
            raise ValueError(f"it has {size} bytes")
        length = header_length(start)
        if length > size - 8:
            raise ValueError(f"its header claims {length} bytes of {size}")
        return contents_of(file.read(length), size - 8 - length)


def header_length(start: bytes) -> int:
    """What the first 8 bytes say. Raises `ValueError`."""
    (length,) = struct.unpack("<Q", start)
    if length > LONGEST_HEADER:
        if start.startswith((b"PK\x03\x04", b"\x80")):
            raise ValueError("whatever its name, it begins as what torch pickles")
        raise ValueError(f"its header claims {length} bytes; more than {LONGEST_HEADER} are not read")
    return int(length)


def contents_of(header: bytes, behind: int | None = None) -> Contents:
    """What a header says; `behind` it are so many bytes, where that is known. Raises `ValueError`, in a few words."""
    told = _parsed(header)
    metadata = told.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are no texts")
    if sum(len(key) + len(text) for key, text in metadata.items()) > LONGEST_METADATA:
        raise ValueError(f"its metadata are longer than {LONGEST_METADATA} characters")
    if len(told) > MOST_TENSORS:
        raise ValueError(f"it claims {len(told)} tensors; more than {MOST_TENSORS} are not read")
    claims = [(name, _claim(name, value)) for name, value in told.items()]
    claims.sort(key=lambda pair: (pair[1].begin, pair[1].end))
    place = 0
    for name, claim in claims:
        if claim.begin != place:
            raise ValueError(f"{name} does not begin where the tensor before it ends")
        place = claim.end
    if behind is not None and place != behind:
        raise ValueError(f"its tensors claim {place} bytes, but {behind} follow its header")
    return Contents(dict(claims), metadata)


def _parsed(header: bytes) -> dict[str, Any]:
    try:
        told = json.loads(header.decode(), object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise ValueError("its header is no text") from error
    except RecursionError as error:
        raise ValueError("its header is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"its header is no plain JSON: {error}") from error
    if not isinstance(told, dict):
        raise ValueError("its header is no JSON object")
    return told


def _claim(name: str, value: Any) -> Claim:
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"it names a tensor {name[:40]!r}")
    if not isinstance(value, dict) or value.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"{name} has not the fields dtype, shape and data_offsets alone")
    kind, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(kind, str) or kind not in BYTES:
        raise ValueError(f"{name} is of numbers that are not known here, {str(kind)[:40]!r}")
    if not _whole(shape) or len(shape) > MOST_DIMENSIONS or math.prod(max(size, 1) for size in shape) > MOST_NUMBERS:
        raise ValueError(f"{name} has no shape that a tensor can have")
    if not _whole(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * BYTES[kind]:
        raise ValueError(f"{name} does not claim the bytes that its shape and kind need")
    return Claim(kind, tuple(shape), *offsets)


def _whole(numbers: Any) -> bool:
    """Whether these are numbers from 0 up."""
    return isinstance(numbers, list) and all(type(number) is int and number >= 0 for number in numbers)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(told := dict(pairs)) < len(pairs):
        raise ValueError("a name comes twice")
    return told


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
