"""`fit`: a recipe and its data become a run folder with weights."""

from __future__ import annotations

import math
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from torch import Tensor

from i2i.contracts import API_VERSION, Dataset, Weights
from i2i.disk.locking import Occupation
from i2i.errors import I2IError, Interrupted
from i2i.plugins import Catalog
from i2i.ranks.group import RankLost, from_first, largest
from i2i.recipe import Recipe
from i2i.training.batches import Batches, MicroBatch
from i2i.training.broken import Broken
from i2i.training.building import loaded_by
from i2i.training.checkpoints import load_checkpoint
from i2i.training.exploding import TO_TRY, Explosions, exploded
from i2i.training.listener import DryRun, Listener
from i2i.training.logbook import Logbook
from i2i.training.loop import Loop
from i2i.training.monitoring import Monitor
from i2i.training.pace import Pace
from i2i.training.run_folder import RunFolder, plain
from i2i.training.runtime import Runtime, memory_explained

EVERYTHING_DUE = 720_720 - 1
"""A step that ends every interval of up to 16 steps, so that what is done now and then is done in it."""
LOADER = "DataLoader worker"
"""How torch begins to say that one has ended."""
ADVICE = "lower run.batch or the size of the pictures, raise run.accumulate, use run.precision=bf16 or a smaller model"


