"""Where runs and fetched networks lie, and how much room there is."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from i2i.evaluation.unpaired import INCEPTION
from i2i.features import ALEXNET, SQUEEZENET, VGG16, VGG19
from i2i.features.lpips import HEADS
from i2i.features.published import Published
from i2i.training.layout import RUNS

PUBLISHED: tuple[tuple[str, Published], ...] = (
    ("KID and FID", INCEPTION),
    ("features squeezenet1_1, LPIPS squeeze", SQUEEZENET),
    ("LPIPS squeeze", HEADS["squeeze"]),
    ("features vgg19", VGG19),
    ("LPIPS vgg", VGG16),
    ("LPIPS vgg", HEADS["vgg"]),
    ("LPIPS alex", ALEXNET),
    ("LPIPS alex", HEADS["alex"]),
)
"""What for, which file."""


@dataclass(frozen=True)
class Place:
    """A folder, or where it would be made."""

    path: Path
    """Or the nearest folder above that is there."""
    free: int
    """Bytes."""
    is_writable: bool


@dataclass(frozen=True)
class Network:
    """A file that others published."""

    file: str
    used_for: str
    megabytes: float
    """That fetching it takes."""
    size: int | None
    """Bytes of what is here; None where it is not."""


@dataclass(frozen=True)
class Storage:
    """Disks."""

    runs: Place
    cache: Place
    cache_folder: Path
    """Where fetched networks lie, be it there or not."""
    networks: tuple[Network, ...]


def storage(folder: Path) -> Storage:
    """As seen from this folder."""
    cache = INCEPTION.cached.parent
    networks = tuple(
        Network(file.name, used_for, file.megabytes, file.cached.stat().st_size if file.is_here else None)
        for used_for, file in PUBLISHED
    )
    return Storage(_place(folder / RUNS), _place(cache), cache, networks)


def _place(path: Path) -> Place:
    there = next(above for above in (path, *path.absolute().parents) if above.is_dir())
    return Place(there, shutil.disk_usage(there).free, os.access(there, os.W_OK))
