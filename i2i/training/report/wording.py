"""What a report says of a run in a few figures."""

from __future__ import annotations

from dataclasses import dataclass

from i2i.errors import counted
from i2i.training.basis import Basis
from i2i.training.pace import MUCH
from i2i.training.report.grouping import title_of, unit_of
from i2i.training.report.story import Story

NO_VALIDATION = "none; next time: --set run.validate_every=500"


@dataclass(frozen=True)
class Remark:
    """What is to be thought of a figure; the tone is `good`, `warn`, `bad` or `faint`."""

    text: str
    tone: str = "faint"


@dataclass(frozen=True)
class Fact:
    """A figure, what it is, and remarks on it."""

    title: str
    value: str
    remarks: tuple[Remark, ...] = ()


def verdict(story: Story) -> list[Fact]:
    """How good the run is, first the figure that tells it best."""
    facts = _of_validations(story)
    if (diversity := story.newest.get("diversity")) is not None:
        facts.append(Fact("Diversity of samples", figure(diversity[1]), (Remark(f"at step {diversity[0]}"),)))
    count = len(story.warnings)
    kinds = ", ".join(sorted({event.kind for event in story.warnings})[:6])
    facts.append(Fact("Warnings", str(count), (Remark(kinds, "bad"),)) if count else Fact("Warnings", "none"))
    if (speed := story.newest.get("images_per_second")) is not None:
        facts.append(Fact("Pictures a second", figure(speed[1]), _of_loader(story)))
    return facts


def _of_validations(story: Story) -> list[Fact]:
    best, metric = story.best, story.metric
    newest = story.newest.get(metric) if metric else None
    if best is None and newest is None:
        why = Remark("none so far") if story.recipe.validates else Remark(NO_VALIDATION, "warn")
        return [Fact("Validation", "–", (why,))]
    facts = []
    rests = () if story.basis is None else (resting(story.basis),)
    over = (Remark(story.basis.over),) if story.basis and story.basis.over else ()
    if best is not None:
        better = "lower is better" if best.lower_is_better else "higher is better"
        which = ", the newest" if newest is not None and newest[0] == best.step else ""
        tone = "faint" if any(remark.tone == "warn" for remark in rests) else "good"
        found = Remark(f"at step {best.step}{which}; {better}", tone)
        remarks = (found, *_way(story), *over, *rests)
        facts.append(Fact(f"Best {title_of(best.metric)}", measure(best.metric, best.value), remarks))
    if newest is not None and metric is not None and (best is None or newest[0] != best.step):
        remarks = (Remark(f"at step {newest[0]}"), *(() if best else rests))
        facts.append(Fact(f"Newest {title_of(metric)}", measure(metric, newest[1]), remarks))
    return facts


def _way(story: Story) -> tuple[Remark, ...]:
    """From the first validation to now."""
    metric = story.metric or ""
    first, newest = story.first.get(metric), story.newest.get(metric)
    if first is None or newest is None:
        return ()
    return (Remark(f"first validation {figure(first)} → now {figure(newest[1])}"),)


def resting(basis: Basis) -> Remark:
    """On what validations rest, and what that is worth."""
    count = counted(basis.count, "picture")
    if not basis.is_held_out:
        return Remark(f"on {count} it was trained on: says little about new ones", "warn")
    if basis.is_few:
        return Remark(f"on {count} held out: few, the figure is rough", "warn")
    return Remark(f"on {count} held out")


def _of_loader(story: Story) -> tuple[Remark, ...]:
    share = story.newest.get("loader_share")
    if share is None:
        return ()
    waited = f"{100 * share[1]:.0f} % of the time waiting for pictures"
    return (Remark(waited, "warn" if share[1] > MUCH else "faint"),)


def measure(metric: str, value: float) -> str:
    """A metric's value with its unit."""
    return f"{figure(value)} {unit_of(metric)}".rstrip()


def figure(value: float) -> str:
    """Four digits that count."""
    return f"{value:.4g}"


def period(seconds: float) -> str:
    """A short time."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
