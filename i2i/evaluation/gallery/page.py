"""The page of a gallery, and whose a file is that has its name already."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.evaluation.gallery.figures import Column
from i2i.evaluation.gallery.rows import Folder, Rows
from i2i.evaluation.gallery.showing import MADE, Shown, Way
from i2i.pages.page import page

MARK = '<main data-i2i="gallery">'
LARGEST = 100_000_000
"""Bytes of embedded pictures in one page."""
_BODY = f"""{MARK}
<h1></h1>
<p class="told faint"></p>
<p class="means hidden"></p>
<p class="lost card hidden" role="status"></p>
<details class="broken card hidden"><summary></summary><ul></ul></details>
<form class="row tools" role="search">
<label>Filter <input type="search" name="filter" placeholder="part of a name" autocomplete="off"></label>
<label>Sort by <select name="sort"></select></label>
<button type="button" name="order"></button>
<label class="size">Size <input type="range" name="size" min="80" max="480" step="10"></label>
<button type="button" name="help" aria-label="Keys" title="Keys">?</button>
</form>
<p class="none faint hidden" role="status">No name holds that.</p>
<div class="rows"></div>
</main>
<dialog class="large" aria-label="Picture"></dialog>
<dialog class="keys card" aria-label="Keys"></dialog>"""


@dataclass(frozen=True)
class Gallery:
    """What a page shows."""

    title: str
    folders: Sequence[Folder]
    rows: Rows
    shown: Mapping[Path, Shown | BrokenPicture]
    columns: Sequence[Column] = ()

    @property
    def broken(self) -> list[BrokenPicture]:
        """Pictures that cannot be shown, in the order of rows."""
        found = (self.shown[path] for row in self.rows.rows for path in row.pictures if path is not None)
        return [result for result in dict.fromkeys(found) if isinstance(result, BrokenPicture)]

    @property
    def made(self) -> list[Path]:
        """Files that were written for the page."""
        found = (result.made for result in self.shown.values() if isinstance(result, Shown))
        return sorted({made for made in found if made is not None})


def check_place(way: Way, force: bool = False) -> None:
    """Raise `UsageError` where the page would replace what is no gallery, or its pictures would go among others."""
    if way.page.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--out {way.page}: a gallery is a page; give a name that ends in .html")
    if way.page.is_dir():
        raise UsageError(f"--out {way.page}: is a folder; give the name of a file, such as {way.page / 'gallery.html'}")
    if force:
        return
    if way.page.exists() and _content(way.page) is None:
        raise UsageError(f"--out {way.page}: exists and is no gallery; --force overwrites it")
    if not way.page.exists() and way.folder.exists() and not _is_ours(way.folder):
        raise UsageError(f"{way.folder}: exists and is no gallery's; take another --out, or --force to write into it")


def write(gallery: Gallery, way: Way) -> None:
    """Write the page, then delete what an older one of its name had pictures for and this one has not.

    Raises `I2IError` where no picture can be shown, or the page cannot be written.
    """
    if all(isinstance(result, BrokenPicture) for result in gallery.shown.values()):
        raise I2IError(f"none of the {len(gallery.shown)} pictures can be read, such as {gallery.broken[0]}")
    older = _content(way.page) if way.page.exists() else None
    scripts = ["before_after.js", "gallery_large.js", "gallery.js"]
    text = page(_clean(gallery.title), _BODY, ["before_after.css", "gallery.css"], scripts, _data(gallery))
    with complete_or_not_at_all(way.page) as stream:
        stream.write(text)
    _tidy(way, (older or {}).get("made", ()), {path.name for path in gallery.made})


def _data(gallery: Gallery) -> dict[str, Any]:
    return {
        "title": _clean(gallery.title),
        "labels": [_clean(folder.label) for folder in gallery.folders],
        "columns": [_told(column, [each.title for each in gallery.columns]) for column in gallery.columns],
        "rows": [
            {
                "name": _clean(row.name),
                "pictures": [None if path is None else _picture(gallery.shown[path]) for path in row.pictures],
                "figures": [_figure(column.values.get(row.name)) for column in gallery.columns],
            }
            for row in gallery.rows.rows
        ],
        "broken": [_clean(str(broken)) for broken in gallery.broken],
        "made": [path.name for path in gallery.made],
    }


def _picture(result: Shown | BrokenPicture) -> list[Any] | str:
    if isinstance(result, BrokenPicture):
        return _clean(result.reason)
    return [result.address, result.width, result.height]


def _told(column: Column, titles: Sequence[str]) -> dict[str, Any]:
    """What the page has to know of a column; `bicubic` is the number of another."""
    return {
        "title": _clean(column.title),
        "moreIsBetter": column.more_is_better,
        "decimals": column.decimals,
        "bicubic": None if column.bicubic is None else titles.index(column.bicubic),
    }


def _figure(value: float | None) -> float | str | None:
    """JSON has no infinity."""
    return value if value is None or abs(value) != inf else "Infinity" if value > 0 else "-Infinity"


def _clean(text: str) -> str:
    """A file's name need not be text."""
    return text.encode("utf-8", "replace").decode()


def _content(path: Path) -> dict[str, Any] | None:
    """What a page of a gallery holds; None where the file is no such page."""
    with suppress(OSError, ValueError):
        text = path.read_text(encoding="utf-8")
        if MARK in text:
            found = json.loads(text.partition('id="content">')[2].partition("</script>")[0])
            return found if isinstance(found, dict) else None
    return None


def _is_ours(folder: Path) -> bool:
    """Whether it holds nothing but converted pictures, such as a stopped command leaves behind."""
    return folder.is_dir() and all(MADE.fullmatch(path.name) for path in folder.iterdir())


def _tidy(way: Way, older: Iterable[Any], made: set[str]) -> None:
    for name in older:
        if isinstance(name, str) and MADE.fullmatch(name) and name not in made:
            with suppress(OSError):
                (way.folder / name).unlink()
    with suppress(OSError):
        way.folder.rmdir()  # refused where anything is in it
