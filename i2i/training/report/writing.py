"""A story as one HTML file."""

from __future__ import annotations

from html import escape
from typing import Any

from i2i.pages.page import page
from i2i.training.report.events import Event
from i2i.training.report.shown import Answer, Answers, Grids
from i2i.training.report.story import Chart, Story
from i2i.training.report.tables import data_tables, highlighted, table
from i2i.training.report.wording import figure, period, verdict

STYLES = ("report.css", "before_after.css")
SCRIPTS = ("before_after.js", "charts.js", "samples.js", "report.js")
MOST_MARKS = 200
"""Warnings that are shown and marked: the newest."""
UNFOLDED = 8
"""Warnings that are seen at once."""
ABOUT_CURVES = (
    "Drag over a chart to zoom into those steps in all of them, double-click or press Reset to get out; a click on a "
    "name hides its curve. Smoothing is an exponential moving average; the raw curve stays behind it. Of long runs the "
    "lowest and the highest value of each stretch are drawn."
)


def as_html(story: Story) -> str:
    """The page: how good the run is and where it fails first, then how it went, then what it is."""
    parts = (
        _head(story),
        _warnings(story.warnings),
        _samples(story.grids),
        _answers(story.answers),
        _curves(story),
        _data(story),
        _recipe(story),
        _environment(story),
        _news(story.events),
    )
    body = f'<main>{"".join(parts)}</main><dialog id="large" aria-label="Enlarged"></dialog>'
    libraries = [_plotly()] if story.charts else []
    return page(f"{story.name}: run report", body, STYLES, SCRIPTS, _content(story), libraries)


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return str(get_plotlyjs())


def _content(story: Story) -> dict[str, Any]:
    best = story.best
    return {
        "charts": [_chart(chart) for chart in story.charts],
        "marks": [{"step": event.step, "text": event.text} for event in story.warnings[-MOST_MARKS:]],
        "best": best and {"step": best.step, "metric": best.metric, "value": best.value},
        "grids": [
            {"step": grid.step, "address": grid.picture.address, "width": grid.picture.width,
             "height": grid.picture.height}
            for grid in story.grids.shown
        ],
    }  # fmt: skip


def _chart(chart: Chart) -> dict[str, Any]:
    curves = [
        {"name": name, "steps": curve.steps, "values": curve.values, "meanSteps": curve.mean_steps,
         "means": curve.means}
        for name, curve in chart.curves.items()
    ]  # fmt: skip
    group = chart.group
    return {"title": group.title, "smoothed": group.is_smoothed, "fromZero": group.from_zero, "curves": curves}


def _head(story: Story) -> str:
    run, steps = story.run, "?" if story.run.steps is None else story.run.steps
    recipe = f"{escape(run.recipe)} · " if run.recipe else ""
    state = f'<strong class="state {run.state}">{run.state}</strong>'
    written = f"{story.written:%Y-%m-%d %H:%M} UTC"
    time = f'<time datetime="{story.written.isoformat(timespec="seconds")}">{written}</time>'
    cards = "".join(
        f'<div class="card fact"><dt>{escape(fact.title)}</dt><dd class="value">{escape(fact.value)}</dd>'
        f'<dd class="{fact.tone}">{escape(fact.remark)}</dd></div>'
        for fact in verdict(story)
    )
    note = f'<p class="faint">{escape(story.recipe.note)}</p>' if story.recipe.note else ""
    speed = f" · {period(story.seconds_per_step)} a step" if story.seconds_per_step else ""
    said = f"{recipe}{state} at step {story.step} of {steps}{speed} · written {time}"
    complaints = "".join(
        f'<p class="warn">{escape(text)}</p>' for text in (*([run.problem] if run.problem else []), *story.complaints)
    )
    title = f'<h1>{escape(story.name)}</h1><p class="said">{said}</p>'
    return f'<header>{title}{note}{complaints}</header><dl class="facts">{cards}</dl>'


def _warnings(warnings: tuple[Event, ...]) -> str:
    if not warnings:
        return ""
    newest = warnings[-MOST_MARKS:][::-1]
    left_out = f'<p class="faint">{len(warnings) - MOST_MARKS} older ones are in events.jsonl.</p>'
    older = (
        f"<details><summary>{len(newest) - UNFOLDED} older ones</summary>{_listed(newest[UNFOLDED:])}</details>"
        if len(newest) > UNFOLDED
        else ""
    )
    more = left_out if len(warnings) > MOST_MARKS else ""
    return f'<section id="warnings" class="card"><h2>Warnings</h2>{_listed(newest[:UNFOLDED])}{older}{more}</section>'


