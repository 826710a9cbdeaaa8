"""What a manifest is asked about, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from i2i.inference.manifest.contents import Contents

State = Literal["done", "changed", "new", "failed", "foreign"]
"""What a job's target is before a run.

done: translated from this very source and mask with these settings, and still there. changed: ours, and outdated by its
source, mask or settings, or by a run that was killed before it could replace it. new: nothing lies there, be it that it
was never made or that it was deleted. failed: this very source failed with these settings before. foreign: something
lies there that no line tells of, or that somebody changed since; only --force may replace it.
"""


class Translation(Protocol):
    """A job: anything with these attributes."""

    @property
    def source(self) -> Path:
        """What is read."""

    @property
    def target(self) -> Path:
        """Where the translation goes."""

    @property
    def name(self) -> str:
        """The target's path below the destination, with slashes."""

    @property
    def mask(self) -> Path | None:
        """The picture that shows what is to be made anew."""


@dataclass(frozen=True)
class Seen:
    """What source and mask were before they were opened; only to be handed on."""

    source: Contents | None
    mask: Contents | None


@dataclass(frozen=True)
class Finding:
    """What a job's target is, and why."""

    state: State
    seen: Seen
    """For `about_to_appear` and `failed`."""
    remark: str = ""
    """Why it is changed or foreign, or failed then: one line that goes behind the target's path. Else empty."""
