"""Which picture is measured against which: pairs by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i2i.errors import BrokenPicture, UsageError
from i2i.images.folders import find_pictures
from i2i.images.names import AS_IT_IS, Rewrite, fits, key_of


@dataclass(frozen=True)
class Pair:
    """A picture and what it should look like."""

    name: str
    """Of the picture below its folder."""
    picture: Path
    """The prediction, or what is to be translated into one."""
    target: Path
    original: Path | None = None
    """What the prediction was made from."""


@dataclass(frozen=True)
class Pairing:
    """What became of two folders."""

    pairs: Sequence[Pair]
    single: Sequence[BrokenPicture]
    """Pictures without a target, and why."""
    passed_over: int = 0
    """Pictures whose names hold nothing that is to be rewritten."""
    spare: int = 0
    """Targets without a picture."""


def rewrite_from(texts: Sequence[str]) -> Rewrite:
    """From `_LR=_HR` and the like, one after another. Raises `UsageError` for what is no such thing."""
    words = []
    for text in texts:
        old, sign, new = text.partition("=")
        if not sign or not old:
            raise UsageError(f"--match {text}: give what to replace and by what, such as _LR=_HR")
        words.append((old, new))
    return Rewrite(tuple(words))


def chosen_pictures(root: Path, globs: Sequence[str] = ()) -> list[Path]:
    """The pictures below `root`, all or those that fit one of the patterns, such as `*_LR.png`, as in `plan`.

    Raises `UsageError` where there are none.
    """
    found = find_pictures(root)
    above = root if root.is_dir() else root.parent
    chosen = [path for path in found if not globs or any(fits(path.relative_to(above), glob) for glob in globs)]
    if not chosen:
        patterns = " ".join(f"--glob '{glob}'" for glob in globs)
        raise UsageError(f"{patterns}: fits no picture of {root} (found {len(found)}, such as {found[0]})")
    return chosen


def paired(
    pictures: Path,
    targets: Path,
    originals: Path | None = None,
    globs: Sequence[str] = (),
    rewrite: Rewrite = AS_IT_IS,
) -> Pairing:
    """Pairs of the same path below their folders; the suffix counts only where it alone tells two pictures apart.

    Single files are a pair whatever their names. `globs` choose among the pictures, `rewrite` makes a target's name
    out of a picture's; an original has its picture's name, or else its target's.
    Raises `UsageError` where there are no pictures, or none of them has a target.
    """
    chosen = chosen_pictures(pictures, globs)
    goals = _Shelf(targets, find_pictures(targets))
    sources = _Shelf(originals, find_pictures(originals)) if originals is not None else None
    if pictures.is_file() and targets.is_file():
        original = originals if sources is not None and sources.root.is_file() else None
        return Pairing([Pair(pictures.name, pictures, targets, original)], [])
    ours = _Shelf(pictures, [path for path in chosen if rewrite.touches(path.stem)])
    pairs, single = [], []
    for key, path in ours:
        wanted, is_alone = rewrite.of(key), len(ours.by_key[key]) == 1
        target = goals.find(wanted, path.suffix, is_alone)
        if target is None:
            single.append(BrokenPicture(path, f"{targets} holds no {wanted}{'.*' if is_alone else path.suffix}"))
            continue
        pairs.append(Pair(ours.name(path), path, target, _original(sources, key, wanted, path, target)))
    if not pairs:
        raise UsageError(_nothing_pairs(pictures, targets, chosen, single, rewrite))
    used = {path for pair in pairs for path in (pair.target, pair.picture, pair.original)}
    if rewrite.words:  # in a folder that holds both, what `globs` leave out is no target either
        used |= {path for path in find_pictures(pictures) if rewrite.touches(path.stem)}
    spare = len(set(goals.paths) - used)
    return Pairing(pairs, single, len(chosen) - len(ours), spare)


class _Shelf:
    """Pictures below a folder by their path without suffix."""

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.root, self.paths = root, paths
        self.by_key = defaultdict[str, list[Path]](list)
        for path in paths:
            self.by_key[self._key(path)].append(path)

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        return ((self._key(path), path) for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, path: Path) -> str:
        """Below the folder; of a file that was given itself, its own."""
        return path.name if path == self.root else path.relative_to(self.root).as_posix()

    def find(self, key: str, suffix: str, any_suffix: bool = True) -> Path | None:
        """The only one of this key, or the one with this suffix too."""
        found = self.by_key.get(key, [])
        if len(found) == 1 and any_suffix:
            return found[0]
        return next((path for path in found if path.suffix.lower() == suffix.lower()), None)

    def _key(self, path: Path) -> str:
        return key_of(self.name(path))


def _original(sources: _Shelf | None, key: str, wanted: str, path: Path, target: Path) -> Path | None:
    if sources is None:
        return None
    if (original := sources.find(key, path.suffix)) is not None:
        return original
    other = sources.find(wanted, path.suffix)
    return other if other != target else None


def _nothing_pairs(
    pictures: Path, targets: Path, chosen: Sequence[Path], single: Sequence[BrokenPicture], rewrite: Rewrite
) -> str:
    if not single:
        words = " or ".join(repr(old) for old, _ in rewrite.words)
        return f"{pictures}: none of its {len(chosen)} pictures has {words} in its name to be replaced"
    advice = "names pair without their suffix; where they differ, such as a_LR.png and a_HR.png, --match _LR=_HR"
    return f"{pictures}: none of its pictures has a target, such as {single[0]} ({advice})"
