"""A few steps of a training scheme, and which parameters moved when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from i2i.training.fit import Fit


@dataclass
class Observed:
    """What was seen."""

    owned: tuple[str, ...]
    """Names of the parameters that optimizers own, in the order of the optimizers."""
    idle: dict[str, tuple[str, ...]]
    """Optimizers that had no turn as yet, and the parameters that they own."""
    steps: int = 0
    moved: set[str] = field(default_factory=set)
    strays: list[str] = field(default_factory=list)
    """Parameters of one optimizer that moved at another time than in its turn."""
    not_finite: list[str] = field(default_factory=list)
    no_scalar: list[str] = field(default_factory=list)


def observe(fit: Fit, at_most: int, at_least: int = 2) -> Observed:
    """Train until every owned parameter has moved, at most so many steps."""
    loop, watch = fit.loop, _Watch(fit)
    loop.turns = watch  # type: ignore[assignment]
    seen = watch.observed
    with closing(fit.batches.from_step(0)) as batches:
        while seen.steps < at_most and (seen.steps < at_least or not seen.moved.issuperset(seen.owned)):
            scalars = loop.advance(next(batches))
            watch.look("outside every turn", ())
            seen.steps += 1
            _note_values(seen, scalars, watch.parameters)
            if fit.loop.turns.guard.skipped:
                seen.not_finite.append(f"gradients at step {seen.steps}")
            if seen.not_finite:
                break
    return seen


class _Watch:
    """The loop's turns, with a look at every parameter before and after each."""

    def __init__(self, fit: Fit) -> None:
        self.turns = fit.loop.turns
        model = {id(value): name for name, value in fit.loop.model.named_parameters()}
        self.names = {
            optimizer: tuple(model.get(id(value), f"{optimizer}[{place}]") for place, value in enumerate(values))
            for optimizer, values in self.turns.parameters.items()
        }
        self.parameters = dict(fit.loop.model.named_parameters())
        for optimizer, values in self.turns.parameters.items():
            self.parameters |= zip(self.names[optimizer], values, strict=True)
        owned = tuple(name for names in self.names.values() for name in names)
        self.observed = Observed(owned, dict(self.names))
        self.before = self._copy()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.turns, name)

    @contextmanager
    def __call__(self, optimizer: str) -> Iterator[Any]:
        self.look("outside every turn", ())
        self.observed.idle.pop(optimizer, None)
        with self.turns(optimizer) as turn:
            yield turn
        self.look(f"in the turn '{optimizer}'", self.names[optimizer])

    def look(self, when: str, learning: tuple[str, ...]) -> None:
        """Note what moved since the last look."""
        now = self._copy()
        moved = {name for name in now if not torch.equal(now[name], self.before[name])}
        self.before = now
        owned = {name for names in self.names.values() for name in names}
        self.observed.moved |= (moved & set(learning)) | (moved - owned)
        strays = (f"{name} {when}" for name in sorted((moved & owned) - set(learning)))
        self.observed.strays += [stray for stray in strays if stray not in self.observed.strays]

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.parameters.items()}


def _note_values(seen: Observed, scalars: Mapping[str, Tensor], parameters: Mapping[str, Tensor]) -> None:
    where = f"at step {seen.steps}"
    for name, value in scalars.items():
        if value.shape != ():
            seen.no_scalar.append(f"{name} is {tuple(value.shape)}")
        elif not bool(value.isfinite()):
            seen.not_finite.append(f"{name} is {float(value)} {where}")
    seen.not_finite += [
        f"parameter {name} {where}" for name, value in parameters.items() if not bool(value.isfinite().all())
    ]
