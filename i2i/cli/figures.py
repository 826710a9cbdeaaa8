"""How figures of merit look on the console."""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf
from typing import TYPE_CHECKING

from i2i.cli.saying import answer, report
from i2i.errors import counted
from i2i.evaluation.named import METRICS

if TYPE_CHECKING:
    from i2i.evaluation.named import Metric
    from i2i.evaluation.paired import Evaluation
    from i2i.evaluation.report import Protocol
    from i2i.evaluation.unpaired import Distances

MORE, LESS = "↑", "↓"
"""Is better."""


def show_pairs(evaluation: Evaluation, protocol: Protocol) -> None:
    """A table of means with bicubic beside them, the worst and the best picture; unless quiet, how it was measured."""
    from i2i.evaluation.report import in_words

    if not evaluation.rows:
        return
    rows = []
    for name in evaluation.metrics:
        metric, ordered, bicubic = METRICS[name], evaluation.worst_first(name), evaluation.bicubic_mean(name)
        values = [evaluation.mean(name), *([] if bicubic is None else [bicubic])]
        values += [ordered[0].scores[name], ordered[-1].scores[name]]
        title = f"{metric.title} {MORE if metric.more_is_better else LESS}"
        rows.append([title, *(_figure(value, metric) for value in values), metric.unit])
    _table(["", "mean", *(["bicubic"] if evaluation.compared else []), "worst", "best", ""], rows)
    for name in evaluation.metrics:
        if name in ("psnr_y", "lpips"):
            ordered = evaluation.worst_first(name)
            answer(f"{METRICS[name].title}: worst {ordered[0].name}, best {ordered[-1].name}")
    if evaluation.identical:
        answer(f"{counted(evaluation.identical, 'picture')} of infinite PSNR on Y, left out of its mean")
    if 0 < evaluation.compared < len(evaluation.rows):
        answer(f"bicubic: mean of {evaluation.compared} of {len(evaluation.rows)} pictures")
    report(f"{counted(len(evaluation.rows), 'picture')} evaluated; {in_words(protocol)}")


def show_sets(found: Distances, protocol: Protocol) -> None:
    """The distances of two sets; unless quiet, how they were measured."""
    from i2i.evaluation.report import in_words

    kid = [f"KID {LESS}", f"{found.kid:.4g}", f"± {found.kid_deviation:.2g}"]
    _table(["", "mean", "deviation"], [kid, [f"FID {LESS}", f"{found.fid:.4g}", ""]])
    report(f"{counted(found.pictures, 'picture')} against {found.targets}; {in_words(protocol)}")


def _figure(value: float, metric: Metric) -> str:
    return "∞" if isinf(value) else f"{value:.{metric.decimals}f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if 0 < place < 1 + len(heads) else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
