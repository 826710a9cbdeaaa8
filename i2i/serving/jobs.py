"""A job: pictures to translate or to make, and what has become of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from i2i.serving.choices import Choice
from i2i.serving.settings import SampleSettings, TranslateSettings

State = Literal["arriving", "waiting", "working", "done", "failed", "cancelled"]
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})


@dataclass
class Piece:
    """One picture of a job."""

    number: int
    name: str
    """What the answer is called."""
    label: str
    """What the client called the picture; of one that is made, `name`."""
    target: Path
    source: Path | None = None
    mask: Path | None = None
    mask_label: str = ""
    is_shown: bool = True
    is_source_shown: bool = True
    """Whether there are previews of the answer, and of what was sent: they are not too large for that."""
    state: State = "waiting"
    fraction: float = 0.0
    """How far the model is with it, where it says so."""
    error: str = ""
    lost: Sequence[str] = ()
    """What the answer's file format does not hold, a phrase each."""


@dataclass
class Job:
    """What one request asked for. The worker changes it, others look at it."""

    folder: Path
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    choice: Choice | None = None
    settings: TranslateSettings | SampleSettings | None = None
    pieces: list[Piece] = field(default_factory=list)
    state: State = "arriving"
    error: str = ""
    remarks: list[str] = field(default_factory=list)
    is_unwanted: bool = False
    """Whether the client has cancelled it."""
    size: int = 0
    """Bytes of its files."""
    ended: float | None = None
    """On the clock that never goes back; None: not yet."""
    readers: int = 0
    """Who are reading its files."""
    is_forgotten: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nothing more will become of it."""
        return self.state in OVER

    @property
    def walk(self) -> Path | None:
        """Where the animation of a walk goes, if it is one."""
        wanted = isinstance(self.settings, SampleSettings) and self.settings.interpolate is not None
        return self.folder / "out" / "walk.gif" if wanted else None

    @property
    def written(self) -> list[Piece]:
        """The pictures whose answers are there."""
        return [piece for piece in self.pieces if piece.state == "done"]

    def told(self, text: str) -> None:
        """Remember what is worth telling, once."""
        if text not in self.remarks and len(self.remarks) < 20:
            self.remarks.append(text)

    def end(self, state: State, error: str = "") -> None:
        """Nothing more will become of it, nor of pictures that are not done."""
        for piece in self.pieces:
            if piece.state not in OVER:
                piece.state, piece.error = state if state != "done" else "failed", error
        self.state, self.error, self.ended = state, error, time.monotonic()

    def view(self, ahead: int, address: Callable[[str], str]) -> dict[str, Any]:
        """What is told of it: `ahead` jobs come before it; `address` puts a place below it into words."""
        cancelled = self.is_unwanted and not self.is_over
        shown = [self._piece(piece, cancelled, address) for piece in self.pieces]
        if self.state == "working" and not cancelled:
            first = next((piece for piece in shown if piece["state"] == "waiting"), None)
            if first is not None and not any(piece["state"] == "working" for piece in shown):
                first["state"] = "working"
        settled = sum(piece.fraction if piece.state not in OVER else 1.0 for piece in self.pieces)
        assert self.choice is not None
        return {
            "id": self.id,
            "kind": "sample" if isinstance(self.settings, SampleSettings) else "translate",
            "model": self.choice.id,
            "state": "cancelled" if cancelled else self.state,
            "ahead": ahead,
            "done": len(self.written),
            "failed": sum(piece.state == "failed" for piece in self.pieces),
            "total": len(self.pieces),
            "fraction": round(settled / max(1, len(self.pieces)), 4),
            "error": self.error or None,
            "remarks": list(self.remarks),
            "pictures": shown,
            "all": address("all.zip") if self.is_over and self.written else None,
            "walk": address("walk.gif") if self.walk is not None and self.state == "done" else None,
        }

    def _piece(self, piece: Piece, cancelled: bool, address: Callable[[str], str]) -> dict[str, Any]:
        is_there, is_seen = piece.state == "done", piece.source is not None and piece.is_source_shown
        place = f"pictures/{piece.number}"
        return {
            "number": piece.number,
            "name": piece.name,
            "label": piece.label,
            "state": "cancelled" if cancelled and piece.state not in OVER else piece.state,
            "fraction": round(piece.fraction, 4),
            "error": piece.error or None,
            "lost": list(piece.lost),
            "result": address(place) if is_there else None,
            "preview": address(f"{place}/preview") if is_there and piece.is_shown else None,
            "original": address(f"original/{piece.number}") if is_seen else None,
        }
