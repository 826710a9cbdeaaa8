"""What one folder of this machine holds, and what is in place of one."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from i2i.errors import I2IError
from i2i.images.folders import PICTURE_SUFFIXES

_NOWHERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
"""What is not there, be it that a link leads to nothing."""
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@dataclass(frozen=True)
class Listing:
    """What one folder holds, by names."""

    pictures: Sequence[str] = ()
    """Sorted, as the folders are."""
    folders: Sequence[str] = ()
    links: frozenset[str] = frozenset()
    """Which of the folders are links, or might be folders if they could be followed."""
    lost: Mapping[str, str] = field(default_factory=dict)
    """Links with a picture's suffix that cannot be followed, and why."""


def has_picture_suffix(name: str) -> bool:
    """Whether a file of this name counts as a picture; upper and lower case are one."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122 -- asked of every file


def list_folder(folder: Path) -> Listing:
    """What is in a folder; nothing where there is no such folder. Raises `I2IError` where it cannot be read."""
    pictures, folders, links, lost_links = list[str](), list[str](), set[str](), dict[str, str]()
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink() and (problem := _problem_of(entry)) is not None:
                    if has_picture_suffix(entry.name):
                        pictures.append(entry.name)
                        lost_links[entry.name] = _lost_why(folder / entry.name, problem)
                    elif problem.errno not in _NOWHERE:  # a folder, perhaps: whoever walks on will meet the problem
                        folders.append(entry.name)
                        links.add(entry.name)
                elif entry.is_dir():
                    folders.append(entry.name)
                    if entry.is_symlink():
                        links.add(entry.name)
                elif has_picture_suffix(entry.name) and entry.is_file():
                    pictures.append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return Listing()
    except OSError as problem:
        raise unreadable(folder, problem) from problem
    return Listing(sorted(pictures), sorted(folders), frozenset(links), lost_links)


def kind_of(path: Path) -> str:
    """In words, what there is that is neither a file nor a folder, be it nothing."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except ValueError:  # no path has a zero in it
        return "no such file or folder"
    except OSError as problem:
        missing = problem.errno in _NOWHERE and not os.path.islink(path)  # noqa: PTH114
        return "no such file or folder" if missing else _lost_why(path, problem)
    return next((f"is {name}, not a file or a folder" for kind, name in _KINDS if kind(mode)), "is of an unknown kind")


def _problem_of(link: os.DirEntry[str]) -> OSError | None:
    """Why a link cannot be followed."""
    try:
        link.stat()
    except OSError as problem:
        return problem
    return None


def _lost_why(link: Path, problem: OSError) -> str:
    """What to say of a link that cannot be followed."""
    if problem.errno not in _NOWHERE:
        return _words(problem)
    where = ""
    with suppress(OSError):
        where = f" ({os.readlink(link)})"  # noqa: PTH115
    return f"the link leads to nothing{where}"


def unreadable(folder: Path, problem: OSError) -> I2IError:
    """What to say of a folder that cannot be read."""
    return I2IError(f"{problem.filename or folder}: {_words(problem)}")


def _words(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
