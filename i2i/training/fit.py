"""`fit`: a recipe and its data become a run folder with weights."""

from __future__ import annotations

import math
import shlex
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
from i2i.training.checkpoints import damage, load_checkpoint, newest_checkpoint
from i2i.training.listener import DryRun, Listener
from i2i.training.loop import Loop
from i2i.training.monitoring import Monitor
from i2i.training.run_folder import RunFolder, plain
from i2i.training.runtime import Runtime, memory_explained

EVERYTHING_DUE = 720_720 - 1
"""A step that ends every interval of up to 16 steps, so that what is done now and then is done in it."""
LOADER = "DataLoader worker"
"""How torch begins to say that one has ended."""
NOT_FINITE = "gradients were not finite"
TO_TRY = "the last checkpoint is intact; try a lower trainer.learning_rate, run.clip=1 or run.precision=fp32"
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
    monitor: Monitor
    broken: Broken
    folder: RunFolder | None = None
    occupation: Occupation | None = None
    """Of the run folder, while this process works on it."""
    saved_step: int = -1
    saved_at: float = 0.0
    """Seconds of the clock."""
    is_to_be_saved: bool = False
    logged: tuple[float, int] = (0.0, 0)
    """When metrics were last written: seconds of the clock, and the step."""
    masked: int = 0
    """Steps that are told of as masked."""

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
        self.listener.started(self.loop.step, steps)
        try:
            self._train()
        except BaseException as error:
            if fresh and self.loop.step == 0:
                self.folder.discard()  # nothing was learned: the name is free again
                raise
            if isinstance(error, Exception) and not isinstance(error, Interrupted | RankLost):
                resume_it = f"i2i fit --resume {shlex.quote(str(self.folder.path))}"
                self.listener.said(f"step {self.saved_step} is saved; once that is mended: {resume_it}")
            raise
        finally:
            self.broken.sum_up()
        self.monitor.sum_up()
        return self.folder

    def _train(self) -> None:
        if self.saved_step < self.loop.step:
            self._save()  # a disk that is full or read-only is found now, and a run killed early can go on
        self.logged, self.saved_at = (time.perf_counter(), self.loop.step), time.perf_counter()
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
        if (measured or validates or self.is_to_be_saved or self._due(run.log_every)) and not self._is_sound(validates):
            return self._go_back(scalars)
        if validates and self.loop.turns.guard.in_a_row == 0:
            measured |= self._validated()
        if measured or self._due(run.log_every):
            self._log({**self.loop.of_all_ranks(scalars), **measured})
        if self.is_to_be_saved and (self.loop.turns.guard.in_a_row == 0 or self.loop.step == self.steps):
            self._save()  # not amid steps that may be those of weights which exploded
        if self._due(run.sample_every) or not self._goes_on:
            self._sample()

    def forget_lost_best(self) -> None:
        """What validations found the best is none where its checkpoint has gone since; `best.json` tells which is."""
        assert self.folder is not None
        validating = self.monitor.validating
        if validating is None:
            return
        if validating.best is not None and (problem := damage(self.folder.checkpoint(validating.best.step))):
            where = f"the best checkpoint, of step {validating.best.step}"
            self.listener.said(f"{where}: {problem}; the best is sought afresh")
            validating.restart()
        self.folder.write_best(validating.record)

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
            if self.loop.turns.guard.in_a_row == 0 and self.loop.is_finite():
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
        resume_it = f"i2i fit --resume {shlex.quote(str(self.folder.path))}"
        raise Interrupted(f"stopped at step {self.loop.step}, {saved}; go on with: {resume_it}", signal_number)

    def _tell_of_idle_steps(self) -> None:
        """Schedules are absolute: a run that is made longer does not stretch them."""
        rate = self.loop.trainer.learning_rate
        if idle := [name for name in self.loop.optimizers if not rate(name, self.steps - 1)]:
            text = f"the schedule of {', '.join(idle)} ends before step {self.steps}: the last steps teach nothing"
            self.listener.said(f"{text}; to go further, start a new run with --init and a longer schedule")

    def try_one_step(self) -> DryRun:
        """One step without a run folder: what was found, how long it takes, how much memory."""
        self.loop.step = EVERYTHING_DUE
        started = time.perf_counter()
        with closing(self.batches.from_step(0)) as batches:
            scalars = self._advance(batches)
        numbers = {name: float(value) for name, value in scalars.items()}
        if exploded := [f"{name} is {value}" for name, value in numbers.items() if not math.isfinite(value)]:
            raise I2IError(f"the first step: {', '.join(exploded)}; {TO_TRY}")
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

    def _is_sound(self, validates: bool = False) -> bool:
        """Whether steps still teach something; says how many do not."""
        guard = self.loop.turns.guard
        if guard.skipped > self.masked:
            self.masked = guard.skipped
            self.listener.said(f"step {self.loop.step}: {self.masked} steps changed nothing, as {NOT_FINITE}")
        most = self.recipe.run.max_masked if self.loop.step < self.steps else 2
        return guard.in_a_row < most and (not (self.is_to_be_saved or validates) or self.loop.is_finite())

    def _go_back(self, scalars: Mapping[str, Tensor]) -> None:
        """To the last checkpoint, once. Raises `I2IError` the second time."""
        assert self.folder is not None
        step = self.loop.step
        values = {name: float(value) for name, value in scalars.items()}
        exploded = [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]
        what = f"step {step}: {', '.join(exploded) or NOT_FINITE}"
        began = step - self.loop.turns.guard.in_a_row  # the weights of that step may be those that exploded
        checkpoint = newest_checkpoint(self.folder.checkpoints, self.listener.said, before=began)
        if self.loop.returns or checkpoint is None:
            self._log(scalars)
            raise I2IError(f"{what}, though it went back once already; {TO_TRY}")
        state = load_checkpoint(checkpoint)
        self.loop.go_back(state["loop"])
        self.monitor.load_state_dict(state)
        self.forget_lost_best()
        self.saved_step, self.masked, self.is_to_be_saved = self.loop.step, self.loop.turns.guard.skipped, False
        self.folder.forget_after(self.loop.step)
        self.logged = (time.perf_counter(), self.loop.step)
        where = f"back to step {self.loop.step}, on with other batches and half the learning rates"
        self.listener.said(f"{what}: {where}")

    def _read(self, scalars: Mapping[str, Tensor]) -> dict[str, float]:
        """Those that are finite."""
        numbers = {name: float(value.detach()) for name, value in scalars.items()}
        return {name: value for name, value in numbers.items() if math.isfinite(value)}

    def _log(self, scalars: Mapping[str, Tensor]) -> None:
        assert self.folder is not None
        step, (since, since_step) = self.loop.step, self.logged
        speed = self.recipe.run.batch * (step - since_step) / max(time.perf_counter() - since, 1e-9)
        numbers = {**self._read(scalars), "images_per_second": round(speed, 3)}
        if self.masked:
            numbers["masked_steps"] = self.masked
        self.folder.log(step, numbers)
        self.listener.logged(step, numbers)
        self.logged = (time.perf_counter(), step)

    def _measured(self) -> dict[str, Tensor]:
        with memory_explained(ADVICE):
            return self.monitor.diversity()

    def _validated(self) -> dict[str, Tensor]:
        with memory_explained(ADVICE):
            figures, is_to_be_kept = self.monitor.validate()
        self.is_to_be_saved |= is_to_be_kept
        return figures

    def _sample(self) -> None:
        assert self.folder is not None
        with memory_explained(ADVICE):
            columns = self.monitor.columns()
        if columns:
            self.folder.show(self.loop.step, columns)

    def _save(self) -> None:
        assert self.folder is not None
        spec, data = self.recipe.model.entry.value, plain(self.dataset.describe())
        weights = Weights(
            recipe=self.recipe.as_dict(),
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
