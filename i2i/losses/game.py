"""Both sides of an adversarial game, for any training scheme that plays one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.contracts import RoleLoss
from i2i.losses.regularisers import in_full_precision

Judge = Callable[[Tensor], Tensor]
"""Pictures (B, C, H, W) in [0, 1] → logits (B, ...); a conditional scheme closes over its labels."""


class Verdict(NamedTuple):
    """What a discriminator minimises, and how well it judges; the shares are 0-dim in [0, 1] and detached."""

    loss: Tensor
    real_accuracy: Tensor
    fake_accuracy: Tensor


class AdversarialGame:
    """An adversarial loss, a regulariser and augmentation, each named by the recipe, as the two sides of one game.

    `augment` is that of `i2i.AdversarialOptions`: what the judge sees, real or generated, in either side's turn, is
    changed at random before (Zhao et al. 2020, DiffAugment). Without it and without a regulariser the game is nothing
    but the adversarial loss.
    """

    def __init__(self, adversarial: RoleLoss, regulariser: RoleLoss | None = None, augment: Sequence[str] = ()) -> None:
        self.adversarial = adversarial
        self.regulariser = regulariser if regulariser is not None and regulariser.weight else None
        self.augment = _augmentation(augment)

    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
        """What the generator that drew `fake` minimises, weighted: 0-dim. `real` is seen only if the loss asks."""
        judge = self._augmented(judge)
        fake_logits = judge(fake)
        if not self.adversarial.needs_real_logits:
            return self.adversarial.generator(fake_logits)
        with torch.no_grad():
            real_logits = judge(real)
        return self.adversarial.generator(fake_logits, real_logits)

    def discriminator(self, judge: Judge, real: Tensor, fake: Tensor, step: int) -> Verdict:
        """What the judge minimises at this step; no gradient reaches the generator that drew `fake`.

        Penalties differentiate through the augmentation, with respect to the pictures as they were before it (as
        StyleGAN2-ADA's published code does: Karras et al. 2020).
        """
        judge, fake = self._augmented(judge), fake.detach()
        real_logits, fake_logits = judge(real), judge(fake)
        loss = self.adversarial.discriminator(real_logits, fake_logits)
        penalty = self.adversarial.penalty(judge, real, fake)
        if penalty is not None:
            loss = loss + penalty
        if self.regulariser is not None and step % self.regulariser.every == 0:
            loss = loss + self.regulariser.every * self.regulariser(judge, real, fake)
        return Verdict(loss, *self.adversarial.accuracy(real_logits.detach(), fake_logits.detach()))

    def _augmented(self, judge: Judge) -> Judge:
        """Logits are compared in float32, also under autocast: a mean in bfloat16 would have three digits."""
        return lambda pictures: in_full_precision(judge(self.augment(pictures)))


def _augmentation(kinds: Sequence[str]) -> Callable[[Tensor], Tensor]:
    if not kinds:
        return lambda pictures: pictures
    from i2i.losses.augmentation import DifferentiableAugmentation  # imports kornia

    return DifferentiableAugmentation(kinds)
