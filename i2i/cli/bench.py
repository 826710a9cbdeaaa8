"""`i2i bench`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from i2i.cli.saying import answer, answer_json, remark

if TYPE_CHECKING:
    from i2i.bench.measuring import Bench, Measured

HEADS = ("recipe", "", "precision", "ratio", "ms a picture", "pictures/s", "of limit", "memory")


@click.command(short_help="Measure how fast recipes translate and train on this machine.")
@click.option("--plugin", help="Recipe to measure; without it those with shipped weights, and light ones.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="With --plugin: an option of the recipe.")
@click.option("--size", type=click.IntRange(16), default=256, show_default=True, metavar="N",
              help="Sides of the pictures that are translated.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=120.0, show_default=True, metavar="S",
              help="About how long to measure; recipes for which no time is left are left out.")  # fmt: skip
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True,
              help="Where to compute; auto takes a GPU where PyTorch finds one.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def bench(
    plugin: str | None, overrides: tuple[str, ...], size: int, seconds: float, device: str, as_json: bool
) -> None:
    """Measure what this machine's convolutions reach at most, and how much of it recipes make use of.

    Pictures are translated from file to file, with the recipe's own weights or those it would begin with; a training
    step loads its pictures too. Both are drawn, into a temporary folder: nothing is written here. Each measurement is a
    process of its own, so its memory is its own; where the hardware has bf16 it takes turns with fp32, and the ratio
    says how many times as fast as fp32 it is. Measure when nothing else runs.

    \b
    i2i bench
    i2i bench --plugin srgan --size 512
    i2i bench --plugin cyclegan-light --set run.batch=4 --json
    """
    from i2i.bench.measuring import measured
    from i2i.errors import UsageError

    if overrides and plugin is None:
        raise UsageError(f"--set {overrides[0]}: of which recipe? Name it with --plugin")
    found = measured(plugin, overrides, size, seconds, device, lambda text: remark(f"measuring {text}"))
    if as_json:
        answer_json(_content(found))
        return
    for line in _lines(found):
        answer(line)


def _content(found: Bench) -> dict[str, Any]:
    rows = [{**asdict(row), "pictures_per_second": row.pictures_per_second} for row in found.rows]
    return {**asdict(found), "rows": rows}


def _lines(found: Bench) -> Iterator[str]:
    machine = found.machine
    yield f"{machine['device name']}, {machine['threads']} threads, torch {machine['torch']}"
    rates = ", ".join(f"{limit.gigaflops:.0f} GFLOP/s in {name}" for name, limit in found.limits.items())
    yield f"convolutions reach {rates}: the limit"
    yield ""
    yield from _aligned([HEADS, *(_cells(row) for row in found.rows)])
    for name, why in found.left_out.items():
        yield f"not measured: {name}: {why}"


def _cells(row: Measured) -> Sequence[str]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}×"
    share = "" if row.share_of_limit is None else f"{row.share_of_limit:.0%}"
    speed = (f"{1e3 / row.pictures_per_second:.4g}", f"{row.pictures_per_second:.3g}")
    return (row.recipe, row.what, row.precision, ratio, *speed, share, f"{row.memory / 1e6:,.0f} MB")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Words to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if place < 3 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
