"""What happened to a run, as lists in its report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from i2i.training.report.events import Event

MOST_MARKS = 200
"""Events that are shown of a sort, and warnings that are marked: the newest."""
UNFOLDED = 8
"""Warnings that are seen at once."""


def warnings_listed(warnings: Sequence[Event]) -> str:
    """The newest first."""
    if not warnings:
        return ""
    newest = warnings[-MOST_MARKS:][::-1]
    left_out = f'<p class="faint">{len(warnings) - MOST_MARKS} older ones are in events.jsonl.</p>'
    older = _folded(f"{len(newest) - UNFOLDED} older ones", newest[UNFOLDED:])
    more = left_out if len(warnings) > MOST_MARKS else ""
    return f'<section id="warnings" class="card"><h2>Warnings</h2>{_listed(newest[:UNFOLDED])}{older}{more}</section>'


def news_listed(events: Sequence[Event]) -> str:
    """What is no warning, the newest first; of those that were the best in their time, the newest and a count."""
    news = [event for event in events if not event.is_warning][::-1]
    bests = [event for event in news if event.kind == "best"]
    seen = [event for event in news if event.kind != "best" or event is bests[0]][:MOST_MARKS]
    older = bests[1:][:MOST_MARKS]
    folded = _folded(f"{len(bests) - 1} earlier {'one was' if len(bests) == 2 else 'ones were'} the best so far", older)
    return f'<section id="news"><h2>What else happened</h2>{_listed(seen)}{folded}</section>' if news else ""


def _folded(summary: str, events: Sequence[Event]) -> str:
    return f"<details><summary>{summary}</summary>{_listed(events)}</details>" if events else ""


def _listed(events: Sequence[Event]) -> str:
    rows = [
        f'<li><span class="step">step {event.step}</span> <span class="kind">{escape(event.kind)}</span> '
        f'<span title="{escape(event.time)}">{escape(event.text)}</span></li>'
        for event in events
    ]
    return f'<ul class="events">{"".join(rows)}</ul>'
