"""A story as one HTML file."""

from __future__ import annotations

from html import escape
from typing import Any

from i2i.pages.page import page
from i2i.training.report.answering import answers_shown
from i2i.training.report.grouping import title_of
from i2i.training.report.listing import MOST_MARKS, news_listed, warnings_listed
from i2i.training.report.shown import Grids
from i2i.training.report.story import Chart, Story
from i2i.training.report.tables import data_tables, highlighted, table
from i2i.training.report.wording import Fact, period, verdict

STYLES = ("report.css", "before_after.css")
SCRIPTS = ("before_after.js", "charts.js", "samples.js", "report.js")
ABOUT_CURVES = (
    "Drag over a chart to zoom into those steps in all of them, double-click or press Reset to get out; a click on a "
    "name hides its curve. Smoothing is an exponential moving average; the raw curve stays behind it. Of long runs the "
    "lowest and the highest value of each stretch are drawn."
)


def as_html(story: Story) -> bytes:
    """The page: how good the run is and where it fails first, then how it went, then what it is."""
    parts = (
        _head(story),
        warnings_listed(story.warnings),
        _samples(story.grids),
        answers_shown(story.answers, story.basis),
        _curves(story),
        _data(story),
        _recipe(story),
        _environment(story),
        news_listed(story.events),
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
        {"name": name, "title": title_of(name), "steps": curve.steps, "values": curve.values,
         "meanSteps": curve.mean_steps, "means": curve.means}
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
    cards = "".join(map(_card, verdict(story)))
    note = f'<p class="faint">{escape(story.recipe.note)}</p>' if story.recipe.note else ""
    speed = f" · {period(story.seconds_per_step)} a step" if story.seconds_per_step else ""
    said = f"{recipe}{state} at step {story.step} of {steps}{speed} · written {time}"
    complaints = "".join(
        f'<p class="warn">{escape(text)}</p>' for text in (*([run.problem] if run.problem else []), *story.complaints)
    )
    title = f'<h1>{escape(story.name)}</h1><p class="said">{said}</p>'
    return f'<header>{title}{note}{complaints}</header><dl class="facts">{cards}</dl>'


def _card(fact: Fact) -> str:
    remarks = "".join(f'<dd class="{remark.tone}">{escape(remark.text)}</dd>' for remark in fact.remarks)
    said = f'<dt>{escape(fact.title)}</dt><dd class="value">{escape(fact.value)}</dd>{remarks}'
    return f'<div class="card fact">{said}</div>'


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
