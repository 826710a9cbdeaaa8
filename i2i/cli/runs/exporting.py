"""`i2i runs export`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from i2i.errors import UsageError

PATH = click.Path(path_type=Path)
SUFFIX = ".safetensors"


@click.command(short_help="Take a run's weights out, as one file.")
@click.argument("run", type=PATH)
@click.option("--out", type=PATH, required=True, help=f"Weights file ({SUFFIX}) to write.")
@click.option("--step", type=click.IntRange(min=0), metavar="N", help="Of the checkpoint; without it the newest.")
@click.option("--best", is_flag=True, help="The checkpoint with the best figure.")
@click.option("--force", is_flag=True, help="Overwrite what lies there.")
def export(run: Path, out: Path, step: int | None, best: bool, force: bool) -> None:
    """Take a run's weights out: one file, all that `i2i translate` needs. It is complete or not there at all.

    \b
    i2i runs export monet --out monet.safetensors
    i2i runs export monet --best --out monet-best.safetensors
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
    checkpoint = intact_checkpoint(run, step, lambda text: click.echo(text, err=True))

    from i2i.disk.drafts import complete_or_not_at_all
    from i2i.images.limits import amount
    from i2i.training.layout import WEIGHTS, checkpoint_step

    with (checkpoint / WEIGHTS).open("rb") as source, complete_or_not_at_all(out) as stream:
        while piece := source.read(1 << 20):
            stream.write(piece)
    click.echo(f"{out}: weights of {run} at step {checkpoint_step(checkpoint)}, {amount(out.stat().st_size)}")
    click.echo(f"next: i2i translate --weights {shlex.quote(str(out))} …")


def _refuse_target(out: Path, force: bool) -> None:
    if out.suffix.lower() != SUFFIX:
        raise UsageError(f"--out {out}: a weights file ends in {SUFFIX}")
    if out.is_dir():
        raise UsageError(f"--out {out}: is a folder")
    if out.exists() and not force:
        raise UsageError(f"--out {out}: exists; --force overwrites it")