def _news(events: tuple[Event, ...]) -> str:
    news = [event for event in events if not event.is_warning][-MOST_MARKS:][::-1]
    return f'<section id="news"><h2>What else happened</h2>{_listed(news)}</section>' if news else ""


def _listed(events: list[Event] | tuple[Event, ...]) -> str:
    rows = [
        f'<li><span class="step">step {event.step}</span> <span class="kind">{escape(event.kind)}</span> '
        f'<span title="{escape(event.time)}">{escape(event.text)}</span></li>'
        for event in events
    ]
    return f'<ul class="events">{"".join(rows)}</ul>'


def _samples(grids: Grids) -> str:
    if not grids.shown:
        return ""
    some = f" {len(grids.shown)} of {grids.there} grids are in this file." if len(grids.shown) < grids.there else ""
    return (
        '<section id="samples"><h2>Samples</h2>'
        '<div class="row bar"><button type="button" id="earlier" aria-label="Earlier samples">‹</button>'
        '<input type="range" id="when" aria-label="Step of the samples" min="0" step="1">'
        '<button type="button" id="later" aria-label="Later samples">›</button>'
        '<button type="button" id="play">Play</button><output id="step" for="when"></output></div>'
        '<button type="button" id="grid" class="picture" title="Enlarge"><img alt=""></button>'
        '<p class="faint">The same samples through training: move the slider, or press <kbd>←</kbd> <kbd>→</kbd>.'
        f"{some}</p></section>"
    )


def _answers(answers: Answers | None) -> str:
    if answers is None:
        return ""
    which = "lower" if answers.lower_is_better else "higher"
    groups = [("Worst", answers.worst), ("Best", answers.best)]
    shown = "".join(
        f'<h3>{title}</h3><div class="answers">{"".join(_answer(one, answers.metric) for one in group)}</div>'
        for title, group in groups
        if group
    )
    by = escape(answers.measured or answers.metric)
    said = f"Validation pictures at step {answers.step}, by {by}: {which} is better."
    title = f'<h2>Where it fails, and where it does well</h2><p class="faint">{said}</p>'
    return f'<section id="answers">{title}{shown}</section>'


def _answer(answer: Answer, metric: str) -> str:
    made, source, wanted = answer.made, answer.source, answer.wanted
    said = "equal to what was wanted" if answer.value is None else f"{metric} {figure(answer.value)}"
    size = f'width="{made.width}" height="{made.height}"'
    before = f'before="{source.address}" before-label="source" ' if source else ""
    pair = f'<before-after {before}after="{made.address}" after-label="made" {size}></before-after>'
    if wanted:
        size = f'width="{wanted.width}" height="{wanted.height}"'
        pair += f'<img src="{wanted.address}" alt="wanted" {size}><p class="faint">wanted</p>'
    return f'<figure class="card answer"><figcaption>{escape(said)}</figcaption>{pair}</figure>'


def _curves(story: Story) -> str:
    if not story.charts:
        return '<section id="curves"><h2>Curves</h2><p class="faint">No metrics were logged yet.</p></section>'
    return (
        '<section id="curves"><h2>Curves</h2><div class="row bar">'
        '<label>Smoothing <input type="range" id="smoothing" min="0" max="0.99" step="0.01" value="0.6">'
        '<output id="smoothed" for="smoothing">0.60</output></label>'
        '<label><input type="checkbox" id="logarithmic"> Log scale</label>'
        '<button type="button" id="reset">Reset</button></div><div id="charts"></div>'
        f'<p class="faint">{ABOUT_CURVES}</p></section>'
    )


def _data(story: Story) -> str:
    return f'<section id="data"><h2>Data</h2>{data_tables(story.data)}</section>' if story.data else ""


def _recipe(story: Story) -> str:
    if story.recipe.text is None:
        return ""
    return (
        '<section id="recipe"><div class="row"><h2>Recipe</h2><button type="button" id="copy">Copy</button></div>'
        f'<pre tabindex="0" aria-label="Recipe">{highlighted(story.recipe.text)}</pre></section>'
    )


def _environment(story: Story) -> str:
    if not story.environment:
        return ""
    return f'<section id="environment"><h2>Environment</h2>{table(story.environment)}</section>'
