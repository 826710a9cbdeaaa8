"""The contract as a list of checks on whatever a plugin brings, and what came of each."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from i2i.testing import datasets, losses, models, package, trackers, trainers
from i2i.testing.answering import Model
from i2i.testing.bench import Bench, draw_pictures
from i2i.testing.checks import Skipped, Subject, one_line
from i2i.testing.target import find


@dataclass(frozen=True)
class Outcome:
    """What came of one check."""

    subject: str
    """What was checked: `model lumen`."""
    check: str
    """The sentence that should hold."""
    verdict: Literal["passed", "failed", "skipped"]
    reason: str
    """Why it failed or was skipped, in one line."""
    seconds: float


def examine(target: str, overrides: Sequence[str] = ()) -> Iterator[Outcome]:
    """Check everything that a plugin brings, one outcome after another.

    `target` is a distribution, an entry point, anything that a plugin brought (a model, a recipe …) or a project
    folder, which need not be installed. `overrides` are lines as of `--set`: each is laid over all recipes that have
    its option, so that large networks become small. Raises `UsageError` for an unknown target or an override of
    nothing.
    """
    found = find(target)
    leave = found.enter()
    try:
        with redirect_stdout(sys.stderr):  # what a plugin prints is no outcome
            everything = subjects(Bench(found, overrides))
        for subject in everything:
            for check in subject.checks:
                started = time.perf_counter()
                verdict, reason = _verdict(lambda subject=subject, check=check: subject.run(check))  # type: ignore[misc]
                yield Outcome(subject.label, check.sentence, verdict, reason, time.perf_counter() - started)
    finally:
        leave()


def subjects(bench: Bench) -> list[Subject]:
    """Everything to be checked, in the order in which it makes sense; of a broken plugin the package alone."""
    found = [Subject(f"package {bench.target.distribution}", package.CHECKS, bench)]
    if any(plugin.distribution == bench.target.distribution for plugin in bench.catalog.broken):
        return [Subject(found[0].label, package.CHECKS[:1], bench)]
    bench.refuse_unknown_settings()
    for entry in bench.entries("loss"):
        found.append(Subject(f"loss {entry.name}", losses.checks(entry), losses.Loss(bench, entry)))
    for entry in bench.entries("dataset"):
        found.append(Subject(f"dataset {entry.name}", datasets.CHECKS, datasets.Samples(bench, entry)))
    for entry in bench.entries("model"):
        found.append(Subject(f"model {entry.name}", models.CHECKS, Model(bench, entry)))
    for entry in bench.entries("trainer"):
        found.append(Subject(f"trainer {entry.name}", trainers.CHECKS, trainers.Scheme(bench, entry)))
    for entry in bench.entries("tracker"):
        found.append(Subject(f"tracker {entry.name}", trackers.CHECKS, trackers.Follower(bench, entry)))
    return found


def planned(
    target: str, settings: Mapping[str, Sequence[str]], draw: Callable[[Path, str], None] = draw_pictures
) -> list[Subject]:
    """The same for tests, to be run one by one; from here on the target's packages are those that are imported."""
    found = find(target)
    found.enter()
    return subjects(Bench(found, (), settings, draw))


def _verdict(run: Callable[[], None]) -> tuple[Literal["passed", "failed", "skipped"], str]:
    import torch

    try:
        with redirect_stdout(sys.stderr), torch.random.fork_rng():
            run()
    except Skipped as reason:
        return "skipped", one_line(reason)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way at all
        return "failed", one_line(error)
    return "passed", ""
