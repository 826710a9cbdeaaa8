"""What a run is watched by beside its losses: sample grids, the diversity of samples, validations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from i2i.contracts import Dataset
from i2i.errors import I2IError, counted
from i2i.recipe import Recipe
from i2i.training.basis import Basis
from i2i.training.batches import Batches, MicroBatch
from i2i.training.broken import Broken
from i2i.training.checkpoints import damage
from i2i.training.diversity import SAMPLES, DiversityWatch
from i2i.training.logbook import Logbook
from i2i.training.loop import Loop
from i2i.training.run_folder import RunFolder
from i2i.training.sizes import check_size
from i2i.training.validation import MakesValidation, Validating

PREVIEW_ROWS = 4


class Monitor:
    """Looks at a run now and then, at the same pictures every time; teaches it nothing."""

    def __init__(
        self, recipe: Recipe, dataset: Dataset, batches: Batches, loop: Loop, broken: Broken, logbook: Logbook
    ) -> None:
        self.recipe, self.dataset, self.batches = recipe, dataset, batches
        self.loop, self.broken, self.logbook, self.say = loop, broken, logbook, logbook.listener.said
        self.preview: dict[str, Tensor] = {}
        """The samples of the grid."""
        self.watch: DiversityWatch | None = None
        self.validating: Validating | None = None

    def open(self, validation: MakesValidation | None) -> None:
        """Load what will be looked at. Raises `RecipeError` where its size is none that the model learns from."""
        self.preview = self._previewed()
        self.watch = self._watched()
        self.validating = self._validated_by(validation)

    @property
    def reason_to_end(self) -> str | None:
        """What validations say against further steps."""
        return None if self.validating is None else self.validating.reason_to_end

    @property
    def record(self) -> dict[str, Any] | None:
        """What `best.json` is to hold."""
        return None if self.validating is None else self.validating.record

    def columns(self) -> dict[str, Tensor]:
        """The grid of now: titles and their pictures, (B, 3, H, W) in [0, 1]."""
        return self.loop.preview(self.preview)

    def diversity(self) -> dict[str, Tensor]:
        """Of samples, where it is watched; says when it is too low."""
        if self.watch is None:
            return {}
        diversity = self.watch.measure(self.loop.samples(SAMPLES))
        if (warning := self.watch.warning(float(diversity), self.loop.step)) is not None:
            self.logbook.warn("collapse", warning)
        return {"diversity": diversity}

    def validate(self) -> tuple[dict[str, Tensor], bool]:
        """This step's figure where the run validates, and whether the step is to be kept: the best, or the last."""
        if self.validating is None:
            return {}, False
        step, metric = self.loop.step, self.validating.metric
        measured = self.validating.measure(self.loop)
        value = measured.value
        if not math.isfinite(value):
            self.logbook.warn("non-finite", f"{metric} is {value}, which is never the best")
        if is_to_be_kept := self.validating.is_better(value, step):
            self.logbook.note("best", f"{metric} {value:.6g} is the best so far")
        if measured.examples is not None:
            self.logbook.exhibit(metric, measured.examples, self.validating.basis)
        if self.reason_to_end is not None:
            is_to_be_kept = True
            self.say(f"step {step} is the last: {self.reason_to_end}")
            self.logbook.note("stopped", f"ended early: {self.reason_to_end}")
        return {metric: torch.tensor(value, dtype=torch.float64)}, is_to_be_kept

    def forget_lost_best(self, folder: RunFolder) -> None:
        """What validations found the best is none where its checkpoint has gone since; `best.json` tells which is."""
        validating = self.validating
        if validating is None:
            return
        if validating.best is not None and (problem := damage(folder.checkpoint(validating.best.step))):
            self.say(f"the best checkpoint, of step {validating.best.step}: {problem}; the best is sought afresh")
            validating.restart()
        folder.write_best(validating.record)

    def sum_up(self) -> None:
        """Say which validation was the best."""
        if self.validating is not None and self.validating.best is not None:
            self.say(f"best {self.validating.metric}: {self.validating.in_words}")

    def state_dict(self) -> dict[str, Any]:
        """What was seen and found so far."""
        return {
            "watch": self.watch and self.watch.state_dict(),
            "validating": self.validating and self.validating.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave, whatever was watched then."""
        if self.watch is not None:
            self.watch.load_state_dict(state.get("watch") or {})
        if self.validating is not None:
            self.validating.load_state_dict(state.get("validating") or {})

    def _previewed(self) -> dict[str, Tensor]:
        """Held-out samples; where none of them can be read, training samples."""
        try:
            preview = self._fixed(self.dataset.validation or self.dataset, PREVIEW_ROWS)
        except I2IError:
            preview = self._fixed(self.dataset, PREVIEW_ROWS)
        check_size(preview.tensors, self.loop.model, self.recipe.dataset.options)
        return preview.tensors

    def _watched(self) -> DiversityWatch | None:
        """An unconditional model's samples are compared with pictures of the data."""
        count, keys = min(SAMPLES, len(self.dataset)), self.recipe.trainer.entry.value.keys
        if count < 2 or not keys or not hasattr(self.loop.model, "sample"):
            return None
        pictures = self._fixed(self.dataset, count).tensors[keys[0]]
        return DiversityWatch(self.loop.model.geometry.channelled(pictures), self.recipe.run.collapse_below)

    def _validated_by(self, make: MakesValidation | None) -> Validating | None:
        """On held-out pictures; where there are none, on training samples."""
        run, held_out = self.recipe.run, self.dataset.validation
        if run.validate_every is None or make is None:
            return None
        chosen = held_out if held_out is not None and len(held_out) > 1 else self.dataset
        drawn = self._fixed(chosen, min(run.validation_pictures, len(chosen)))
        validation = make(self.recipe, self.loop, {key: values.cpu() for key, values in drawn.tensors.items()})
        only = "none are" if held_out is None else "only one is"
        which, why = ("held-out", "") if chosen is held_out else ("training", f", as {only} held out")
        basis = Basis(drawn.samples, chosen is held_out, validation.over)
        few = "; few: dataset.validation=0.1 holds out more" if basis.is_few else ""
        text = f"validation every {counted(run.validate_every, 'step')}: {validation.in_words or validation.metric}"
        pictures = counted(drawn.samples, f"{which} picture")
        self.say(f"{text}, on {pictures}{why}{few}")
        return Validating(validation, basis, run.patience)

    def _fixed(self, dataset: Dataset, count: int) -> MicroBatch:
        drawn = self.batches.fixed(dataset, count)
        self.broken.note(drawn.broken)
        return drawn
