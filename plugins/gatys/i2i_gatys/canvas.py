"""The scheme that paints: every photo of a batch has a canvas, an objective and an optimizer of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.optim import LBFGS, Adam, Optimizer

from i2i import Options, Trainer, Turns
from i2i_gatys import Scale
from i2i_gatys.objective import Objective


@dataclass(frozen=True)
class Stage:
    """One scale on photos of one size."""

    scale: Scale
    height: int
    width: int


def planned(scales: Sequence[Scale], height: int, width: int, smallest: int) -> list[Stage]:
    """The scales that a photo is worth: the first that is as large as the photo is the last.

    Where the shorter side would be less than `smallest` pixels, the canvas is larger than the scale says.
    """
    stages = list[Stage]()
    for scale in scales:
        factor = min(1.0, max(scale.size / max(height, width), smallest / min(height, width)))
        stage = Stage(scale, round(height * factor), round(width * factor))
        if stages and (stage.height, stage.width) == (stages[-1].height, stages[-1].width):
            break
        stages.append(stage)
    return stages


class CanvasTrainer(Trainer):
    """No photo influences another, so a batch gives the pictures that one by one gives."""

    def __init__(
        self, model: nn.Module, canvases: Sequence[Tensor], objectives: Sequence[Objective], options: Options
    ) -> None:
        """Canvases (1, 3, H, W); `options` are the model's translate options, those of the scale laid over."""
        super().__init__(model, {}, options)
        self.objectives = {f"canvas {number}": objective for number, objective in enumerate(objectives)}
        self.canvases = {
            name: nn.Parameter(canvas.clone(memory_format=torch.contiguous_format))  # as L-BFGS reads it
            for name, canvas in zip(self.objectives, canvases, strict=True)
        }

    def optimizers(self) -> Mapping[str, Optimizer]:
        """One for each canvas."""
        return {name: self._optimizer(canvas) for name, canvas in self.canvases.items()}

    def _optimizer(self, canvas: nn.Parameter) -> Optimizer:
        options = self.options
        if options.optimizer == "adam":
            return Adam([canvas], lr=options.learning_rate)
        # one iteration a step; losses are small numbers, so it is their count alone that ends the run
        return LBFGS(
            [canvas],
            max_iter=1,
            max_eval=20,
            history_size=options.history,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )

    def step(self, batch: dict[str, Tensor], turns: Turns) -> Mapping[str, Tensor]:
        """One iteration on every canvas; tells of the canvases as it finds them."""
        scalars: dict[str, Tensor] = {}
        for name, canvas in self.canvases.items():
            found = self.objectives[name].at(canvas)
            with turns(name) as turn:
                turn.minimise(partial(self._loss, name))
            for part, value in {"loss": found.loss, **found.parts}.items():
                scalars[part] = scalars.get(part, 0) + value / len(self.canvases)
        return scalars

    def preview(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The canvases as they are."""
        return {"canvas": torch.cat(list(self.canvases.values())).detach().clamp(0, 1)}

    def _loss(self, name: str) -> Tensor:
        """The loss at the canvas, with its gradient: both are known where the last iteration ended."""
        canvas, found = self.canvases[name], self.objectives[name].at(self.canvases[name])
        return found.loss + ((canvas - found.canvas) * found.gradient).sum()
