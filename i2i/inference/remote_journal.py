"""The lines that a process adds where files cannot grow: in an object store."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from i2i.inference.journal import JOURNALS, Journal, name_of_journal


class RemoteJournal(Journal):
    """A journal for a destination that fsspec reaches. Its lines are kept in a temporary file of this machine too.

    What threads add together becomes an object of its own, `NAME.000001.jsonl`, complete before `sync` returns. At the
    end all become one, `NAME.jsonl`, which stays: without locks nobody may merge it into what others write too.
    """

    def __init__(self, destination: Path) -> None:
        super().__init__(destination)
        self.pieces: list[Path] = []

    def publish(self) -> None:
        """Make one object of all. Raises `OSError`."""
        assert self.path is not None
        with self.path.open("rb") as lines, self._object(self.path.name).open("wb") as whole:
            shutil.copyfileobj(lines, whole)
        for piece in self.pieces:
            with suppress(FileNotFoundError):
                piece.unlink()
        self.pieces.clear()

    def close(self) -> None:
        """Let go of the temporary file, which goes."""
        super().close()
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _made(self) -> tuple[int, Path]:
        path = Path(tempfile.gettempdir()) / name_of_journal()
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o600), path

    def _settle(self, start: int, end: int) -> None:
        assert self.path is not None
        with self.path.open("rb") as stream:
            stream.seek(start)
            lines = stream.read(end - start)
        piece = self._object(f"{self.path.stem}.{len(self.pieces):06d}.jsonl")
        piece.write_bytes(lines)
        self.pieces.append(piece)

    def _object(self, name: str) -> Path:
        folder = self.destination / JOURNALS
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name
