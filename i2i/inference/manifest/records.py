"""One line of the manifest: what became of one file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import from_json

from i2i.inference.manifest.contents import Contents

Status = Literal["done", "failed"]


FILES = ("source_file", "mask_file", "target_file", "before")
WORDS: Mapping[str, tuple[tuple[type, ...], Any]] = MappingProxyType(
    {"reason": ((str,), ""), "seconds": ((float, int), 0.0), "time": ((str,), ""), "order": ((int,), 1)}
)
"""Of a line, with the kinds that they are of, and what they are where they are missing; as in `Record`."""
KNOWN = frozenset({"target", "status", "settings", "source", *WORDS})


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one file."""

    target: str
    """The job's name: its target's path below the destination."""
    status: Status
    settings: str
    source: str
    """Relative to the destination where both lie in one folder below the root, whole otherwise."""
    source_file: Contents | None = None
    mask_file: Contents | None = None
    target_file: Contents | None = None
    """What was written; None where it failed."""
    before: Contents | None = None
    """What of ours lay there until then: where a run is killed in between, it still does."""
    reason: str = ""
    seconds: float = 0.0
    time: str = ""
    """When the line was written, for whoever reads it; nothing depends on this clock but ties."""
    order: int = 1
    """Counts the lines about this target: of two, the higher one is the later, whatever the clocks say."""

    def line(self) -> bytes:
        """As it stands in the manifest: ASCII, ending in the only line break; what is empty is left out."""
        fields = {
            "target": self.target,
            "status": self.status,
            "reason": self.reason,
            "source": self.source,
            "source_file": _fields(self.source_file),
            "mask_file": _fields(self.mask_file),
            "settings": self.settings,
            "target_file": _fields(self.target_file),
            "before": _fields(self.before),
            "seconds": round(self.seconds, 3),
            "time": self.time,
            "order": self.order,
        }
        fields = {name: value for name, value in fields.items() if value not in (None, "")}
        return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def record_of(line: bytes) -> Record | None:
    """What a line says; None where it is damaged. Words that a newer version may have added are passed over."""
    told = _told(line)
    if told is None:
        return None
    words = {name: value for name, value in told.items() if name in KNOWN}
    return Record(**words | {name: _contents(told.get(name)) for name in FILES})


def target_of(line: bytes) -> str | None:
    """The target that a line is about; None where it is damaged."""
    told = _told(line)
    return None if told is None else told["target"]


def _told(line: bytes) -> dict[str, Any] | None:
    """A line's words, where all of them are of their kind."""
    try:
        told = _json(line)
    except (ValueError, RecursionError):
        return None
    if type(told) is not dict or not told.get("target"):
        return None
    for name in ("target", "settings", "source"):
        if type(told.get(name)) is not str:
            return None
    for name, (kinds, default) in WORDS.items():
        if type(told.get(name, default)) not in kinds:
            return None
    for name in FILES:
        if not _is_sound(told.get(name)):
            return None
    done = told.get("status") == "done" and told.get("target_file") is not None
    return told if done or told.get("status") == "failed" else None


def _json(line: bytes) -> Any:
    """The faster of two readers; it refuses names that are not UTF-8, and a byte order mark."""
    with suppress(ValueError):
        return from_json(line)
    return json.loads(line)


def _fields(contents: Contents | None) -> dict[str, Any] | None:
    if contents is None:
        return None
    fields = {"bytes": contents.bytes, "modified": contents.modified, "sha256": contents.sha256}
    return {name: value for name, value in fields.items() if value is not None}


def _is_sound(told: Any) -> bool:
    """Whether it tells of a file, or of none."""
    if type(told) is not dict:
        return told is None
    kinds = type(told.get("bytes")), type(told.get("modified")), type(told.get("sha256"))
    return kinds[0] is int and kinds[1] in (int, type(None)) and kinds[2] in (str, type(None))


def _contents(told: dict[str, Any] | None) -> Contents | None:
    return None if told is None else Contents(told["bytes"], told.get("modified"), told.get("sha256"))


def now() -> str:
    """The time of this moment, as a record has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def settings_hash(settings: Mapping[str, Any]) -> str:
    """A name for settings, the same for equal ones, whatever their order: 32 hexadecimal digits.

    Whatever changes the bytes of a translation belongs in: the weights' own hash, options, seed, precision, format.
    Takes what JSON knows, paths, enumerations, sets, bytes and pydantic models. Raises `TypeError` for anything else.
    """
    text = json.dumps(settings, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"settings hold {value!r}, a {type(value).__name__}, for which there is no name that lasts")
