"""The training scheme: what one step does."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.optim import Adam

from i2i import Trainer, Turns


class LumenTrainer(Trainer):
    """The denoiser minimises the distance between what it cleaned and what was clean."""

    def optimizers(self) -> Mapping[str, Adam]:
        """One Adam."""
        return {"denoiser": Adam(self.model.denoiser.parameters(), self.options.learning_rate)}

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """`source`, noisy, and `target`, clean: (B, 3, H, W) in [0, 1]."""
        with turns("denoiser") as turn:
            cleaned = self.model.denoiser(batch["source"])
            distance = self.losses["distance"](cleaned, batch["target"])
            turn.minimise(distance)
        return {"distance": distance.detach()}

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The noisy picture, what the denoiser makes of it, and the clean one."""
        cleaned = self.model.denoiser(batch["source"]).clamp(0, 1)
        return {"noisy": batch["source"], "cleaned": cleaned, "clean": batch["target"]}
