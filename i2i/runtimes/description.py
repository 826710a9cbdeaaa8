"""What stands in an exported file beside its graph: all that a translation needs to know, and how it is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from i2i.contracts.weights import HEADER_KEY
from i2i.errors import I2IError, UsageError

if TYPE_CHECKING:
    from i2i.runtimes.program import Program

FORMAT = 1
"""Of the description; raised when an older i2i could not use a file."""
GRAPH, METADATA = 7, 14
"""Fields of ONNX's `ModelProto` (onnx.proto3)."""
LENGTH_DELIMITED = 2
"""Of protobuf's wire types."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What stands in the file's metadata under `i2i`, as JSON."""

    format: int
    name: str
    """Of the recipe that made the weights."""
    geometry: Mapping[str, Any]
    header: Mapping[str, Any]
    """Of the weights."""
    options: Mapping[str, Any]
    """Translate options, which are in the graph for good."""
    fingerprint: str
    """Of the weights."""
    bytes_fixed: float
    bytes_per_pixel: float
    """What torch took for a translation on a CPU, by which tiles are laid out."""
    probe: Sequence[float]
    """`program.border` of torch's answer to `program.example_of` the smaller of `program.sizes_of`."""
    sha256: str = ""
    """Of the file before the description."""

    @classmethod
    def of(
        cls,
        program: Program,
        header: Mapping[str, Any],
        fingerprint: str,
        footprint: tuple[float, float],
        probe: Sequence[float],
    ) -> Description:
        """That of a program with the weights of this header."""
        return cls(
            format=FORMAT,
            name=str(header["recipe"]["name"]),
            geometry=asdict(program.geometry),
            header={key: value for key, value in header.items() if key != "sha256"},
            options=program.options.model_dump(mode="json"),
            fingerprint=fingerprint,
            bytes_fixed=footprint[0],
            bytes_per_pixel=footprint[1],
            probe=probe,
        )


def with_description(graph: bytes, description: Description) -> bytes:
    """The ONNX model with its description behind it, as one more entry of its metadata."""
    told = asdict(description) | {"sha256": hashlib.sha256(graph).hexdigest()}
    entry = _field(1, HEADER_KEY.encode()) + _field(2, json.dumps(told, sort_keys=True, default=str).encode())
    return graph + _field(METADATA, entry)


def read_described(path: Path) -> tuple[bytes, Description]:
    """The content of a file that `i2i export` wrote, and what stands in it.

    Raises `UsageError` where it cannot be read, `I2IError` where it is foreign, damaged or of a newer i2i.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from error
    try:
        found = list(_fields(content))
        if not any(field.number == GRAPH for field in found):
            raise ValueError("no graph")
    except (IndexError, ValueError) as error:
        raise I2IError(f"{path}: damaged, or no ONNX file") from error
    text = _described(content, found)
    if text is None:
        raise I2IError(
            f"{path}: an ONNX file of others, which does not say how pictures go in and out; "
            "i2i reads those that `i2i export --to onnx` wrote"
        )
    try:
        told = json.loads(text)
        if (version := told["format"]) > FORMAT:
            newer = f"{path}: exported by a newer i2i (format {version}, this one reads {FORMAT})"
            raise I2IError(f"{newer}; upgrade with pip install -U i2i")
        description = Description(**{item.name: told[item.name] for item in fields(Description)})
        str(description.header["recipe"]["name"])
    except (ValueError, KeyError, TypeError) as error:
        raise I2IError(f"{path}: its i2i description is damaged; export again") from error
    if hashlib.sha256(content[: found[-1].begin]).hexdigest() != description.sha256:
        raise I2IError(
            f"{path}: its contents do not match the hash in its description; the file was altered or damaged"
        )
    return content, description


class _Field(NamedTuple):
    number: int
    begin: int
    """Where it begins, its tag included."""
    value: tuple[int, int]
    """Where its bytes lie."""


def _fields(content: bytes, begin: int = 0, end: int | None = None) -> Iterator[_Field]:
    """The length-delimited fields of a protobuf message, and past the others.

    Raises `IndexError` or `ValueError` where it is none.
    """
    place, end = begin, len(content) if end is None else end
    if place == end:
        raise ValueError("empty")
    while place < end:
        first = place
        tag, place = _varint(content, place)
        kind = tag & 7
        if kind == LENGTH_DELIMITED:
            length, place = _varint(content, place)
            if place + length > end:
                raise ValueError("cut off")
            yield _Field(tag >> 3, first, (place, place + length))
            place += length
        elif kind == 0:
            _, place = _varint(content, place)
        else:
            raise ValueError("ONNX models have no such field")


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """(number, where it ends)."""
    number = shift = 0
    while True:
        byte = content[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
        if shift > 63:
            raise ValueError("no number is so long")


def _field(number: int, value: bytes) -> bytes:
    return _number(number << 3 | LENGTH_DELIMITED) + _number(len(value)) + value


def _number(value: int) -> bytes:
    low, rest = value & 127, value >> 7
    return bytes([low | 128]) + _number(rest) if rest else bytes([low])


def _described(content: bytes, found: Sequence[_Field]) -> str | None:
    """The last field's text, where it is our entry of metadata."""
    if found[-1].number != METADATA:
        return None
    try:
        parts = {field.number: content[slice(*field.value)] for field in _fields(content, *found[-1].value)}
    except (IndexError, ValueError):
        return None
    return parts[2].decode(errors="replace") if parts.get(1) == HEADER_KEY.encode() and 2 in parts else None
