"""`i2i runs rm`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from i2i.cli.saying import report, warn
from i2i.errors import UsageError

PATH = click.Path(path_type=Path)


@click.command(short_help="Remove runs, or all but their newest checkpoint.")
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=PATH)
@click.option(
    "--keep-newest", is_flag=True, help="Keep the run, its newest checkpoint and the best; remove the others."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(paths: tuple[Path, ...], keep_newest: bool, yes: bool) -> None:
    """Remove runs, and say how much that freed. It asks first; a run that another process trains is left alone.

    \b
    i2i runs rm monet-2
    i2i runs rm monet --keep-newest
    """
    from i2i.images.limits import amount
    from i2i.training.removing import held, remove, remove_all_but

    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here whether to remove; --yes does it")
    runs = list({path.resolve(): path for path in reversed(paths)}.values())[::-1]
    with ExitStack() as stack:
        for path in runs:
            stack.enter_context(held(path))
        kept = {path: _kept(path) for path in runs} if keep_newest else {}
        if not yes and not _agreed([_intended(path, kept.get(path)) for path in runs]):
            report("nothing was removed")
            raise SystemExit(1)
        for path in runs:
            freed = remove_all_but(path, kept[path]) if keep_newest else remove(path)
            what = f"{' and '.join(stays.name for stays in kept[path])} kept" if keep_newest else "removed"
            report(f"{path}: {what}, {amount(freed)} freed")


def _kept(path: Path) -> list[Path]:
    """The newest intact checkpoint, and the best where there is one: `best.json` goes on naming it."""
    from i2i.training.layout import CHECKPOINTS, checkpoints_in
    from i2i.training.runs import best_of, intact_checkpoint

    newest, best = intact_checkpoint(path, say=warn), best_of(path)
    there = checkpoints_in(path / CHECKPOINTS)
    return [newest] if best is None or there.get(best.step, newest) == newest else [newest, there[best.step]]


def _intended(path: Path, kept: Sequence[Path] | None) -> str:
    """What would go, in a line."""
    from i2i.images.limits import amount
    from i2i.training.layout import CHECKPOINTS, checkpoints_in
    from i2i.training.runs import look_at

    if kept is None:
        run = look_at(path)
        return f"{path}: {run.recipe or 'a damaged run'}, step {run.step} of {run.steps}, {amount(run.size)}"
    going = [there.name for there in checkpoints_in(path / CHECKPOINTS).values() if there not in kept]
    return f"{path}: {', '.join(going) or 'nothing'} of its checkpoints"


def _agreed(intended: Sequence[str]) -> bool:
    for line in intended:
        click.echo(line)
    return click.confirm("Remove?")
