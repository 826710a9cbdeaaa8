"""The two stages of Ledig et al. 2017, section 3.2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.optim import Adam

from i2i import AdversarialGame, Trainer, Turns


class SRResNetTrainer(Trainer):
    """Stage one: the generator minimises the content loss."""

    def optimizers(self) -> Mapping[str, Adam]:
        """Adam for the generator."""
        return {"generator": self._adam(self.model.generator)}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Constant as published, or falling linearly."""
        return self.options.share(step)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`low`: (B, 3, h, w), `high`: (B, 3, h·scale, w·scale), both in [0, 1]."""
        with turns("generator") as turn:
            enlarged = self.model.generator(batch["low"])
            content = self.losses["content"](enlarged, batch["high"])
            turn.minimise(content)
        return {"content": content.detach(), "psnr": psnr(enlarged, batch["high"])}

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """What bicubic makes of the small picture, what the generator makes of it, and the original."""
        low, high = batch["low"], batch["high"]
        bicubic = F.interpolate(low, high.shape[-2:], mode="bicubic", antialias=True)
        return {"bicubic": bicubic.clamp(0, 1), "enlarged": self.model.generator(low).clamp(0, 1), "original": high}

    def _adam(self, network: Any) -> Adam:
        return Adam(network.parameters(), self.options.learning_rate, (self.options.beta1, self.options.beta2))


class SRGANTrainer(SRResNetTrainer):
    """Stage two: the generator minimises equation 3, content plus weighted adversarial loss; the discriminator learns
    in turn (equation 2)."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.game = AdversarialGame(self.losses["adversarial"], self.losses["regulariser"], self.options.augment)

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam for each network."""
        networks = {"generator": self.model.generator, "discriminator": self.model.discriminator}
        return {name: self._adam(network) for name, network in networks.items()}

    def learning_rate(self, optimizer: str, step: int) -> float:
        """As in stage one; a tenth from `drop_at` on (section 3.2)."""
        drop_at = self.options.drop_at
        return super().learning_rate(optimizer, step) * (0.1 if drop_at is not None and step >= drop_at else 1.0)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """As in stage one."""
        model, low, high = self.model, batch["low"], batch["high"]

        with turns("generator") as turn:
            enlarged = model.generator(low)
            content = self.losses["content"](enlarged, high)
            if self.losses["pixel"] is not None:
                content = content + self.losses["pixel"](enlarged, high)
            adversarial = self.game.generator(model.discriminator, enlarged, high)
            turn.minimise(content + adversarial)

        with turns("discriminator") as turn:
            verdict = self.game.discriminator(model.discriminator, high, enlarged.detach(), turns.step)
            turn.minimise(verdict.loss)

        scalars = {
            "content": content.detach(),
            "adversarial": adversarial.detach(),
            "psnr": psnr(enlarged, high),
            "discriminator": verdict.adversarial,
            "real_accuracy": verdict.real_accuracy,
            "fake_accuracy": verdict.fake_accuracy,
        }
        if verdict.penalty is not None:
            scalars["penalty"] = verdict.penalty
        return scalars


def psnr(enlarged: Tensor, original: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of a batch in dB, over RGB and its mean squared error: 0-dim."""
    return -10 * F.mse_loss(enlarged.detach().float().clamp(0, 1), original).log10()
