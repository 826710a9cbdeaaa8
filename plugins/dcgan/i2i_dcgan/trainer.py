"""The training scheme of Goodfellow et al. 2014 (algorithm 1) as Radford et al. 2016 use it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from torch import Tensor
from torch.optim import Adam

from i2i import AdversarialGame, Request, Trainer, Turns

PREVIEW_COLUMNS = 6


class DCGANTrainer(Trainer):
    """The discriminator learns, then the generator; with classes, both play for the class of the real picture."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.game = AdversarialGame(self.losses["adversarial"], self.losses["regulariser"], self.options.augment)

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam for each network (section 4)."""
        networks = {"discriminator": self.model.discriminator, "generator": self.model.generator}
        rate, betas = self.options.learning_rate, (self.options.beta1, self.options.beta2)
        return {name: Adam(network.parameters(), rate, betas) for name, network in networks.items()}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Constant as published, or falling linearly."""
        return self.options.share(step)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`picture`: (B, C, size, size) in [0, 1]; `label`: (B,) where there are classes."""
        generator, real, labels = self.model.generator, batch["picture"], batch.get("label")
        judge = partial(self.model.discriminator, labels=labels)
        latents = (len(real), self.model.options.latent)

        # after so many steps of the discriminator (Gulrajani et al. 2017, algorithm 1)
        generator_learns = (turns.step + 1) % self.options.generator_every == 0
        with turns("generator") if generator_learns else nullcontext():  # the same pictures serve both turns
            fake = generator(turns.noise(latents), labels)

        with turns("discriminator") as turn:
            verdict = self.game.discriminator(judge, real, fake, turns.step)
            turn.minimise(verdict.loss)
        scalars = {
            "discriminator": verdict.adversarial,
            "real_accuracy": verdict.real_accuracy,
            "fake_accuracy": verdict.fake_accuracy,
        }
        if verdict.penalty is not None:
            scalars["penalty"] = verdict.penalty

        if generator_learns:
            with turns("generator") as turn:
                loss = self.game.generator(judge, fake, real)
                turn.minimise(loss)
            scalars["generator"] = loss.detach()
        return scalars

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """A column of data, then samples whose latents stay the same through the run."""
        real = batch["picture"]
        seeds = tuple(range(PREVIEW_COLUMNS * len(real)))
        latents = self.model.latents(seeds).to(real.device)
        request = Request(seeds=seeds, options=self.translate_options)
        columns = self.model.sample(latents, request).chunk(PREVIEW_COLUMNS)
        return {"data": real} | {f"sample {number}": column for number, column in enumerate(columns, 1)}
