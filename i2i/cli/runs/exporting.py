"""`i2i runs export`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from i2i.cli.saying import report, warn
from i2i.errors import UsageError

PATH = click.Path(path_type=Path)
SUFFIX = ".safetensors"


@click.command(short_help="Take a run's weights out, as one file.")
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, metavar="FILE", required=True, help=f"Weights file ({SUFFIX}) to write.")
@click.option("--step", type=click.IntRange(min=0), metavar="N", help="Of the checkpoint; without it the newest.")
@click.option("--best", is_flag=True, help="The checkpoint with the best figure.")
@click.option("--half", is_flag=True, help="In half precision: half as large, for translating as good.")
@click.option("--note", metavar="TEXT", help="What it was trained on and how it may be used; kept in the file.")
@click.option("--force", is_flag=True, help="Overwrite what lies there.")
def export(run: Path, out: Path, step: int | None, best: bool, half: bool, note: str | None, force: bool) -> None:
    """Take a run's weights out: one file, all that `i2i translate` needs. It is complete or not there at all.

    With --half or --note it is made for others: the names of the folders that it was trained on are left out.

    \b
    i2i runs export monet --out monet.safetensors
    i2i runs export monet --best --out monet-best.safetensors
    i2i runs export monet --half --note "My own photos; CC BY 4.0" --out shipped.safetensors
    """
    from i2i.training.layout import BEST
    from i2i.training.runs import best_of, intact_checkpoint, refuse_others

    refuse_others(run)
    _refuse_target(out, force)
    if best:
        if step is not None:
            raise UsageError("--best and --step name two checkpoints; leave out one")
        if (figure := best_of(run)) is None:
            raise UsageError(f"{run}: tells of no best figure ({BEST}); name a --step, or neither for the newest")
        step = figure.step
    checkpoint = intact_checkpoint(run, step, warn)

    from i2i.disk.drafts import complete_or_not_at_all
    from i2i.images.limits import amount
    from i2i.training.layout import WEIGHTS, checkpoint_step

    with complete_or_not_at_all(out) as stream:
        if half or note is not None:
            stream.write(_for_others(checkpoint / WEIGHTS, half, note))
        else:
            with (checkpoint / WEIGHTS).open("rb") as source:
                while piece := source.read(1 << 20):
                    stream.write(piece)
    report(f"{out}: weights of {run} at step {checkpoint_step(checkpoint)}, {amount(out.stat().st_size)}")
    report(f"next: i2i translate --weights {shlex.quote(str(out))} …")


def _for_others(weights: Path, half: bool, note: str | None) -> bytes:
    from i2i.contracts import Weights
    from i2i.plugins import discover
    from i2i.training.shipping import for_others

    return for_others(Weights.load(weights), discover(), half, note).as_bytes()


def _refuse_target(out: Path, force: bool) -> None:
    if out.suffix.lower() != SUFFIX:
        raise UsageError(f"--out {out}: a weights file ends in {SUFFIX}")
    if out.is_dir():
        raise UsageError(f"--out {out}: is a folder")
    if out.exists() and not force:
        raise UsageError(f"--out {out}: exists; --force overwrites it")
