"""Files that grow by a JSON object a line, and forget the steps that a run takes again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import I2IError

NO_STEP = 2**62
"""Of half a line, from a run that was killed while it wrote."""


def append(file: Path, line: Mapping[str, Any]) -> None:
    """One more line. Raises `I2IError` where it cannot be written."""
    try:
        with file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")
    except OSError as error:
        raise I2IError(f"{file}: cannot be written ({error.strerror}); checkpoints are intact") from error


def forget_after(file: Path, step: int) -> None:
    """Drop the lines of steps that will be taken again, and half lines."""
    if file.exists():
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        with complete_or_not_at_all(file) as stream:
            stream.write("".join(line for line in lines if step_of(line) <= step).encode())


def step_of(line: str) -> int:
    """What a line tells of its step."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return NO_STEP


def told(file: Path) -> list[dict[str, Any]]:
    """The whole lines of a file, if it is there."""
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if step_of(line) != NO_STEP]
