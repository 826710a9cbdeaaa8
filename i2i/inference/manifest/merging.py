"""Journals into the manifest, so that one file tells it all when nobody works."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from i2i.disk.drafts import settle
from i2i.disk.locking import alone, try_lock
from i2i.inference.manifest.journal import (
    JOURNALS,
    MANIFEST,
    Journal,
    ends_in_line_break,
    is_of_this_machine,
    write_all,
)
from i2i.inference.manifest.ledger import Ledger, Lines

ASIDE = ".i2i-manifest.damaged.jsonl"
PIECE = 1 << 20
SPARE_LINES = 1000
OTHERS_REST_SECONDS = 86_400
"""A journal of another machine, whose locks may not be seen from here, is left alone until it has rested so long."""
PATIENCE_SECONDS = 10
"""For another process that merges: after it the journal is left to the next run."""


def tidy(ledger: Ledger) -> bool:
    """Merge what dead processes left; drop the manifest's lines that are damaged or outdated, where that is worth it.

    Does nothing where another process is at it, or where there are no locks. Damaged lines are put aside: True.
    Raises `OSError` where the disk does not allow it; everything stays readable then.
    """
    if not (ledger.destination / JOURNALS).exists() and not _is_untidy(ledger):
        return False
    with alone(ledger.destination / JOURNALS, 0) as locked:
        if not locked:
            return False
        ledger.catch_up()
        for lines in list(ledger.journals.values()):
            _merge_if_left(ledger, lines)
        if not _is_untidy(ledger):
            return False
        return _rewrite(ledger)


def hand_over(ledger: Ledger, journal: Journal, lines: Lines) -> None:
    """Merge this process's own journal and delete it. Lets go of all files, unless others keep the manifest locked."""
    with alone(ledger.destination / JOURNALS, PATIENCE_SECONDS) as locked:
        if locked is not False:
            ledger.catch_up()
            _append(ledger, ledger.current(lines), bool(locked))
        ledger.close()  # Windows deletes no file that is open
        journal.close()
        if locked is not False:
            lines.path.unlink(missing_ok=True)


def held(journals: Iterable[Path]) -> Iterator[Path]:
    """Those that living processes have locked, as far as locks are seen from here."""
    for path in journals:
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if try_lock(descriptor) is False:
                    yield path
            finally:
                os.close(descriptor)


def _merge_if_left(ledger: Ledger, lines: Lines) -> None:
    with suppress(FileNotFoundError):
        rested = time.time() - lines.path.stat().st_mtime > OTHERS_REST_SECONDS
        if not rested and not is_of_this_machine(lines.path):
            return
        descriptor = os.open(lines.path, os.O_RDWR)
        try:
            if try_lock(descriptor):
                ledger.catch_up()  # what it wrote before it died
                _append(ledger, ledger.current(lines), locked=True)
                lines.path.unlink()
                del ledger.journals[lines.path.name]
        finally:
            os.close(descriptor)


def _append(ledger: Ledger, lines: Iterable[bytes], locked: bool) -> None:
    """Add to the manifest, and have it on the disk. A torn line at its end is still in the journal it came from."""
    path = ledger.destination / MANIFEST
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        whole = ledger.manifest.read_to if ledger.manifest is not None else 0
        if locked and size > whole:
            os.ftruncate(descriptor, size := whole)
        try:
            if size and not ends_in_line_break(descriptor, size):
                write_all(descriptor, b"\n")
            for piece in _pieces(lines):
                write_all(descriptor, piece)
            os.fsync(descriptor)
        except OSError:
            if locked:
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    settle(ledger.destination)
    ledger.catch_up()


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def _is_untidy(ledger: Ledger) -> bool:
    manifest = ledger.manifest
    return manifest is not None and (bool(manifest.damaged) or manifest.count > 2 * len(ledger) + SPARE_LINES)


def _rewrite(ledger: Ledger) -> bool:
    """Put damaged lines aside and keep of the others the newest; True where there were damaged ones."""
    manifest = ledger.manifest
    assert manifest is not None
    damaged = bool(manifest.damaged)
    if damaged:
        _write(ledger.destination / ASIDE, ledger.damaged_lines(), os.O_APPEND)
    for journal in ledger.journals.values():  # what they have replaced is dropped: they have to last
        os.fsync(journal.stream.fileno())
    draft = ledger.destination / JOURNALS / "draft"
    _write(draft, ledger.current(manifest), os.O_TRUNC)
    shutil.copymode(manifest.path, draft)
    draft.replace(manifest.path)
    settle(ledger.destination)
    ledger.catch_up()
    return damaged


def _write(path: Path, lines: Iterable[bytes], how: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o666)
    try:
        for piece in _pieces(lines):
            write_all(descriptor, piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
