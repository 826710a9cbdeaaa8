"""What pictures are called: which names fit a pattern, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath


def fits(path: Path, glob: str) -> bool:
    """Whether a path below a source fits a shell pattern; upper and lower case differ everywhere.

    A pattern with a slash is compared with the whole path (`**`: any folders), another one with the name alone.
    """
    return _parts_fit(path.parts, glob.split("/")) if "/" in glob else fnmatchcase(path.name, glob)


def key_of(name: str | PurePath) -> str:
    """A path below a folder without its suffix: what pairs of pictures have in common."""
    return PurePosixPath(name).with_suffix("").as_posix()


@dataclass(frozen=True)
class Rewrite:
    """Other words in a target's name than in its picture's."""

    words: Sequence[tuple[str, str]] = ()
    """What to replace and by what, one after another."""

    def touches(self, stem: str) -> bool:
        """Whether there is anything to replace; where nothing was asked for, every name will do."""
        return not self.words or any(old in stem for old, _ in self.words)

    def of(self, key: str) -> str:
        """The key of a target for that of a picture; folders keep their names."""
        folder, slash, stem = key.rpartition("/")
        for old, new in self.words:
            stem = stem.replace(old, new)
        return folder + slash + stem


AS_IT_IS = Rewrite()


def _parts_fit(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_parts_fit(parts[skipped:], patterns[1:]) for skipped in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _parts_fit(parts[1:], patterns[1:])
