"""Figures of pictures, from the tables that `i2i evaluate --csv` writes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

from i2i.errors import UsageError
from i2i.evaluation.gallery.rows import Rows
from i2i.evaluation.named import METRICS

FILE = "file"
"""The column that names the picture."""
BICUBIC, BICUBIC_TITLE = "bicubic_", "bicubic "
"""What the name of a column begins with that holds a figure of bicubic enlargement, and what its title does."""


@dataclass(frozen=True)
class Column:
    """One figure of many pictures."""

    title: str
    values: Mapping[str, float]
    """By the names of rows; it may be infinite."""
    more_is_better: bool | None = None
    """None where nobody knows."""
    decimals: int | None = None
    """To show it with; None: as seems good."""
    bicubic: str | None = None
    """Title of the column that holds the same of bicubic enlargement."""


@dataclass(frozen=True)
class Table:
    """One file."""

    columns: Sequence[Column]
    strangers: Sequence[str] = ()
    """Pictures of the table that stand in no row."""


def read_tables(paths: Sequence[Path], rows: Rows) -> list[Table]:
    """Read files of comma-separated values; with several, the file's name is put before a column's.

    Raises `UsageError` for a file that cannot be read as such, has no column `file` or no column of figures, or names
    no picture of any row.
    """
    stems = _stems(paths)
    return [_table(path, f"{stem} " if len(paths) > 1 else "", rows) for path, stem in zip(paths, stems, strict=True)]


def _stems(paths: Sequence[Path]) -> list[str]:
    stems = [path.stem for path in paths]
    return stems if len(set(stems)) == len(stems) else [str(path) for path in paths]


def _table(path: Path, prefix: str, rows: Rows) -> Table:
    titles, lines = _read(path)
    if FILE not in titles:
        found = ", ".join(titles[:8]) or "nothing"
        raise UsageError(
            f"{path}: has no column '{FILE}' in its first line (found {found}); i2i evaluate --csv writes one"
        )
    measured = [
        title for title in titles if title != FILE and any(_number(line.get(title)) is not None for line in lines)
    ]
    if not measured:
        raise UsageError(
            f"{path}: holds no figures beside '{FILE}' ({len(lines)} lines); i2i evaluate --csv writes some"
        )
    matched, strangers = dict[str, dict[str, str]](), list[str]()
    for line in lines:
        name = rows.named(line.get(FILE) or "")
        if name is not None:
            matched[name] = line
        elif any(_number(line.get(title)) is not None for title in measured):
            strangers.append(line.get(FILE) or "")
    if not matched:
        raise UsageError(
            f"{path}: names no picture of the gallery (its first is {lines[0].get(FILE)!r}, the gallery's "
            f"{rows.rows[0].name!r})"
        )
    return Table([_column(prefix, title, measured, matched) for title in measured], strangers)


def _column(prefix: str, title: str, titles: Sequence[str], lines: Mapping[str, Mapping[str, str]]) -> Column:
    numbers = {name: _number(line.get(title)) for name, line in lines.items()}
    values = {name: number for name, number in numbers.items() if number is not None}
    metric = METRICS.get(title.removeprefix(BICUBIC))
    if metric is None:
        return Column(prefix + title, values)
    beside = f"{prefix}{BICUBIC_TITLE}{metric.title}" if BICUBIC + title in titles else None
    whose = BICUBIC_TITLE if title.startswith(BICUBIC) else ""
    return Column(f"{prefix}{whose}{metric.title}", values, metric.more_is_better, metric.decimals, beside)


def _read(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            lines: Iterable[dict[str, str]] = reader
            return list(reader.fieldnames or []), list(lines)
    except FileNotFoundError as problem:
        raise UsageError(f"--csv {path}: no such file") from problem
    except IsADirectoryError as problem:
        raise UsageError(f"--csv {path}: is a folder; give a file that i2i evaluate --csv wrote") from problem
    except (UnicodeDecodeError, csv.Error) as problem:
        raise UsageError(f"--csv {path}: is no table of comma-separated text ({problem})") from problem


def _number(text: str | None) -> float | None:
    """None for what is no number, and for NaN, which has no place in any order."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return None if isnan(number) else number
