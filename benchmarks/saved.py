"""Results on the disk: one file a machine, part by part, so that one part can be measured again."""

from __future__ import annotations

import datetime
import json
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks.rows import Asked, Found
from i2i.doctor.machine import machine

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def machine_of(device: str) -> dict[str, Any]:
    """What computes, in words and numbers."""
    here = machine()
    return {
        "cpu": here.cpu,
        "cores": here.cores,
        "usable cores": here.usable_cores,
        "memory": here.memory,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def name_of(described: Mapping[str, Any]) -> str:
    """Of the files of a machine.

    >>> name_of({"cpu": "AMD EPYC", "cores": 2, "gpu": None})
    'amd-epyc-2-cores'
    """
    words = described["gpu"] or f"{described['cpu']} {described['cores']} cores"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def record(found: Found, asked: Asked, seconds: float) -> dict[str, Any]:
    """What is saved of a part."""
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": _commit(),
        "torch": torch.__version__,
        "quick": asked.quick,
        "took": round(seconds, 1),
        "limits": {precision: asdict(limit) for precision, limit in asked.limits.items()},
        **asdict(found),
    }


def merge(path: Path, described: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Lay parts over what the file holds, and write it."""
    known: dict[str, Any] = read(path)["parts"] if path.exists() else {}
    content = {"machine": dict(described), "parts": {**known, **parts}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return content


def read(path: Path) -> dict[str, Any]:
    """What `merge` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _commit() -> str | None:
    """Of the working tree, with a + where it was changed since; None without git."""
    try:
        short = _git("rev-parse", "--short", "HEAD")
        return short + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()
