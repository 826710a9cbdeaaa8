"""A process of its own for a command, within milliseconds: forked from one that has imported what commands import."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from i2i.cli import main

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["torch", "torch.utils.data", "kornia", "i2i.inference.translator", "i2i.training.fit",
                               "i2i.recipe", "i2i.cli.fit", "i2i.cli.translate", "in_a_fork"])  # fmt: skip


class Command:
    """`i2i WORDS` in a folder and an environment, with what tests need of `subprocess.Popen`."""

    def __init__(
        self, words: Sequence[object], folder: Path, environment: Mapping[str, str], together: bool = False
    ) -> None:
        self.words = [str(word) for word in words]
        said = Path(tempfile.mkdtemp())
        self.out, self.err = said / "out", said / ("out" if together else "err")
        for file in (self.out, self.err):
            file.touch()
        given = (self.words, folder, dict(environment), self.out, self.err)
        self.process = FORKED.Process(target=_command, args=given)
        self.process.start()
        assert self.process.pid is not None
        self.pid: int = self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    returncode = property(poll)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """What it said, when it has ended; where that takes longer, it is killed."""
        self.process.join(timeout)
        if self.poll() is None:
            self.kill()
            raise subprocess.TimeoutExpired(self.words, timeout, self.out.read_bytes(), self.err.read_bytes())
        return self.out.read_text(encoding="utf-8"), self.err.read_text(encoding="utf-8")


def _command(words: Sequence[str], folder: Path, environment: Mapping[str, str], out: Path, err: Path) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        with path.open("ab") as file:
            os.dup2(file.fileno(), stream.fileno())
    multiprocessing.set_start_method(None, force=True)  # loaders are started as in any process
    sys.argv, sys.dont_write_bytecode = ["i2i", *words], "PYTHONDONTWRITEBYTECODE" in environment
    main()
