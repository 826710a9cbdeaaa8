"""The training scheme of Zhu et al. 2017."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Adam

from i2i import AdversarialGame, Trainer, Turn, Turns, linear_decay
from i2i_cyclegan.replay import ReplayPool

SIGNED_RANGE = 2.0
"""The paper weighs differences of pictures in [-1, 1]; ours, in [0, 1], are half as large."""


class CycleGANTrainer(Trainer):
    """G and F minimise equation 3 plus the identity loss of section 5.2; then D_Y and D_X learn."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.game = AdversarialGame(self.losses["adversarial"], self.losses["regulariser"], self.options.augment)
        self.shown_targets = ReplayPool(self.options.replay)
        self.shown_sources = ReplayPool(self.options.replay)

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam for both generators, one for both discriminators."""
        model, options = self.model, self.options
        generators = chain(model.to_target.parameters(), model.to_source.parameters())
        discriminators = chain(model.judge_target.parameters(), model.judge_source.parameters())
        betas = (options.beta1, options.beta2)
        return {
            "generators": Adam(generators, options.learning_rate, betas),
            "discriminators": Adam(discriminators, options.learning_rate, betas),
        }

    def learning_rate(self, optimizer: str, step: int) -> float:
        """Constant, then linearly to zero (appendix 7.1)."""
        return linear_decay(step, self.options.decay_from, self.options.decay_to)

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`source` and `target`: (B, 3, H, W) in [0, 1], unpaired."""
        model, source, target = self.model, batch["source"], batch["target"]

        with turns("generators") as turn:  # in parts: the maps of one are free before the next are made
            identity = self._identity(turn, model.to_target, target) + self._identity(turn, model.to_source, source)
            to_target = self._there_and_back(model.to_target, model.to_source, model.judge_target, source, target)
            turn.add(to_target.adversarial + to_target.cycle)
            to_source = self._there_and_back(model.to_source, model.to_target, model.judge_source, target, source)
            turn.minimise(to_source.adversarial + to_source.cycle)

        with turns("discriminators") as turn:  # halved so that they learn more slowly (appendix 7.1)
            shown_target = self.shown_targets.exchange(to_target.fake)
            shown_source = self.shown_sources.exchange(to_source.fake)
            on_target = self.game.discriminator(model.judge_target, target, shown_target, turns.step)
            turn.add(0.5 * on_target.loss)
            on_source = self.game.discriminator(model.judge_source, source, shown_source, turns.step)
            turn.minimise(0.5 * on_source.loss)

        scalars = {
            "adversarial": (to_target.adversarial + to_source.adversarial).detach(),
            "cycle": (to_target.cycle + to_source.cycle).detach(),
            "identity": identity,
            "discriminator_target": 0.5 * on_target.adversarial,
            "discriminator_source": 0.5 * on_source.adversarial,
            "real_accuracy": (on_target.real_accuracy + on_source.real_accuracy) / 2,
            "fake_accuracy": (on_target.fake_accuracy + on_source.fake_accuracy) / 2,
        }
        if on_target.penalty is not None and on_source.penalty is not None:
            scalars["penalty"] = (on_target.penalty + on_source.penalty) / 2
        return scalars

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Both directions, and the way back."""
        source, target = batch["source"], batch["target"]
        as_target, as_source = self.model.to_target(source), self.model.to_source(target)
        return {
            "source": source,
            "as target": as_target,
            "and back": self.model.to_source(as_target),
            "target": target,
            "as source": as_source,
            "and back again": self.model.to_target(as_source),
        }

    def state_dict(self) -> dict[str, Any]:
        """Both replay pools."""
        return {"shown_targets": list(self.shown_targets.pictures), "shown_sources": list(self.shown_sources.pictures)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Both replay pools."""
        self.shown_targets.pictures = list(state["shown_targets"])
        self.shown_sources.pictures = list(state["shown_sources"])

    def _differs(self, role: str, picture: Tensor, wanted: Tensor) -> Tensor:
        return SIGNED_RANGE * self.losses[role](picture, wanted)

    def _there_and_back(self, there: Any, back: Any, judge: Any, start: Tensor, end: Tensor) -> _Way:
        fake = there(start)
        adversarial = self.game.generator(judge, fake, end)
        return _Way(fake.detach(), adversarial, self._differs("cycle", back(fake), start))

    def _identity(self, turn: Turn, generator: Any, own: Tensor) -> Tensor:
        """A generator leaves pictures of its own range alone (section 5.2, L_identity)."""
        if not self.losses["identity"] or not self.losses["identity"].weight:
            return torch.zeros((), device=own.device)
        identity = self._differs("identity", generator(own), own)
        turn.add(identity)
        return identity.detach()


class _Way(NamedTuple):
    """From one range of pictures to the other and back; `fake` is detached."""

    fake: Tensor
    adversarial: Tensor
    cycle: Tensor
