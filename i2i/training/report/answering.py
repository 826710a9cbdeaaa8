"""The best and the worst pictures of a validation, as a part of the report."""

from __future__ import annotations

from html import escape

from i2i.training.basis import Basis
from i2i.training.report.grouping import OF_SETS, title_of
from i2i.training.report.shown import Answer, Answers
from i2i.training.report.wording import measure, resting

SMALL = 256
"""Side in pixels up to which a picture is enlarged by hard pixels."""


def answers_shown(answers: Answers | None, basis: Basis | None) -> str:
    """The worst first; nothing where there are none."""
    if answers is None:
        return ""
    which = "lower" if answers.lower_is_better else "higher"
    groups = [("Worst", answers.worst), ("Best", answers.best)]
    shown = "".join(
        f'<h3>{title}</h3><div class="answers">{"".join(_answer(one, answers.metric) for one in group)}</div>'
        for title, group in groups
        if group
    )
    over = f" ({basis.over})" if basis and basis.over else ""
    by = escape(f"{answers.measured or title_of(answers.metric)}{over}")
    said = f"Validation pictures at step {answers.step}, by {by}; {which} is better."
    rests = ""
    if basis is not None:
        remark = resting(basis)
        rests = f'<p class="{remark.tone}">{escape(remark.text.capitalize())}.</p>'
    title = f'<h2>Where it fails, and where it does well</h2><p class="faint">{said}</p>{rests}'
    return f'<section id="answers">{title}{shown}</section>'


def _answer(answer: Answer, metric: str) -> str:
    made, source, wanted = answer.made, answer.source, answer.wanted
    size = f'width="{made.width}" height="{made.height}"'
    before = f'before="{source.address}" before-label="source" ' if source else ""
    pair = f'<before-after {before}after="{made.address}" after-label="made" {size}></before-after>'
    if wanted:
        size = f'width="{wanted.width}" height="{wanted.height}"'
        pair += f'<img src="{wanted.address}" alt="wanted" {size}><p class="faint">wanted</p>'
    kind = " small" if max(made.width, made.height) <= SMALL else ""
    said = escape(_said(answer, metric))
    return f'<figure class="card answer{kind}"><figcaption>{said}</figcaption>{pair}</figure>'


def _said(answer: Answer, metric: str) -> str:
    if answer.value is None:
        return "equal to what was wanted"
    name = "distance" if metric in OF_SETS else title_of(metric)
    return f"{name} {measure(metric, answer.value)}"
