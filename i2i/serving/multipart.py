"""A form with pictures in it (RFC 7578), written to files while it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from i2i.images.limits import amount
from i2i.serving.bounds import Bounds
from i2i.serving.labels import label_of, suffix_of
from i2i.serving.refusals import Refused, unwritten

SETTINGS, PICTURES, MASKS = "settings", "pictures", "masks"
SETTINGS_BYTES = 2**16
HEADERS, HEADER_BYTES = 8, 2**12
"""Of a part, and of one of them."""
_FOLDERS = {PICTURES: "in", MASKS: "masks"}


@dataclass(frozen=True)
class Arrived:
    """A file of a form."""

    label: str
    path: Path


@dataclass
class Form:
    """What a form brought."""

    settings: bytes | None = None
    pictures: list[Arrived] = field(default_factory=list)
    masks: list[Arrived] = field(default_factory=list)


async def form_of(
    content_type: str, pieces: AsyncIterator[bytes], folder: Path, bounds: Bounds, grew: Callable[[int], object]
) -> Form:
    """Read a form; its files go to `folder`/in and `folder`/masks, by their numbers. `grew` is told of their bytes.

    Raises `Refused` for what is no form, or holds what is not asked for, too much or too many, and on a full disk.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise Refused(400, "the form is broken: its Content-Type names no boundary of 1 to 70 signs")
    taking = _Taking(folder, bounds, grew)
    parser = MultipartParser(boundary, taking.callbacks())  # type: ignore[arg-type]
    try:
        async for piece in pieces:
            await asyncio.to_thread(parser.write, piece)
        parser.finalize()
    except FormParserError as error:
        raise Refused(400, f"the form is broken: {' '.join(str(error).split())[:200]}") from error
    except OSError as error:
        raise unwritten(error) from error
    finally:
        with suppress(OSError):
            taking.close()
    if not taking.is_complete:
        raise Refused(400, "the form is broken: it ends before its last boundary")
    return taking.form


class _Taking:
    """The form on its way."""

    def __init__(self, folder: Path, bounds: Bounds, grew: Callable[[int], object]) -> None:
        self.folder, self.bounds, self.grew = folder, bounds, grew
        self.form = Form()
        self.is_complete = False
        self.headers: dict[bytes, bytes] = {}
        self.name, self.value = b"", b""
        self.part = ""
        self.size = self.count = 0
        self.stream: BinaryIO | None = None

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """By the parser's names."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": self.header_name,
            "on_header_value": self.header_value,
            "on_header_end": self.header_end,
            "on_headers_finished": self.open,
            "on_part_data": self.take,
            "on_part_end": self.close,
            "on_end": self.complete,
        }

    def begin(self) -> None:
        self.headers, self.name, self.value, self.size, self.count = {}, b"", b"", 0, 0

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self.name += data[start:end]
        self.require_short()

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]
        self.require_short()

    def require_short(self) -> None:
        """Raise `Refused` for a header that goes on and on."""
        if len(self.name) + len(self.value) > HEADER_BYTES:
            raise Refused(400, f"the form is broken: a header has more than {amount(HEADER_BYTES)}")

    def header_end(self) -> None:
        self.count += 1
        if self.count > HEADERS:
            raise Refused(400, f"the form is broken: a part has more than {HEADERS} headers")
        self.headers[self.name.lower()] = self.value
        self.name, self.value = b"", b""

    def open(self) -> None:
        """Its headers are there: see what it is."""
        kind, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        self.part = options.get(b"name", b"").decode("latin-1")
        if kind != b"form-data" or self.part not in (SETTINGS, *_FOLDERS):
            raise Refused(422, f"a form has the parts {SETTINGS}, {PICTURES} and {MASKS}; found {self.part[:40]!r}")
        if self.part == SETTINGS:
            if self.form.settings is not None:
                raise Refused(422, f"a form has one part {SETTINGS}; found another one")
            self.form.settings = b""
            return
        there = self.form.pictures if self.part == PICTURES else self.form.masks
        if len(there) >= self.bounds.pictures:
            raise Refused(413, f"too many {self.part}: a job takes up to {self.bounds.pictures}")
        label = label_of(options.get(b"filename", b"").decode("utf-8", "replace").replace("%22", '"'))
        path = self.folder / _FOLDERS[self.part] / f"{len(there):05d}{suffix_of(label)}"
        there.append(Arrived(label, path))
        self.stream = path.open("xb")

    def take(self, data: bytes, start: int, end: int) -> None:
        """Some of its contents."""
        self.size += end - start
        if self.stream is None:
            if self.size > SETTINGS_BYTES:
                raise Refused(413, f"{SETTINGS}: too large; up to {amount(SETTINGS_BYTES)} are taken")
            self.form.settings = (self.form.settings or b"") + data[start:end]
            return
        if self.size > self.bounds.picture_bytes:
            there = self.form.pictures if self.part == PICTURES else self.form.masks
            most = amount(self.bounds.picture_bytes)
            raise Refused(413, f"{there[-1].label}: too large; files of up to {most} are taken")
        self.stream.write(data[start:end])
        self.grew(end - start)

    def complete(self) -> None:
        """The last boundary was there."""
        self.is_complete = True

    def close(self) -> None:
        """The part is whole, or will never be."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.close()
