"""What the files of a run tell at a glance: names, sizes and headers, without a hash or a tensor."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from i2i.training.layout import REPORT, STATE

LAST_LINES = 1 << 14
"""Bytes of metrics among which the last whole line is looked for."""


@dataclass(frozen=True)
class Plan:
    """What a recipe says of a run's length."""

    name: str
    steps: int | None
    patience: int | None


@dataclass(frozen=True)
class Newest:
    """The newest checkpoint that looks intact, and what is wrong with the newest of all."""

    step: int
    stale: int
    """Validations since the best one."""
    complaint: str | None


def plan_of(file: Path) -> Plan | None:
    """A recipe at a glance; None where it cannot be read."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it is there
    try:
        recipe = yaml.load(file.read_text(encoding="utf-8"), loader)
        steps, patience = recipe["run"]["steps"], recipe["run"].get("patience")
        return Plan(str(recipe["name"]), None if steps is None else int(steps), patience and int(patience))
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        return None


def newest_intact(checkpoints: Mapping[int, Path]) -> Newest:
    """Of these, by their steps in order."""
    complaint = None if checkpoints else "no checkpoint"
    for step, path in sorted(checkpoints.items(), reverse=True):
        state = _state_of(path)
        if not isinstance(state, str):
            stale = (state.get("validating") or {}).get("stale", 0)
            return Newest(step, stale, complaint and f"{complaint}; step {step} looks intact")
        complaint = complaint or f"{path.name}: {state}"
    return Newest(0, 0, complaint)


def _state_of(checkpoint: Path) -> dict[str, Any] | str:
    """What `state.json` keeps, or what is wrong with a checkpoint as far as sizes and headers tell."""
    name = STATE
    try:
        content = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
        for name in content["files"]:
            if name.endswith(".safetensors") and not _has_its_length(checkpoint / name):
                return f"{name} has not the length that it tells"
        return dict(content["state"])
    except FileNotFoundError:
        return f"{name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{name} cannot be read"


def _has_its_length(file: Path) -> bool:
    """Whether a safetensors file ends where its header says."""
    with file.open("rb") as stream:
        length, size = int.from_bytes(stream.read(8), "little"), file.stat().st_size
        if length > size - 8:
            return False
        header: dict[str, Any] = json.loads(stream.read(length))
    ends = [tensor["data_offsets"][1] for name, tensor in header.items() if name != "__metadata__"]
    return bool(size == 8 + length + max(ends, default=0))


def last_logged(metrics: Path) -> int:
    """The step of the last whole line, or 0."""
    try:
        with metrics.open("rb") as stream:
            stream.seek(max(0, metrics.stat().st_size - LAST_LINES))
            lines = stream.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError):
            return int(json.loads(line)["step"])
    return 0


def extent(path: Path) -> tuple[float, int]:
    """When a file of a folder was written last, and the bytes of all; one of several names counts once."""
    written, sizes = 0.0, dict[tuple[int, int], int]()
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):  # a run that goes on removes its old checkpoints
                found = (Path(folder) / name).lstat()
                if name != REPORT:  # may be written anew long after the run
                    written = max(written, found.st_mtime)
                sizes[found.st_dev, found.st_ino] = found.st_size
    return written or path.stat().st_mtime, sum(sizes.values())
