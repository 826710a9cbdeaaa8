"""Both sides of an adversarial game, for any training scheme that plays one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from i2i.contracts import RoleLoss
from i2i.errors import I2IError
from i2i.features.extractor import in_full_precision

Judge = Callable[[Tensor], Tensor]
"""Pictures (B, C, H, W) in [0, 1] → logits (B, ...); a conditional scheme closes over its labels."""


class Verdict(NamedTuple):
    """What a discriminator minimises, what it is made of, and how well it judges: 0-dim; all but `loss` detached."""

    loss: Tensor
    """The adversarial loss and, where they are due, penalties."""
    adversarial: Tensor
    """The adversarial loss alone."""
    penalty: Tensor | None
    """The adversarial loss's own and the weighted regulariser, not multiplied by `every`; None where none was due."""
    real_accuracy: Tensor
    """Share of the real pictures judged right, in [0, 1]."""
    fake_accuracy: Tensor
    """Share of the generated pictures judged right, in [0, 1]."""


class AdversarialGame:
    """An adversarial loss, a regulariser and augmentation, each named by the recipe, as the two sides of one game.

    `augment` is that of `i2i.AdversarialOptions`: what the judge sees, real or generated, in either side's turn, is
    changed at random before (Zhao et al. 2020, DiffAugment). Without it and without a regulariser the game is nothing
    but the adversarial loss. Raises `I2IError` where the regulariser's weight or its `every` makes no sense.
    """

    def __init__(self, adversarial: RoleLoss, regulariser: RoleLoss | None = None, augment: Sequence[str] = ()) -> None:
        self.adversarial = adversarial
        self.regulariser = _checked(regulariser) if regulariser is not None and regulariser.weight else None
        self.augment = _augmentation(augment)

    def generator(self, judge: Judge, fake: Tensor, real: Tensor) -> Tensor:
        """What the generator that drew `fake` minimises, weighted: 0-dim. `real` is seen only if the loss asks.

        With a weight of 0 nothing is judged.
        """
        if not self.adversarial.weight:
            return fake.new_zeros(())
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
        loss = adversarial = self.adversarial.discriminator(real_logits, fake_logits)
        penalties = []
        if (own := self.adversarial.penalty(judge, real, fake)) is not None:
            loss = loss + own
            penalties.append(own.detach())
        # the last step of every so many, not the first: those are the steps that a log of every tenth shows
        if self.regulariser is not None and (step + 1) % self.regulariser.every == 0:
            steepness = self.regulariser(judge, real, fake)
            loss = loss + self.regulariser.every * steepness
            penalties.append(steepness.detach())
        penalty = torch.stack(penalties).sum() if penalties else None
        accuracies = self.adversarial.accuracy(real_logits.detach(), fake_logits.detach())
        return Verdict(loss, adversarial.detach(), penalty, *accuracies)

    def _augmented(self, judge: Judge) -> Judge:
        """Logits are compared in float32, also under autocast: a mean in bfloat16 would have three digits."""
        return lambda pictures: in_full_precision(judge(self.augment(pictures)))


def _checked(regulariser: RoleLoss) -> RoleLoss:
    if regulariser.weight < 0:
        raise I2IError(
            f"losses.regulariser.weight is {regulariser.weight}: it would reward a steep discriminator; "
            "set one above 0, or 0 to leave it out"
        )
    if regulariser.every < 1:
        raise I2IError(f"the regulariser is computed every {regulariser.every} steps: its `every` must be at least 1")
    return regulariser


def _augmentation(kinds: Sequence[str]) -> Callable[[Tensor], Tensor]:
    if not kinds:
        return lambda pictures: pictures
    from i2i.losses.augmentation import DifferentiableAugmentation  # imports kornia

    return DifferentiableAugmentation(kinds)
