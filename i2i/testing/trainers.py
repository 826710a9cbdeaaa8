"""Checks of a training scheme, through the loop that everybody trains with."""

from __future__ import annotations

import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from i2i.plugins import Entry
from i2i.testing.bench import Bench
from i2i.testing.checks import Check, Skipped, listed, require

if TYPE_CHECKING:
    from i2i.recipe import Recipe
    from i2i.testing.observing import Observed


class Scheme:
    """A trainer on the bench, in its recipe."""

    def __init__(self, bench: Bench, entry: Entry[Any]) -> None:
        self.bench, self.entry = bench, entry

    def recipe(self, *more: str) -> Recipe:
        """Its recipe, made quick. Raises `Skipped` where it has none."""
        name = self.bench.recipe_with("trainer", self.entry.name)
        if name is None:
            raise Skipped("no recipe of its own distribution uses it")
        return self.bench.recipe(name, *more)

    @cached_property
    def observed(self) -> Observed:
        """A few steps under observation."""
        return self.bench.observed(self.recipe().name)[1]


def starts(scheme: Scheme) -> None:
    """As `i2i fit` starts it."""
    scheme.bench.start(scheme.recipe())


def stays_finite(scheme: Scheme) -> None:
    """What a step answers, and what it learns."""
    observed = scheme.observed
    require(not observed.not_finite, f"not finite: {listed(observed.not_finite)}")
    require(not observed.no_scalar, f"a step answers 0-dim tensors: {listed(observed.no_scalar)}")


def all_learn(scheme: Scheme) -> None:
    """Whatever an optimizer owns."""
    observed = scheme.observed
    _require_optimizers(scheme)
    waiting = {name for names in observed.idle.values() for name in names}
    still = [name for name in observed.owned if name not in observed.moved | waiting]
    require(not still, f"in {observed.steps} steps no turn moved {listed(still)}: does its loss depend on it?")
    if observed.idle:
        raise Skipped(f"in {observed.steps} steps there was no turn of {listed(list(observed.idle))}")


def others_stay(scheme: Scheme) -> None:
    """Whatever no optimizer owns."""
    strays = [name for name in scheme.observed.moved if name not in scheme.observed.owned]
    require(not strays, f"moved, though no optimizer owns it: {listed(strays)}; keep it in a buffer")


def learn_in_their_turns(scheme: Scheme) -> None:
    """Whatever another optimizer owns stays as it is."""
    _require_optimizers(scheme)
    strays = scheme.observed.strays
    require(not strays, f"moved {listed(strays)}")


def resumes_bit_for_bit(scheme: Scheme) -> None:
    """Everything that the next step depends on is in the checkpoint."""
    from i2i.training.checkpoints import identical, newest_checkpoint
    from i2i.training.starting import resume

    straight = scheme.bench.start(scheme.recipe("run.steps=4"), folder=True).run()
    stopped = scheme.bench.start(scheme.recipe("run.steps=2"), folder=True).run()
    resumed = resume(scheme.bench.catalog, stopped.path, steps=4).run()
    checkpoints = [newest_checkpoint(folder.checkpoints) for folder in (straight, resumed)]
    require(all(checkpoints), "a run left no intact checkpoint")
    one, other = (checkpoint for checkpoint in checkpoints if checkpoint is not None)
    require(
        identical(one, other),
        "resumed after two steps, the state after four is another: what does the next step depend on that "
        "state_dict does not hold?",
    )


def ranks_agree(scheme: Scheme) -> None:
    """Two processes on the CPU, by gloo."""
    import torch.distributed

    from i2i.testing.ranks import RANKS, Task, trained

    if not torch.distributed.is_available():
        raise Skipped("this torch has no torch.distributed")
    bench, observed = scheme.bench, scheme.observed
    recipe = for_ranks(scheme, RANKS)
    target = str(bench.target.folder or bench.target.distribution)
    task = Task(target, recipe.as_dict(), bench.folder / f"ranks-{scheme.entry.name}", tuple(sys.path))
    one, other = trained(task)
    names = {str(place): name for place, name in enumerate(observed.owned)} or {name: name for name in one}
    differing = [names[name] for name in one if not one[name].equal(other[name])]
    advice = "leave gradients to turn.minimise" if observed.owned else "sum what is learned with turns.reduce"
    require(not differing, f"after two steps the ranks differ in {listed(differing)}: {advice}")


def for_ranks(scheme: Scheme, ranks: int) -> Recipe:
    """Its recipe with a batch for each rank, which loads the pictures by itself: a rank may begin no process."""
    return scheme.recipe(f"run.batch={scheme.recipe().run.batch * ranks}", "run.workers=0")


def computes_in_bf16(scheme: Scheme) -> None:
    """Under the loop's autocast."""
    _require_finite_in(scheme, "run.precision=bf16")


def computes_on_cuda(scheme: Scheme) -> None:
    """Where there is a device."""
    import torch

    if not torch.cuda.is_available():
        raise Skipped("no CUDA device here")
    _require_finite_in(scheme, "run.device=cuda")


CHECKS = (
    Check("its recipe starts, with a model that has what it needs", starts, gate=True),
    Check("the numbers of every step are finite", stays_finite, gate=True),
    Check("everything that its optimizers own learns within a few steps", all_learn),
    Check("what no optimizer owns stays as it is", others_stay),
    Check("during a turn only that turn's parameters learn", learn_in_their_turns),
    Check("two steps and two after resuming equal four, bit for bit", resumes_bit_for_bit),
    Check("two ranks, each with half of the batch, learn the same", ranks_agree),
    Check("it computes in bf16", computes_in_bf16),
    Check("it computes on a CUDA device", computes_on_cuda),
)


def _require_optimizers(scheme: Scheme) -> None:
    if not scheme.observed.owned:
        raise Skipped("it has no optimizers")


def _require_finite_in(scheme: Scheme, line: str) -> None:
    from i2i.testing.observing import observe

    observed = observe(scheme.bench.start(scheme.recipe(line)), 2, at_least=2)
    require(not observed.not_finite, f"not finite with {line}: {listed(observed.not_finite)}")
