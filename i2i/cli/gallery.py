"""`i2i gallery`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.progress import counting, stopping_on_signals
from i2i.cli.saying import remark, report, warn
from i2i.errors import BrokenPicture, UsageError, counted
from i2i.evaluation.pairing import rewrite_from
from i2i.inference.places import make_destination

if TYPE_CHECKING:
    from i2i.evaluation.gallery.figures import Table
    from i2i.evaluation.gallery.page import Gallery
    from i2i.evaluation.gallery.rows import Rows
    from i2i.evaluation.gallery.showing import Shown, Way

PATH = click.Path(path_type=Path)
LISTED = 10
"""Broken pictures, for people; the page lists all."""


@click.command(short_help="Folders of pictures side by side, in a page for the browser.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=PATH)
@click.option("--out", type=PATH, default="gallery.html", show_default=True, metavar="FILE", help="Page to write.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="What a folder is called in the page, one for "
              "each DIR and in their order.", show_default="the folders' names")  # fmt: skip
@click.option("--title", metavar="TEXT", show_default="the labels", help="Of the page.")
@click.option("--match", multiple=True, metavar="OLD=NEW", help="Names pair after OLD is replaced by NEW in them: "
              "_LR=_HR puts a_LR.png beside a_HR.png. May be repeated.")  # fmt: skip
@click.option("--csv", "tables", multiple=True, type=PATH, metavar="FILE", help="Figures to show and to sort by, as "
              "`i2i evaluate --csv` writes them. May be repeated.")  # fmt: skip
@click.option("--embed", is_flag=True, help="Put the pictures into the page itself, to send it as one file.")
@click.option("--side", type=click.IntRange(16), metavar="N", help="With --embed: make what is larger than N pixels in "
              "height or width smaller.")  # fmt: skip
@click.option("--force", is_flag=True, help="Replace a file that is no gallery.")
@stopping_on_signals()
def gallery(
    folders: tuple[Path, ...],
    out: Path,
    labels: tuple[str, ...],
    title: str | None,
    match: tuple[str, ...],
    tables: tuple[Path, ...],
    embed: bool,
    side: int | None,
    force: bool,
) -> None:
    """Show folders of pictures side by side, in a page that a browser opens without a network.

    Pictures of one name, below their folders and without suffix, stand in a row; of any two a divider shows before and
    after, down to single pixels. Up to nine DIRs; a file, or a pattern in quotes such as 'Set5/*_LR.png', will do too.
    The page links the pictures where they are; those that no browser shows are converted into a folder beside it.
    What cannot be read is listed and the rest shown (exit code 3).

    \b
    i2i gallery photos paintings --out gallery.html
    i2i gallery photos monet cezanne --csv monet.csv --csv cezanne.csv
    i2i gallery 'Set5/*_LR.png' big 'Set5/*_HR.png' --match _LR=_HR --label small --label ours --label truth
    i2i gallery photos paintings --embed --side 1024 --out to-send.html
    """
    from i2i.evaluation.gallery.figures import read_tables
    from i2i.evaluation.gallery.page import Gallery, check_place, write
    from i2i.evaluation.gallery.rows import opened, side_by_side
    from i2i.evaluation.gallery.showing import Way

    if side is not None and not embed:
        raise UsageError("--side is for --embed: pictures that are linked stay as they are")
    way = Way(out, embed, side)
    check_place(way, force)
    found = opened(folders, labels, exclude=way.folder)
    if len(found) < len(folders):
        remark(f"{len(folders)} pictures of {found[0].label} taken as one folder; --label for each: side by side")
    rows = side_by_side(found, rewrite_from(match))
    figures = read_tables(tables, rows)
    _remark(rows, tables, figures)
    make_destination(out.parent)

    names = [folder.label for folder in found]
    columns = [column for table in figures for column in table.columns]
    made = Gallery(title or " · ".join(names), found, rows, _shown(rows, way), columns)
    write(made, way)
    _report(made, way)
    if made.broken:
        sys.exit(3)


def _shown(rows: Rows, way: Way) -> Mapping[Path, Shown | BrokenPicture]:
    from i2i.evaluation.gallery.page import LARGEST
    from i2i.evaluation.gallery.showing import all_shown

    paths = list(dict.fromkeys(path for row in rows.rows for path in row.pictures if path is not None))
    found: dict[Path, Shown | BrokenPicture] = {}
    size = 0
    with counting(len(paths), "read", found, "read") as counter:
        for path, result in all_shown(paths, way):
            found[path] = result
            size += 0 if isinstance(result, BrokenPicture) else len(result.address)
            if way.embed and size > LARGEST:
                raise UsageError(
                    f"--embed: {len(found)} of {len(paths)} pictures fill {LARGEST // 1_000_000} MB, more than a page "
                    "should hold; make them smaller by --side N, or leave --embed out"
                )
            counter.count(len(found))
    return found


def _remark(rows: Rows, tables: Sequence[Path], figures: Sequence[Table]) -> None:
    if rows.passed_over:
        remark(f"{counted(rows.passed_over, 'picture')} passed over: --match gives the name of another picture in the "
               "same folder")  # fmt: skip
    for path, table in zip(tables, figures, strict=True):
        if table.strangers:
            remark(
                f"{path}: {counted(len(table.strangers), 'picture')} not in the gallery, such as {table.strangers[0]}"
            )


def _report(made: Gallery, way: Way) -> None:
    for broken in made.broken[:LISTED]:
        warn(f"cannot be shown: {broken}")
    if len(made.broken) > LISTED:
        warn(f"and {len(made.broken) - LISTED} more; the page lists all")
    missing = [(folder.label, made.rows.missing(place)) for place, folder in enumerate(made.folders)]
    for label, count in missing:
        if count:
            remark(f"{label}: {counted(count, 'picture')} of the others missing")
    across = f" of {len(made.folders)} folders" if len(made.folders) > 1 else ""
    beside = f", {counted(len(made.made), 'picture')} converted into {way.folder}" if made.made else ""
    report(f"{way.page}: {counted(len(made.rows.rows), 'row' if across else 'picture')}{across}{beside}")
