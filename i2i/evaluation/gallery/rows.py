"""Which pictures of several folders stand side by side: those of one name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from i2i.errors import UsageError
from i2i.images.folders import find_pictures
from i2i.images.names import AS_IT_IS, Rewrite, fits, key_of

MOST = 9
"""Folders: as many as there are digits to choose one by."""
_SIGNS = "*?["


@dataclass(frozen=True)
class Folder:
    """One column of a gallery."""

    label: str
    pictures: Sequence[tuple[str, Path]]
    """Name below the folder, with slashes, and file."""

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Row:
    """Pictures of one name, None where a folder has none."""

    name: str
    pictures: Sequence[Path | None]


@dataclass(frozen=True)
class Rows:
    """All rows, sorted by name."""

    rows: Sequence[Row]
    rewrite: Rewrite
    passed_over: int = 0
    """Pictures that `rewrite` would give the name of another picture of their folder, which has it by itself."""

    @cached_property
    def names(self) -> frozenset[str]:
        """Of all rows."""
        return frozenset(row.name for row in self.rows)

    def named(self, file: str) -> str | None:
        """The name of the row that a picture of this name stands in, if any."""
        return next((name for name in _names_of(file, self.rewrite) if name in self.names), None)

    def missing(self, place: int) -> int:
        """How many rows have no picture of this folder."""
        return sum(row.pictures[place] is None for row in self.rows)


def opened(places: Sequence[Path], labels: Sequence[str] = (), exclude: Path | None = None) -> list[Folder]:
    """The folders, files or patterns (`Set5/*_LR.png`) that were named, with their labels or else their names.

    `exclude` is a folder whose pictures are none of theirs. Raises `UsageError` for more than nine of them or one that
    is given twice, for labels that are not as many or not different, and where there are no pictures. Without labels,
    more than two files of one folder are that folder: a shell made them of `photos/*.jpg`.
    """
    if len(places) > 2 and not labels and _are_of_one_folder(places):
        files = [find_pictures(place, exclude)[0] for place in places]
        return [Folder(_name(places[0].parent), [(file.name, file) for file in files])]
    if len(places) > MOST:
        advice = "a pattern of files counts as one when it is in quotes, such as 'Set5/*_LR.png'"
        raise UsageError(f"{len(places)} folders: a gallery shows up to {MOST}; {advice}")
    if labels and len(labels) != len(places):
        raise UsageError(f"--label is given {len(labels)} times for {len(places)} folders: name each of them, or none")
    if doubled := [label for label, count in Counter(labels).items() if count > 1]:
        raise UsageError(f"--label {doubled[0]}: is given twice")
    found = [_pictures(place, exclude) for place in places]
    return [Folder(label, pictures) for label, pictures in zip(labels or _labels(places), found, strict=True)]


def side_by_side(folders: Sequence[Folder], rewrite: Rewrite = AS_IT_IS) -> Rows:
    """A row for each path below the folders without suffix; the suffix counts only where it alone tells two apart.

    Single files stand side by side whatever their names. `rewrite` replaces words in all names: `_LR=_HR` puts a_LR.png
    beside a_HR.png, and of a folder that holds both the one that has the name by itself.
    Raises `UsageError` where no two pictures of several folders stand side by side.
    """
    shelves, passed_over = [], 0
    for folder in folders:
        shelf, left_out = _shelf(folder, rewrite)
        shelves.append(shelf)
        passed_over += left_out
    if len(folders) > 1 and all(len(folder) == 1 for folder in folders):
        row = Row(key_of(folders[0].pictures[0][0]), [folder.pictures[0][1] for folder in folders])
        return Rows([row], rewrite)
    doubtful = {key for shelf in shelves for key, held in shelf.items() if len(held) > 1}
    columns = [dict(_by_name(shelf, doubtful)) for shelf in shelves]
    rows = [Row(name, [column.get(name) for column in columns]) for name in sorted(set().union(*columns))]
    if len(folders) > 1 and not any(sum(path is not None for path in row.pictures) > 1 for row in rows):
        names = ", ".join(f"{folder.label} has {folder.pictures[0][0]}" for folder in folders)
        raise UsageError(f"no picture has the same name in two of the folders: {names} (names pair without their "
                         "suffix; where they differ, such as a_LR.png and a_HR.png, --match _LR=_HR)")  # fmt: skip
    return Rows(rows, rewrite, passed_over)


def _are_of_one_folder(places: Sequence[Path]) -> bool:
    is_one = len({place.parent for place in places}) == 1 and len(set(places)) == len(places)
    return is_one and all(place.is_file() for place in places)


def _pictures(place: Path, exclude: Path | None) -> list[tuple[str, Path]]:
    if place.exists() or not any(sign in place.name for sign in _SIGNS):
        root, pattern = place, None
    else:
        root, pattern = place.parent, place.name
    paths = find_pictures(root, exclude)
    if root.is_file():
        return [(root.name, root)]
    named = [(path.relative_to(root).as_posix(), path) for path in paths]
    chosen = [(name, path) for name, path in named if pattern is None or fits(Path(name), pattern)]
    if not chosen:
        raise UsageError(f"{place}: fits no picture of {root} (found {len(named)}, such as {named[0][0]})")
    return chosen


def _labels(places: Sequence[Path]) -> list[str]:
    """The folders' names, or their paths where names are not enough to tell them apart."""
    short = [_name(place) for place in places]
    for labels in (short, [str(place) for place in places]):
        if len(set(labels)) == len(places):
            return labels
    raise UsageError(f"{', '.join(map(str, places))}: a folder is given twice")


def _name(place: Path) -> str:
    if not place.exists():  # a pattern
        return f"{place.parent.resolve().name}/{place.name}"
    return place.resolve().name or str(place)


def _shelf(folder: Folder, rewrite: Rewrite) -> tuple[dict[str, list[tuple[str, Path]]], int]:
    """Pictures by key, and how many were left out in favour of one that has their name by itself."""
    own, renamed = defaultdict[str, list[tuple[str, Path]]](list), defaultdict[str, list[tuple[str, Path]]](list)
    for name, path in folder.pictures:
        key = key_of(name)
        shelf = own if rewrite.of(key) == key else renamed
        shelf[rewrite.of(key)].append((name, path))
    left_out = sum(len(held) for key, held in renamed.items() if key in own)
    return {**renamed, **own}, left_out


def _by_name(shelf: dict[str, list[tuple[str, Path]]], doubtful: set[str]) -> Iterator[tuple[str, Path]]:
    names, taken = {name for held in shelf.values() for name, _ in held}, set[str]()
    for key, held in shelf.items():
        for name, path in held:
            chosen = key + PurePosixPath(name).suffix.lower() if key in doubtful else key
            if chosen in taken or (chosen in names and chosen != name):  # A.PNG beside A.png, a.png.jpg beside a.png
                chosen = name
            taken.add(chosen)
            yield chosen, path


def _names_of(file: str, rewrite: Rewrite) -> Iterator[str]:
    """What the row of a picture may be called."""
    key = key_of(file)
    for name in (rewrite.of(key), key):
        yield name
        yield name + PurePosixPath(file).suffix.lower()
