"""The pictures that a validation found best and worst, laid out in the run folder."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from i2i.disk.drafts import complete_or_not_at_all
from i2i.images.decode import to_image
from i2i.images.encode import write_picture
from i2i.training import lines
from i2i.training.basis import Basis
from i2i.training.layout import PICTURES, STEP, VALIDATION, name_of

SHOWN = 4
"""Of the best, and of the worst."""


@dataclass(frozen=True)
class Examples:
    """What a validation looked at, picture by picture."""

    values: Sequence[float]
    """One a picture."""
    lower_is_better: bool
    measured: str
    """What a value means, in words."""
    made: Tensor
    """uint8 (N, 3, H, W)."""
    source: Tensor | None = None
    """(N, C, h, w) in [0, 1]: what they were made from."""
    wanted: Tensor | None = None
    """uint8 (N, 3, H, W): what each should be like."""

    def chosen(self) -> list[tuple[str, int]]:
        """`best` or `worst`, and which picture: the best first, then the worst of all first; none comes twice."""
        sign = 1 if self.lower_is_better else -1
        order = sorted(range(len(self.values)), key=lambda place: sign * self.values[place])
        lower_half = len(order) // 2
        best = self._different(order[: len(order) - lower_half])
        worst = self._different(order[: -lower_half - 1 : -1], best)
        return [*(("best", place) for place in best), *(("worst", place) for place in worst)]

    def _different(self, places: Sequence[int], shown: Sequence[int] = ()) -> list[int]:
        """The first of these, without those that equal one before them or one that is shown already."""
        found: list[int] = []
        for place in places:
            if len(found) < SHOWN and not any(self._are_equal(place, other) for other in (*shown, *found)):
                found.append(place)
        return found

    def _are_equal(self, place: int, other: int) -> bool:
        parts = [part for part in (self.made, self.source, self.wanted) if part is not None]
        return all(torch.equal(part[place], part[other]) for part in parts)


def exhibit(run: Path, step: int, metric: str, examples: Examples, basis: Basis) -> None:
    """Write the best and the worst into the run folder: the pictures, then what tells of them, in place of older ones.

    Raises `I2IError` where they cannot be written.
    """
    folder = run / VALIDATION
    numbers = {"best": 0, "worst": 0}
    shown = []
    for rank, place in examples.chosen():
        numbers[rank] += 1
        beginning = f"{name_of(step)}/{rank}-{numbers[rank]}"
        shown.append(
            {"rank": rank, "value": _finite(examples.values[place]), **_laid(folder, beginning, examples, place)}
        )
    content = {"step": step, "metric": metric, "lower_is_better": examples.lower_is_better}
    with complete_or_not_at_all(folder / PICTURES) as stream:
        told = {**content, "measured": examples.measured, **basis.told, "pictures": shown}
        stream.write((json.dumps(told, indent=2) + "\n").encode())
    for older in folder.glob(f"{STEP}*"):
        if older.name != name_of(step):
            shutil.rmtree(older, ignore_errors=True)


def forget_after(run: Path, step: int) -> None:
    """Remove them where they are those of a step that will be taken again."""
    file = run / VALIDATION / PICTURES
    if not file.exists():
        return
    if lines.step_of(file.read_text(encoding="utf-8")) > step:  # or of nobody knows which step
        file.unlink()
        shutil.rmtree(file.parent, ignore_errors=True)


def _laid(folder: Path, beginning: str, examples: Examples, place: int) -> dict[str, str | None]:
    """The files of one picture: what it was made from, itself, and what it should be like."""
    laid: dict[str, str | None] = {}
    for name in ("source", "made", "wanted"):
        pictures: Tensor | None = getattr(examples, name)
        laid[name] = None if pictures is None else f"{beginning}-{name}.png"
        if pictures is not None:
            write_picture(to_image(pictures[place]), folder / f"{beginning}-{name}.png")
    return laid


def _finite(value: float) -> float | None:
    """JSON knows no infinity: that of a picture that equals its target."""
    return value if math.isfinite(value) else None
