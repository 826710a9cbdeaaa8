"""Plays a page of the documentation: writes its files, runs its commands, compares what they print."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```(\{code-block\} (?P<language>\w+)|(?P<plain>\w*))$\n(?P<body>.*?)^```$", re.M | re.S)
CAPTION = re.compile(r":caption: (?P<path>\S+)(?P<added> \(goes on\))?\n")
EDITABLE = "pip install --editable ."
"""Stands for laying the package out as an installer would, without one and without a network."""
ANYTHING = "…"


@dataclass(frozen=True)
class File:
    """A file that the page says to write, or to add to."""

    path: str
    text: str
    added: bool


@dataclass(frozen=True)
class Command:
    """A command of the page, and what it prints there."""

    line: str
    printed: tuple[str, ...]
    exit_code: int


def steps_of(page: str) -> Iterator[File | Command]:
    """What a reader of the page does, in order."""
    for found in FENCE.finditer(page):
        body = found["body"]
        if found["plain"] == "console":
            yield from _commands(body)
        elif found["language"] and (caption := CAPTION.match(body)):
            yield File(caption["path"], body[caption.end() :], bool(caption["added"]))


def _commands(body: str) -> Iterator[Command]:
    for text in re.split(r"^\$ ", body, flags=re.M)[1:]:
        line, *printed = text.rstrip("\n").split("\n")
        code = 0
        if printed and (said := re.fullmatch(r"\(exit code (\d+)\)", printed[-1])):
            code = int(said[1])
            printed.pop()
        yield Command(line, tuple(printed), code)


def fits(said: str, printed: tuple[str, ...]) -> bool:
    """Whether a page shows what was said: a line `…` is any lines, `…` in a line any text, runs of blanks are one."""
    pattern = ""
    for line in printed:
        if line == ANYTHING:
            pattern += r"(.*\n)*?"
        else:
            parts = (re.escape(" ".join(part.split())) for part in line.split(ANYTHING))
            pattern += r"[ ]*" + r" ?.*? ?".join(parts) + r" ?\n"
    lines = "".join(" ".join(line.split()) + "\n" for line in said.splitlines())
    return re.fullmatch(pattern, lines) is not None


@dataclass
class Player:
    """A reader who does what a page says, in a folder of his own."""

    home: Path
    install_plugin: Callable[[Path, Path], None]
    python: str
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.home / "work"
        self.folder.mkdir()
        script = self.home / "bin" / "i2i"
        script.parent.mkdir()
        script.write_text(f'#!/bin/sh\nexec "{self.python}" -m i2i "$@"\n', encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def play(self, page: str) -> None:
        """Every step of the page; an `AssertionError` says where the page is wrong."""
        for step in steps_of(page):
            if isinstance(step, File):
                self.write(step)
            else:
                self.run(step)

    def write(self, file: File) -> None:
        """As the page has it."""
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text(encoding="utf-8") if file.added else ""
        path.write_text(before + file.text, encoding="utf-8")

    def run(self, command: Command) -> None:
        """The command, in a process of its own."""
        words = shlex.split(command.line)
        if command.line == EDITABLE:
            site = self.home / "site"
            self.install_plugin(self.folder, site)
            (next(site.glob("i2i_*/__init__.py")).parent).rename(self.home / "copied")  # the folder itself is edited
            return
        if words[0] == "cd":
            self.folder = self.folder / words[1]
            return
        assert words[0] in {"i2i", "python", "mkdir"}, f"the page runs {words[0]}, which this test does not"
        if words[0] == "python":
            words[0] = self.python
        paths = [str(self.folder), str(self.home / "site"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join([str(self.home / "bin"), os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )
        told = f"$ {command.line}\n{done.stdout}"
        assert done.returncode == command.exit_code, f"ended with {done.returncode}, not {command.exit_code}:\n{told}"
        shown = "\n".join(command.printed)
        assert not shown or fits(done.stdout, command.printed), f"the page shows\n{shown}\nbut it is\n{told}"


@pytest.fixture
def player(tmp_path: Path, install_plugin: Callable[[Path, Path], None], python: str) -> Player:
    """Somebody who does what a page says."""
    return Player(tmp_path, install_plugin, python)


@pytest.fixture(scope="session")
def tutorial() -> str:
    """The page."""
    return (DOCS / "plugins" / "tutorial.md").read_text(encoding="utf-8")


@pytest.fixture(scope="session", name="fits")
def _fits() -> Callable[[str, tuple[str, ...]], bool]:
    """`fits(said, printed)`."""
    return fits
