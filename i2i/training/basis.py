"""On what validations rest: how many pictures, and whether they are held out. No torch is imported for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i.training.layout import PICTURES, VALIDATION

FEW = 16
"""Pictures below which validations tell little."""


@dataclass(frozen=True)
class Basis:
    """The pictures that validations look at."""

    count: int
    is_held_out: bool
    """Whether the model is never trained on them."""
    over: str = ""
    """What part of each picture is measured, where that needs telling."""

    @property
    def is_few(self) -> bool:
        """Whether a figure on them is rough."""
        return self.count < FEW

    @property
    def told(self) -> dict[str, Any]:
        """As `validation/pictures.json` has it."""
        return {"count": self.count, "held_out": self.is_held_out, "over": self.over}


def basis_of(run: Path) -> Basis | None:
    """That of a run folder's newest validation; None where nothing tells of it."""
    try:
        told = json.loads((run / VALIDATION / PICTURES).read_text(encoding="utf-8"))
        count, is_held_out, over = told["count"], told["held_out"], told.get("over", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    is_told = type(count) is int and type(is_held_out) is bool and isinstance(over, str)
    return Basis(count, is_held_out, over) if is_told else None
