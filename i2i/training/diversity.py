"""Watching a model that makes pictures out of nothing for collapse: many latents, one picture."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from i2i.features.random import random_features, spread

SAMPLES = 64
EARLY = 1000
"""Steps before which samples that all look alike are no surprise, unless they once did not."""


class DiversityWatch:
    """Compares how much samples differ from each other with how much the data does."""

    def __init__(self, data: Tensor, warn_below: float) -> None:
        """`data`: (N, C, H, W) in [0, 1], N ≥ 2 different pictures."""
        self.data_spread = spread(random_features(data)).clamp_min(1e-6)
        self.warn_below = warn_below
        self.was_diverse = self.warned = False

    def measure(self, samples: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] → 0-dim: their mean pairwise distance in feature space, as a share of the data's."""
        return spread(random_features(samples)) / self.data_spread

    def state_dict(self) -> dict[str, bool]:
        """What was seen and said so far."""
        return {"was_diverse": self.was_diverse, "warned": self.warned}

    def load_state_dict(self, state: Mapping[str, bool]) -> None:
        """Go on from what `state_dict` gave; a run of before there was a watch gave nothing."""
        self.was_diverse, self.warned = state.get("was_diverse", False), state.get("warned", False)

    def warning(self, diversity: float, step: int) -> str | None:
        """Once, in words, when the diversity at this step has fallen, or is still, too low."""
        low = diversity < self.warn_below
        surprising = self.was_diverse or step >= EARLY
        self.was_diverse |= not low
        if not low or not surprising or self.warned:
            return None
        self.warned = True
        return (
            f"the samples differ from each other only {diversity:.2f} times as much as the data does: "
            "they may be collapsing; look at samples/. A lower trainer.learning_rate may prevent it; in an adversarial "
            "game also a regulariser (losses.regulariser.use=r1), another adversarial loss, or trainer.augment where "
            "data are few"
        )
