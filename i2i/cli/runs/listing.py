"""`i2i runs list`."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.saying import answer, answer_json
from i2i.errors import UsageError
from i2i.plugins import suggestion
from i2i.training.layout import RUNS

if TYPE_CHECKING:
    from i2i.training.runs import Run

PATH = click.Path(path_type=Path)
NAMED = 5
"""Runs elsewhere that are told of."""
COMMANDS = ("list", "report", "compare", "export", "rm")
TITLES = ("RUN", "RECIPE", "STEP", "STATE", "WRITTEN", "BEST", "SIZE")


@click.command("list", short_help="List runs: how far, in which state, how good, how large.")
@click.argument("folders", metavar="[FOLDER]...", nargs=-1, type=PATH)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def listing(folders: tuple[Path, ...], as_json: bool) -> None:
    """List the runs that each FOLDER holds, or is; without one those in runs/. The newest comes first.

    A run is running, finished, stopped or damaged; what is damaged is told below. Only names, sizes and headers are
    looked at: `i2i fit --resume` and the other commands compare hashes too.

    \b
    i2i runs
    i2i runs list my-runs/ monet --json
    """
    from i2i.training.runs import runs_in

    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        near = suggestion(missing[0], COMMANDS) or " (see --help)"
        raise UsageError(f"{', '.join(missing)}: no such folder, and no command of `i2i runs`{near}")
    found = runs_in(folders or ([RUNS] if RUNS.is_dir() else []))
    if as_json:
        answer_json({"runs": [_plain(run) for run in found]})
    elif not found:
        answer(none_found(folders, "i2i runs"))
    else:
        _show(found)


def none_found(folders: Sequence[Path], command: str) -> str:
    """Where no run is; where none was looked for but in runs/, also those right here."""
    from i2i.training.runs import is_run

    nowhere = f"no runs in {', '.join(map(str, folders or [RUNS]))}"
    here = [] if folders else sorted(path.name for path in Path().iterdir() if is_run(path))
    if not here:
        return f"{nowhere}; `i2i fit` makes them"
    more = f" and {len(here) - NAMED} more" if len(here) > NAMED else ""
    return f"{nowhere}; run folders here: {', '.join(here[:NAMED])}{more} ({command} .)"


def _show(found: list[Run]) -> None:
    rows = [TITLES, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    for row in rows:
        answer("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for run in found:
        if run.problem is not None:
            answer(f"{click.style(str(run.path), fg='red')}: {run.problem}")


def _row(run: Run) -> tuple[str, ...]:
    from i2i.cli.fit import spoken
    from i2i.images.limits import amount

    step = f"{run.step} of {'?' if run.steps is None else run.steps}"
    age = f"{spoken(max(0.0, time.time() - run.written))} ago"
    return str(run.path), run.recipe or "–", step, run.state, age, _best(run), amount(run.size)


def _best(run: Run) -> str:
    from i2i.cli.figures import LESS, MORE

    if run.best is None:
        return "–"
    return f"{run.best.metric} {run.best.value:.4g} {LESS if run.best.lower_is_better else MORE} at {run.best.step}"


def _plain(run: Run) -> dict[str, Any]:
    written = datetime.datetime.fromtimestamp(run.written).astimezone().isoformat(timespec="seconds")
    return {**asdict(run), "path": str(run.path), "state": run.state, "written": written}
