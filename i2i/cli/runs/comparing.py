"""`i2i runs compare`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.saying import answer, answer_json, warn

if TYPE_CHECKING:
    from i2i.training.comparing import Comparison

PATH = click.Path(path_type=Path)
_SHOWN = 3  # of a part's places


@click.command(short_help="Say whether two runs hold the same weights, bit for bit.")
@click.argument("one", metavar="RUN", type=PATH)
@click.argument("other", metavar="RUN", type=PATH)
@click.option("--step", type=click.IntRange(min=0), metavar="N", help="Of both; without it the newest of each.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def compare(one: Path, other: Path, step: int | None, as_json: bool) -> None:
    """Say whether two runs hold the same weights, optimizers, moving average and pools, bit for bit.

    Where they do not it says what differs, and the exit code is 1. It counts a part's tensors and numbers.

    \b
    i2i runs compare monet monet-2
    i2i runs compare monet monet-2 --step 2000
    """
    from i2i.training.runs import intact_checkpoint

    checkpoints = [intact_checkpoint(run, step, warn) for run in (one, other)]

    from i2i.training import comparing

    found = comparing.compare(*checkpoints)
    if as_json:
        answer_json(_plain(found, one, other))
        raise SystemExit(0 if found.identical else 1)
    if found.identical:
        what = "weights, optimizers, moving average and pools"
        answer(f"identical: {one} and {other} hold the same {what} at step {found.steps[0]}, bit for bit")
        return
    answer(f"different: {one} at step {found.steps[0]}, {other} at step {found.steps[1]}")
    for line in _lines(found):
        answer(f"  {line}")
    raise SystemExit(1)


def _plain(found: Comparison, *runs: Path) -> dict[str, Any]:
    sides = [{"run": str(run), "step": step} for run, step in zip(runs, found.steps, strict=True)]
    differences = [asdict(difference) for difference in found.differences]
    return {"identical": found.identical, "runs": sides, "recipe": list(found.recipe), "differences": differences}


def _lines(found: Comparison) -> Iterator[str]:
    if found.recipe:
        yield f"recipe: {', '.join(found.recipe)}"
    for difference in found.differences:
        places = [f"{apart.name} {apart.how}" for apart in difference.apart[:_SHOWN]]
        more = len(difference.apart) - len(places)
        listed = ", ".join([*places, *([f"{more} more"] if more else [])])
        yield f"{difference.part}: {len(difference.apart)} of {difference.places} differ: {listed}"
