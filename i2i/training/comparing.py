"""Whether two checkpoints hold the same state, bit for bit, and where they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from i2i.contracts.weights import read_header
from i2i.errors import I2IError
from i2i.training.changing import changes
from i2i.training.layout import STATE, TRAINING, WEIGHTS, checkpoint_step

PARTS = {"model": "weights", "optimizers": "optimizers", "ema": "moving average", "trainers": "pools"}
OTHER_PART = "course"
"""What else the next step depends on: the rate of a run that went back, steps that were masked."""
ABSENT = "absent"


@dataclass(frozen=True)
class Apart:
    """What of the same name differs."""

    name: str
    how: str
    """`by up to 0.01`, or one value and the other."""


@dataclass(frozen=True)
class Difference:
    """A part of the state in which two checkpoints differ."""

    part: str
    places: int
    """Tensors and numbers that one or both hold."""
    apart: tuple[Apart, ...]


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints side by side."""

    steps: tuple[int, int]
    recipe: tuple[str, ...]
    """What differs between the recipes and decides the numbers."""
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether both would go on alike: the same step, weights, optimizers, moving average and pools."""
        return self.steps[0] == self.steps[1] and not self.differences


def compare(one: Path, other: Path) -> Comparison:
    """Two intact checkpoints, tensor by tensor. Raises `I2IError` where one vanishes meanwhile.

    Where they were made, such as the device, and what was merely watched does not count.
    """
    from safetensors import SafetensorError, safe_open

    try:
        recipes = [read_header(path / WEIGHTS)["recipe"] for path in (one, other)]
        here, there = (_leaves_of(path) for path in (one, other))
        with safe_open(one / TRAINING, "pt") as file, safe_open(other / TRAINING, "pt") as other_file:
            found: dict[str, list[Apart]] = {}
            for place in {**here, **there}:
                pair = _value(here, place, file), _value(there, place, other_file)
                if (how := _apart(*pair)) is not None:
                    part, _, name = place.partition("/")
                    found.setdefault(PARTS.get(part, OTHER_PART), []).append(Apart(name or part, how))
    except (OSError, SafetensorError) as error:
        raise I2IError(f"{one} and {other}: cannot be compared ({' '.join(str(error).split())})") from error
    counts: dict[str, int] = {}
    for place in {**here, **there}:
        part = PARTS.get(place.partition("/")[0], OTHER_PART)
        counts[part] = counts.get(part, 0) + 1
    differences = [Difference(part, counts[part], tuple(found[part])) for part in counts if part in found]
    return Comparison((checkpoint_step(one), checkpoint_step(other)), tuple(changes(*recipes)), tuple(differences))


@dataclass(frozen=True)
class _Named:
    """A tensor of the file beside."""

    name: str


def _leaves_of(checkpoint: Path) -> dict[str, Any]:
    """`model/lens.weight` → a number, a string or a named tensor."""
    loop = dict(json.loads((checkpoint / STATE).read_text(encoding="utf-8"))["state"]["loop"])
    del loop["step"]  # the checkpoint's name tells it
    return {name: leaf for key in loop for name, leaf in _leaves(loop[key], key)}


def _leaves(tree: Any, at: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict) and "$tensor" in tree:
        yield at, _Named(tree["$tensor"])
    elif isinstance(tree, dict) and tree:
        for key, item in tree.items():
            yield from _leaves(item, at if key.startswith("$") else f"{at}/{key}")
    elif isinstance(tree, list) and tree:
        for place, item in enumerate(tree):
            yield from _leaves(item, f"{at}/{place}")
    else:
        yield at, tree


def _value(leaves: Mapping[str, Any], place: str, file: Any) -> Any:
    """A tensor, or what is no tensor as text: JSON tells 1 from 1.0, and not-a-number is itself."""
    if place not in leaves:
        return ABSENT
    leaf = leaves[place]
    return file.get_tensor(leaf.name) if isinstance(leaf, _Named) else json.dumps(leaf)


def _apart(one: Any, other: Any) -> str | None:
    """How two values differ, or None where every bit is the same."""
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        same = type(one) is type(other) and one == other
        return None if same else f"{_short(one)} → {_short(other)}"
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{_short(one)} → {_short(other)}"
    if torch.equal(_bits(one), _bits(other)):
        return None
    wide = torch.complex128 if one.is_complex() else torch.float64
    gap = (one.to(wide) - other.to(wide)).abs().masked_fill(one == other, 0)
    return f"by up to {float(gap.max()):.3g}"


def _short(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return str(value)


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)
