"""What a file holds, in 64 digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

from i2i.errors import I2IError


def sha256_of(path: Path) -> str:
    """Of a file's contents, in hexadecimal. Raises `I2IError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise I2IError(f"{path}: cannot be read: {error.strerror or error}") from error
