"""`i2i runs report`."""

from __future__ import annotations

from pathlib import Path

import click

from i2i.cli import saying
from i2i.cli.runs.listing import none_found
from i2i.errors import I2IError, UsageError
from i2i.training.layout import CHECKPOINTS, ENVIRONMENT, METRICS, REPORT, RUNS

PATH = click.Path(path_type=Path)


@click.command(short_help="Write report.html of runs: curves, samples, what went wrong.")
@click.argument("paths", metavar="[RUN]...", nargs=-1, type=PATH)
def report(paths: tuple[Path, ...]) -> None:
    """Write report.html into each RUN, or into each run that a folder holds; without one into those in runs/.

    It is one file for the browser that loads nothing from elsewhere: curves, sample grids, the best and worst pictures
    of validations, warnings, recipe, environment and data. `i2i fit` writes it too, as it goes; here it is made from
    what lies in the folder, for older runs as well. Ends with exit code 3 where some could not be written.

    \b
    i2i runs report
    i2i runs report monet my-runs/
    """
    from i2i.images.limits import amount
    from i2i.training.report import Reporter

    folders = _runs(paths or ((RUNS,) if RUNS.is_dir() else ()))
    if not folders:
        saying.answer(none_found(paths, "i2i runs report"))
        return
    failed: list[str] = []
    for folder in folders:
        try:
            Reporter(folder).write()
        except (I2IError, OSError) as problem:
            failed.append(str(problem))
            continue
        saying.report(f"{folder / REPORT}: {amount((folder / REPORT).stat().st_size)}")
    if len(failed) == len(folders):
        raise I2IError("\n".join(failed))
    for line in failed:
        saying.warn(f"{click.style('Error:', fg='red')} {line}")
    if failed:
        raise SystemExit(3)


def _runs(paths: tuple[Path, ...]) -> list[Path]:
    """Each run once, in the order of what was named."""
    found: dict[Path, Path] = {}
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder")
        runs = [path] if _has_run(path) else sorted(filter(_has_run, path.iterdir()))
        if not runs and path != RUNS:
            raise UsageError(f"{path}: not a run folder, and none is in it")
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values())


def _has_run(path: Path) -> bool:
    """Whether a run was begun here, even if not all of it is left."""

    try:
        return (path / CHECKPOINTS).is_dir() or any((path / name).is_file() for name in (ENVIRONMENT, METRICS))
    except PermissionError:  # somebody else's folder among ours
        return False
