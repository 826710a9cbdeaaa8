"""The training scheme of Isola et al. 2017."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam

from i2i import AdversarialGame, Request, Trainer, Turns

SIGNED_RANGE = 2.0
"""The paper weighs differences of pictures in [-1, 1]; ours, in [0, 1], are half as large."""


class Pix2PixTrainer(Trainer):
    """D learns to tell pairs with a real target from pairs with a generated one; G minimises equation 4 against it."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.game = AdversarialGame(self.losses["adversarial"], self.losses["regulariser"], self.options.augment)

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam for each network (section 3.3)."""
        model, options = self.model, self.options
        rate, betas = options.learning_rate, (options.beta1, options.beta2)
        return {
            "discriminator": Adam(model.discriminator.parameters(), options.discriminator_learning_rate or rate, betas),
            "generator": Adam(model.generator.parameters(), rate, betas),
        }

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Constant as published, or falling linearly as in the published code."""
        return self.options.share(step)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`source` and `target`: (B, 3, H, W) in [0, 1], of one place; `mask`: (B, 1, H, W) for a model of holes."""
        model, source, target, mask = self.model, batch["source"], batch["target"], batch.get("mask")
        judge = partial(model.judged, shown=model.answer.shown(source, mask))

        with turns("generator"):  # nothing learns yet: the same generated picture serves both turns
            made = model.made_of(source, mask)

        with turns("discriminator") as turn:
            verdict = self.game.discriminator(judge, target, made, turns.step)
            turn.minimise(0.5 * verdict.loss)  # halved so that it learns more slowly (section 3.3)

        with turns("generator") as turn:
            adversarial = self.game.generator(judge, made, target)
            reconstruction = SIGNED_RANGE * self.losses["reconstruction"](made, target)
            perceptual = self._perceptual(made, target)
            turn.minimise(adversarial + reconstruction + perceptual)

        scalars = {
            "adversarial": adversarial.detach(),
            "reconstruction": reconstruction.detach(),
            "discriminator": 0.5 * verdict.adversarial,
            "real_accuracy": verdict.real_accuracy,
            "fake_accuracy": verdict.fake_accuracy,
        }
        if self.losses["perceptual"]:
            scalars["perceptual"] = perceptual.detach()
        if verdict.penalty is not None:
            scalars["penalty"] = verdict.penalty
        return scalars

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The source, what is made of it, and the target."""
        source = batch["source"]
        request = Request(options=self.translate_options, seeds=tuple(range(len(source))), mask=batch.get("mask"))
        return {"source": source, "made": self.model.translate(source, request), "target": batch["target"]}

    def _perceptual(self, made: Tensor, target: Tensor) -> Tensor:
        perceptual = self.losses["perceptual"]
        return perceptual(made, target) if perceptual else torch.zeros((), device=made.device)
