"""What a report says of a run in a few figures."""

from __future__ import annotations

from dataclasses import dataclass

from i2i.training.report.story import Story

WAITING = 0.3
"""Share of time spent waiting for pictures above which a run starves."""


@dataclass(frozen=True)
class Fact:
    """A figure, what it is, and what is to be thought of it; the tone is `good`, `warn`, `bad` or `faint`."""

    title: str
    value: str
    remark: str = ""
    tone: str = "faint"


def verdict(story: Story) -> list[Fact]:
    """How good the run is, first the figure that tells it best."""
    facts = _of_validations(story)
    if (diversity := story.newest.get("diversity")) is not None:
        facts.append(Fact("Diversity of samples", figure(diversity[1]), f"at step {diversity[0]}"))
    count = len(story.warnings)
    kinds = ", ".join(sorted({event.kind for event in story.warnings})[:6])
    facts.append(Fact("Warnings", str(count), kinds, "bad") if count else Fact("Warnings", "none"))
    if (speed := story.newest.get("images_per_second")) is not None:
        facts.append(Fact("Pictures a second", figure(speed[1]), *_of_loader(story)))
    return facts


def _of_validations(story: Story) -> list[Fact]:
    best, metric = story.best, story.metric
    newest = story.newest.get(metric) if metric else None
    if best is None and newest is None:
        why = "none so far" if story.recipe.validates else "none: run.validate_every is not set"
        return [Fact("Validation", "–", why)]
    facts = []
    if best is not None:
        better = "lower is better" if best.lower_is_better else "higher is better"
        which = ", the newest" if newest is not None and newest[0] == best.step else ""
        facts.append(Fact(f"Best {best.metric}", figure(best.value), f"at step {best.step}{which}; {better}", "good"))
    if newest is not None and (best is None or newest[0] != best.step):
        facts.append(Fact(f"Newest {metric}", figure(newest[1]), f"at step {newest[0]}"))
    return facts


def _of_loader(story: Story) -> tuple[str, str]:
    share = story.newest.get("loader_share")
    if share is None:
        return "", "faint"
    return f"{100 * share[1]:.0f} % of the time waiting for pictures", "warn" if share[1] > WAITING else "faint"


def figure(value: float) -> str:
    """Four digits that count."""
    return f"{value:.4g}"


def period(seconds: float) -> str:
    """A short time."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
