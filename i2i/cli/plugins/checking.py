"""`i2i plugins check`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from i2i.cli.saying import answer, answer_json

if TYPE_CHECKING:
    from i2i.testing.contract import Outcome

SIGNS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "skipped": ("–", "yellow")}


@click.command(short_help="Try whether a plugin keeps its contract.")
@click.argument("target", metavar="NAME_OR_PATH")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One recipe key; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def check(target: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Try whether a plugin keeps its contract: everything it brings is built, trained for a few steps and used.

    NAME_OR_PATH is an installed plugin or a plugin's folder. Ends with exit code 1 when a check failed.

    \b
    i2i plugins check lumen
    i2i plugins check ./i2i-lumen --set model.width=8
    """
    from i2i.testing.contract import examine

    counts: Counter[str] = Counter()
    outcomes = _counted(examine(target, overrides), counts)
    if as_json:
        found = [asdict(outcome) for outcome in outcomes]
        answer_json({"outcomes": found, "counts": {verdict: counts[verdict] for verdict in SIGNS}})
    else:
        for line in _as_table(outcomes) if sys.stdout.isatty() else _as_lines(outcomes):
            answer(line)
        answer(", ".join(f"{counts[verdict]} {verdict}" for verdict in SIGNS))
    if counts["failed"]:
        raise SystemExit(1)


def _counted(outcomes: Iterable[Outcome], counts: Counter[str]) -> Iterator[Outcome]:
    for outcome in outcomes:
        counts[outcome.verdict] += 1
        yield outcome


def _as_table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """For a terminal: each subject is a heading."""
    subject = None
    for outcome in outcomes:
        if outcome.subject != subject:
            subject = outcome.subject
            yield click.style(subject, bold=True)
        sign, colour = SIGNS[outcome.verdict]
        yield f"  {click.style(sign, fg=colour)} {outcome.check}"
        yield from (f"      {line}" for line in outcome.reason.splitlines())


def _as_lines(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """For files and programs: a line an outcome, whole in itself."""
    for outcome in outcomes:
        reason = " ".join(outcome.reason.split())
        yield f"{outcome.verdict}  {outcome.subject}: {outcome.check}" + (f" ({reason})" if reason else "")