@dataclass
class Fit:
    """One run in progress."""

    catalog: Catalog
    recipe: Recipe
    runtime: Runtime
    dataset: Dataset
    loop: Loop
    batches: Batches
    listener: Listener
    logbook: Logbook
    monitor: Monitor
    broken: Broken
    folder: RunFolder | None = None
    occupation: Occupation | None = None
    """Of the run folder, while this process works on it."""
    saved_step: int = -1
    saved_at: float = 0.0
    """Seconds of the clock."""
    is_to_be_saved: bool = False

    def __post_init__(self) -> None:
        self.pace = Pace(self.batches)
        self.explosions = Explosions(self.loop, self.recipe.run, self.logbook)

    def run(self) -> RunFolder:
        """Train to the last step. Raises `Interrupted` after saving when the listener asks to stop."""
        try:
            return self._run()
        except RuntimeError as problem:
            if LOADER not in str(problem):
                raise
            raise I2IError(f"{' '.join(str(problem).split())}: a process that loads pictures was ended, perhaps for "
                           "want of memory; lower run.workers") from problem  # fmt: skip
        finally:
            if self.occupation is not None:
                self.occupation.end()

    def _run(self) -> RunFolder:
        assert self.folder is not None
        steps, fresh = self.steps, self.saved_step < 0
        if self.loop.step >= steps:
            self.listener.said(f"already at step {self.loop.step} of {steps}; --steps N goes further")
            return self.folder
        if self.monitor.reason_to_end is not None:
            text = f"ended at step {self.loop.step} of {steps} already: {self.monitor.reason_to_end}"
            self.listener.said(f"{text}; raise run.patience in {self.folder.recipe_file} to go further")
            return self.folder
        self._tell_of_idle_steps()
        try:
            self.logbook.begin(self.folder)
            self.listener.started(self.loop.step, steps)
            self._train()
        except BaseException as error:
            self.broken.sum_up()
            if fresh and self.loop.step == 0:
                self.logbook.drop()
                self.folder.discard()  # nothing was learned: the name is free again
            elif isinstance(error, Exception):  # who wants it to end at once waits for nothing
                self._end_with(error)
            raise
        self.broken.sum_up()
        self.monitor.sum_up()
        self.logbook.close()
        return self.folder

    def _end_with(self, error: Exception) -> None:
        """What is to be done about a run that is neither done nor discarded."""
        assert self.folder is not None
        if not isinstance(error, Interrupted | RankLost):
            resume_it = f"i2i fit --resume {shlex.quote(str(self.folder.path))}"
            self.listener.warned(f"step {self.saved_step} is saved; once that is mended: {resume_it}")
        if not isinstance(error, Interrupted):
            self.logbook.note_end(" ".join(str(error).split()) or type(error).__name__)
        self.logbook.close()

    def _train(self) -> None:
        if self.saved_step < self.loop.step:
            self._save()  # a disk that is full or read-only is found now, and a run killed early can go on
        self.pace.restart(self.loop.step)
        self.saved_at = time.perf_counter()
        while self._goes_on:
            returns = self.loop.returns
            with closing(self.batches.from_step(self.loop.batch_number)) as batches:
                while self._goes_on and self.loop.returns == returns:
                    self._train_one_step(batches)

    def _train_one_step(self, batches: Iterator[list[MicroBatch]]) -> None:
        run = self.recipe.run
        self._do_as_asked()
        scalars = self._advance(batches)
        self.listener.stepped(self.loop.step)
        measured = self._measured() if self._due(run.sample_every) else {}
        self.is_to_be_saved |= self._due(run.checkpoint_every)
        validates = run.validate_every is not None and self._due(run.validate_every)
        if measured or validates or self.is_to_be_saved or self._due(run.log_every):
            is_last = self.loop.step >= self.steps
            if not self.explosions.is_sound(is_last, weights_count=self.is_to_be_saved or validates):
                return self._go_back(scalars)
        if validates and self.explosions.is_calm:
            measured |= self._validated()
        if measured or self._due(run.log_every):
            self._log({**self.loop.of_all_ranks(scalars), **measured})
        if self.is_to_be_saved and (self.explosions.is_calm or self.loop.step == self.steps):
            self._save()  # not amid steps that may be those of weights which exploded
        if self._due(run.sample_every) or not self._goes_on:
            self._sample()

    @property
    def _goes_on(self) -> bool:
        return self.loop.step < self.steps and self.monitor.reason_to_end is None

    def _due(self, every: int) -> bool:
        return self.loop.step % every == 0 or self.loop.step == self.steps

    def _minutes_are_over(self) -> bool:
        minutes = self.recipe.run.checkpoint_minutes
        return minutes is not None and time.perf_counter() - self.saved_at > 60 * minutes

    def _do_as_asked(self) -> None:
        """Save, or save and end, if any rank is asked to."""
        saves = self.listener.should_save() or self._minutes_are_over()
        signal_number, saves_somewhere = divmod(largest(2 * (self.listener.should_stop() or 0) + saves), 2)
        if (signal_number or saves_somewhere) and self.saved_step < self.loop.step:
            if self.explosions.is_calm and self.loop.is_finite():
                self._save()
            else:
                self.is_to_be_saved = True  # as soon as there is a sound step
        if signal_number:
            self._stop(signal_number)

    def _stop(self, signal_number: int) -> None:
        assert self.folder is not None
        from_first(None)  # the others stay until the first has written
        if self.loop.step == 0:
            raise Interrupted("stopped before the first step", signal_number)
        saved = "saved" if self.saved_step == self.loop.step else f"saved as it was at step {self.saved_step}"
        self.logbook.note_end(f"stopped by {signal.Signals(signal_number).name}, {saved}")
        resume_it = f"i2i fit --resume {shlex.quote(str(self.folder.path))}"
        raise Interrupted(f"stopped at step {self.loop.step}, {saved}; go on with: {resume_it}", signal_number)

    def _tell_of_idle_steps(self) -> None:
        """Schedules are absolute: a run that is made longer does not stretch them."""
        rate = self.loop.trainer.learning_rate
        if idle := [name for name in self.loop.optimizers if not rate(name, self.steps - 1)]:
            text = f"the schedule of {', '.join(idle)} ends before step {self.steps}: the last steps teach nothing"
            self.listener.warned(f"{text}; to go further, start a new run with --init and a longer schedule")

    def try_one_step(self) -> DryRun:
        """One step without a run folder: what was found, how long it takes, how much memory."""
        self.loop.step = EVERYTHING_DUE
        started = time.perf_counter()
        with closing(self.batches.from_step(0)) as batches:
            scalars = self._advance(batches)
        numbers = {name: float(value) for name, value in scalars.items()}
        if wrong := exploded(scalars):
            raise I2IError(f"the first step: {', '.join(wrong)}; {TO_TRY}")
        seconds = time.perf_counter() - started
        total, memory = seconds * self.steps, self.runtime.memory()
        environment = self.runtime.describe()
        return DryRun(self.dataset.describe(), environment, self.parameters, seconds, total, memory, numbers)

    @property
    def steps(self) -> int:
        """Of the whole run."""
        assert self.recipe.run.steps is not None  # it is a number before anything is assembled
        return self.recipe.run.steps

    @property
    def parameters(self) -> int:
        """Numbers that the model learns, or holds frozen."""
        return sum(parameter.numel() for parameter in self.loop.model.parameters())

    def _advance(self, batches: Iterator[list[MicroBatch]]) -> Mapping[str, Tensor]:
        with memory_explained(ADVICE):
            batch = next(batches)
            for micro_batch in batch:
                self.broken.note(micro_batch.broken)
            return self.loop.advance(batch)

    def _go_back(self, scalars: Mapping[str, Tensor]) -> None:
        """To the last checkpoint, once. Raises `I2IError` the second time."""
        assert self.folder is not None
        complaint = self.explosions.complaint(scalars)
        try:
            state = load_checkpoint(self.explosions.way_back(self.folder.checkpoints, complaint))
        except I2IError:
            self._log(scalars)
            raise
        self.loop.go_back(state["loop"])
        self.monitor.load_state_dict(state)
        self.monitor.forget_lost_best(self.folder)
        self.saved_step, self.is_to_be_saved = self.loop.step, False
        self.logbook.go_back()
        self.pace.restart(self.loop.step)
        self.explosions.returned(complaint)

    def _log(self, scalars: Mapping[str, Tensor]) -> None:
        numbers = {name: float(value.detach()) for name, value in scalars.items()}
        numbers = {name: value for name, value in numbers.items() if math.isfinite(value)} | self.pace.take(
            self.loop.step
        )
        if self.explosions.masked:
            numbers["masked_steps"] = self.explosions.masked
        self.logbook.log(numbers)
        if (warning := self.pace.warning) is not None:
            self.logbook.warn("starving", warning)

    def _measured(self) -> dict[str, Tensor]:
        with memory_explained(ADVICE):
            return self.monitor.diversity()

    def _validated(self) -> dict[str, Tensor]:
        with memory_explained(ADVICE):
            figures, is_to_be_kept = self.monitor.validate()
        self.is_to_be_saved |= is_to_be_kept
        return figures

    def _sample(self) -> None:
        with memory_explained(ADVICE):
            columns = self.monitor.columns()
        if columns:
            self.logbook.show(columns)

    def _save(self) -> None:
        assert self.folder is not None
        spec, data = self.recipe.model.entry.value, plain(self.dataset.describe())
        weights = Weights(
            recipe={key: value for key, value in self.recipe.as_dict().items() if key != "trackers"},
            tensors=self.loop.inference_tensors(spec.inference),
            step=self.loop.step,
            model_version=spec.version,
            api_version=API_VERSION,
            versions=self.recipe.versions(self.catalog),
            data=data,
            loaded=loaded_by(self.loop.model),
            note=self.recipe.run.note,
        )
        state = {
            "loop": self.loop.state_dict(),
            **self.monitor.state_dict(),
            "loaded": loaded_by(self.loop.trainer),
            "environment": {**self.runtime.describe(), "data": data},
        }
        best = self.folder.told_best() if self.monitor.validating is None else self.monitor.record
        self.folder.save(self.loop.step, weights, state, self.recipe.run, best)
        self.saved_step, self.saved_at, self.is_to_be_saved = self.loop.step, time.perf_counter(), False
