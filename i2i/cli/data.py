"""`i2i data`: look at pictures before training on them, and make some where there are none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from i2i.cli.saying import answer, answer_json, report, warn
from i2i.errors import BrokenPicture, UsageError, counted

if TYPE_CHECKING:
    from PIL import Image

    from i2i.images.survey import Survey

_SHOWN = 20  # broken files and duplicate groups listed for people; --json lists all
_PLAIN_WIDTH = 8  # columns of one folder's sheet

_Item = TypeVar("_Item")

_FOLDER = click.Path(path_type=Path)


@click.group(short_help="Check folders of pictures, draw practice data, make contact sheets.")
def data() -> None:
    """Check, show and make pictures.

    \b
    i2i data check photos paintings
    i2i data make digits --dst digits --count 1000
    i2i data sheet photos translated --out sheet.png
    """


@data.command(short_help="Decode every picture and tell what is there.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, for programs.")
def check(folders: tuple[Path, ...], as_json: bool) -> None:
    """Decode every picture below each DIR and tell what is there.

    Counts, sizes, modes, formats, broken files with the reason, and files with the same bytes.
    Ends with exit code 3 when a file is broken.

    \b
    i2i data check photos paintings
    i2i data check photos --json
    """
    from i2i.images.folders import find_pictures
    from i2i.images.survey import survey

    listings = {folder: find_pictures(folder) for folder in folders}
    surveys = {folder: survey(paths) for folder, paths in listings.items()}
    if as_json:
        answer_json({"folders": [_as_data(folder, found) for folder, found in surveys.items()]})
    else:
        answer("\n\n".join("\n".join(_as_lines(folder, found)) for folder, found in surveys.items()))
    if any(found.broken for found in surveys.values()):
        raise SystemExit(3)


@data.group(short_help="Make pictures to try things on.")
def make() -> None:
    """Make pictures to try things on, without a network.

    \b
    i2i data make digits --dst digits --count 1000
    """


@make.command(short_help="Draw two unpaired domains of digits.")
@click.option("--dst", required=True, metavar="DIR", type=_FOLDER, help="Folder to make them in.")
@click.option("--count", required=True, metavar="N", type=click.IntRange(min=1), help="Pictures of each domain.")
@click.option("--size", default=32, show_default=True, type=click.IntRange(min=16), help="Side of a picture in pixels.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same digits."
)
@click.option("--force", is_flag=True, help="Go on where DIR holds something else.")
def digits(dst: Path, count: int, size: int, seed: int, force: bool) -> None:
    """Draw two unpaired domains of digits: white on black, and yellow on blue stripes.

    They go to DIR/white and DIR/yellow; DIR/labels.csv says which digit each one is.

    \b
    i2i data make digits --dst digits --count 1000
    i2i data make digits --dst small-digits --count 100 --size 16 --seed 7
    """
    from i2i.datasets.digits import make_digits

    if not force and (stranger := _stranger(dst)) is not None:
        raise UsageError(f"{stranger}: is no drawn digit; choose another --dst, or --force")
    make_digits(dst, count, size, seed)
    report(f"{count} pictures in {dst / 'white'}, {count} in {dst / 'yellow'}, what they show in {dst / 'labels.csv'}")


def _stranger(folder: Path) -> Path | None:
    """Something in the folder that `make_digits` does not make."""
    ours = re.compile(r"white|yellow|labels\.csv|(white|yellow)/[0-9]{5,}\.png|(.*/)?\.[^/]*")
    inside = (path for place in (folder, folder / "white", folder / "yellow") for path in sorted(place.glob("*")))
    return next((path for path in inside if not ours.fullmatch(path.relative_to(folder).as_posix())), None)


@data.command(short_help="Write a contact sheet of folders side by side.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=_FOLDER)
@click.option("--out", required=True, metavar="FILE", type=_FOLDER, help="Picture to write, e.g. sheet.png.")
@click.option("--rows", default=12, show_default=True, type=click.IntRange(min=1), help="Rows at most.")
@click.option("--cell", type=click.IntRange(min=8), show_default="96 to 256, by the pictures", help="Side of a cell in "
              "pixels.")  # fmt: skip
def sheet(folders: tuple[Path, ...], out: Path, rows: int, cell: int | None) -> None:
    """Write a contact sheet of folders side by side, or of one folder.

    Each row shows the pictures that have the same name (below its folder, without suffix) in every DIR. When there are
    more than fit, they are picked evenly. A row with a broken picture is left out and named (exit code 3).

    \b
    i2i data sheet photos translated --out sheet.png
    i2i data sheet photos --out photos.jpg --rows 4
    """
    from i2i.images.encode import write_picture
    from i2i.images.folders import find_pictures
    from i2i.images.sheet import contact_sheet, plain_sheet

    if len(folders) == 1:
        wanted: list[tuple[Path, ...]] = [(path,) for path in _evenly(find_pictures(folders[0]), rows * _PLAIN_WIDTH)]
        whole = _whole_rows(wanted, cell)
        page = plain_sheet([picture for (picture,) in whole], min(_PLAIN_WIDTH, len(whole)), cell)
        shown = counted(len(whole), "picture")
    else:
        named = [_by_name(folder) for folder in folders]
        common = [name for name in named[0] if all(name in others for others in named[1:])]
        if not common:
            raise UsageError(f"{', '.join(map(str, folders))}: no picture has the same name in all of them")
        labels = _labels(folders)
        wanted = [tuple(paths[name] for paths in named) for name in _evenly(common, rows)]
        whole = _whole_rows(wanted, cell)
        page = contact_sheet({label: [row[place] for row in whole] for place, label in enumerate(labels)}, cell)
        shown = f"{len(whole)} of {len(common)} rows"
    write_picture(page, out)
    report(f"{out}: {shown}, {page.width}×{page.height}")
    if len(whole) < len(wanted):
        raise SystemExit(3)


def _as_data(folder: Path, found: Survey) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "pictures": found.pictures,
        "sizes": {f"{width}x{height}": count for (width, height), count in found.sizes.most_common()},
        "modes": dict(found.modes.most_common()),
        "formats": dict(found.formats.most_common()),
        "broken": [{"file": str(broken.path), "reason": broken.reason} for broken in found.broken],
        "duplicates": [[str(path) for path in group] for group in found.duplicates],
    }


def _as_lines(folder: Path, found: Survey) -> list[str]:
    lines = [f"{folder}: {counted(found.pictures, 'picture')}"]
    if found.sizes:
        lines.append(f"  sizes       {_sizes(found.sizes)}")
        lines.append(f"  modes       {_tally(found.modes)}")
        lines.append(f"  formats     {_tally(found.formats)}")
    if found.broken:
        lines.append(f"  broken      {len(found.broken)}")
        lines += _capped([str(broken) for broken in found.broken])
    if found.duplicates:
        lines.append(f"  duplicates  {counted(len(found.duplicates), 'group')} of files with the same bytes")
        groups = [[path.relative_to(folder).as_posix() for path in group] for group in found.duplicates]
        lines += _capped([" = ".join(group) for group in groups])
    return lines


def _sizes(sizes: Counter[tuple[int, int]]) -> str:
    """In pixels; smallest, median and largest by area."""
    if len(sizes) == 1:
        return f"all {_size(*next(iter(sizes)))}"
    ordered = sorted(sizes.elements(), key=lambda size: (size[0] * size[1], size))
    (common, count), *_ = sizes.most_common(1)
    smallest, median, largest = (_size(*ordered[place]) for place in (0, len(ordered) // 2, -1))
    return f"{smallest} to {largest}, median {median}, most often {_size(*common)} ({count})"


def _size(width: int, height: int) -> str:
    return f"{width}×{height}"


def _tally(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.most_common())


def _capped(lines: list[str]) -> list[str]:
    shown = [f"    {line}" for line in lines[:_SHOWN]]
    if len(lines) > _SHOWN:
        shown.append(f"    and {len(lines) - _SHOWN} more; --json lists all")
    return shown


def _by_name(folder: Path) -> dict[str, Path]:
    """Pictures by their path below `folder` without suffix; of two that differ in the suffix alone, the first."""
    from i2i.images.folders import find_pictures

    named: dict[str, Path] = {}
    for path in find_pictures(folder):
        name = path.relative_to(folder) if path != folder else Path(path.name)
        named.setdefault(name.with_suffix("").as_posix(), path)
    return named


def _labels(folders: tuple[Path, ...]) -> list[str]:
    """The folders' names, or their paths where names are not enough to tell them apart."""
    for labels in ([folder.resolve().name for folder in folders], [str(folder) for folder in folders]):
        if len(set(labels)) == len(folders):
            return labels
    raise UsageError(f"{', '.join(map(str, folders))}: a folder is given twice")


def _evenly(items: list[_Item], most: int) -> list[_Item]:
    count = min(len(items), most)
    return [items[place * len(items) // count] for place in range(count)]


def _whole_rows(rows: Iterable[tuple[Path, ...]], cell: int | None) -> list[tuple[Image.Image, ...]]:
    """The rows whose pictures can all be read; the first broken one of any other is named on standard error."""
    whole = []
    for row in rows:
        try:
            whole.append(tuple(_small(path, cell) for path in row))
        except BrokenPicture as broken:
            warn(f"left out: {broken}")
    return whole


def _small(path: Path, cell: int | None) -> Image.Image:
    """No larger than it will be shown, so that a sheet of large photos fits into memory."""
    from i2i.images.decode import open_picture
    from i2i.images.sheet import LARGEST_CELL, fit

    picture, side = open_picture(path), cell or LARGEST_CELL
    return fit(picture, side) if max(picture.size) > side else picture
