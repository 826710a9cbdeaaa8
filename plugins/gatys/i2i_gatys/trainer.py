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
        style, pictures = self.model.style, batch["picture"]
        before = style.all_grams()
        # Gram matrices sum over thousands of places
        with torch.no_grad(), torch.autocast(pictures.device.type, enabled=False):
            known = len(self.first)
            kept = self._keep(pictures, turns)
            if kept and known.bit_length() < len(self.first).bit_length():  # as often as they have doubled in number
                self.model.features.learn(self.first, style.scale)
                style.forget()
                pictures = torch.cat([*self.first, pictures[kept:]])
            for part in pictures.split(len(batch["picture"])):
                self._add(part, turns)
        after = style.all_grams()
        return {"pictures": style.pictures.sum(), "change": (after - before).norm() / after.norm().clamp_min(1e-12)}

    def _keep(self, pictures: Tensor, turns: Turns) -> int:
        """Keep of the first pictures those that learned features are to learn from; says how many of this batch.

        None where the run began with a style that was learned before (`--init`): its features stay as they are. Raises
        `UsageError` on several ranks, none of which sees the pictures of the others.
        """
        if not self.model.features.learns or (not self.first and self.model.style.is_known):
            return 0
        kept = pictures[: FIRST - len(self.first)]
        if len(kept) and float(turns.reduce(torch.ones((), device=pictures.device))) > 1:
            raise UsageError(
                "model.features.use=learned: each rank would learn features of its own; take vgg19 or squeezenet1_1, "
                "or one rank"
            )
        self.first += kept.split(1) if len(kept) else ()
        return len(kept)

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
