"""The scheme that learns a folder's style: no optimizer, only averages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i import Trainer, Turns, UsageError

FIRST = 16
"""Pictures that learned features learn from."""


class StyleTrainer(Trainer):
    """Takes picture after picture into the one style of the model."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        if self.model.options.style:
            raise UsageError("model.style: `fit` learns the style of the folder; leave it out, or translate with it")
        self.first: list[Tensor] = []

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`picture`: (B, 3, size, size) in [0, 1]. Tells by what share of themselves the Gram matrices changed."""
        style, before = self.model.style, self.model.style.all_grams()
        with torch.no_grad():
            if self._learns_from(batch["picture"]):
                self.model.features.learn(self.first)
                style.forget()
                for picture in self.first:
                    self._add(picture, turns)
            else:
                self._add(batch["picture"], turns)
        after = style.all_grams()
        return {"pictures": style.pictures.sum(), "change": (after - before).norm() / after.norm().clamp_min(1e-12)}

    def _learns_from(self, pictures: Tensor) -> bool:
        """Whether the features are to be learned anew: as often as the first pictures have doubled in number.

        Between two doublings pictures are only kept, and described by the features that there are.
        """
        if not self.model.features.learns or len(self.first) == FIRST:
            return False
        before = len(self.first)
        self.first += pictures[: FIRST - before].split(1)
        return before == 0 or before.bit_length() < len(self.first).bit_length()

    def _add(self, pictures: Tensor, turns: Turns) -> None:
        style = self.model.style
        sums = {name: turns.reduce(total) for name, total in style.measured(self.model.features, pictures).items()}
        style.add(0, sums, float(turns.reduce(torch.tensor(float(len(pictures)), device=pictures.device))))

    def state_dict(self) -> dict[str, Any]:
        """The first pictures."""
        return {"first": self.first}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them back."""
        self.first = [picture.to(self.model.style.mean) for picture in state["first"]]
