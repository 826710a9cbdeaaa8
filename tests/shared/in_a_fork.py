"""A Python for what a test runs, within milliseconds: forked from one that has imported what commands import.

    Command(["-m", "i2i", "--version"], folder, os.environ).communicate()
    subprocess.run([python(), "-m", "i2i", "--version"])

Arguments are those of the interpreter: `-m MODULE …` or `-c CODE …`. Nothing that a fresh interpreter would do
differently is to be tested with it: what is imported, how long it takes, how much memory there is.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

PASSED_ON = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


@cache
def _server() -> str:
    """The socket of a server of this process, with which it ends."""
    import shlex
    import subprocess
    import tempfile

    address = str(Path(tempfile.mkdtemp()) / "socket")
    program = Path(_stand_in_of(address))
    words = [sys.executable, "-I", "-S", __file__, address, sys.executable]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    words = [sys.executable, str(Path(__file__).with_name("fork_server.py")), address]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, process_group=0
    )
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return address


def python() -> str:
    """What stands for `sys.executable`: a program that runs its arguments in a fork, as if they ran in itself."""
    return _stand_in_of(_server())


def _stand_in_of(address: str) -> str:
    return str(Path(address).with_name("python"))


class Forked:
    """A process that the server forks into, given the streams of its own."""

    def __init__(
        self,
        address: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: str,
        streams: Sequence[int] = (0, 1, 2),
    ) -> None:
        self.returncode: int | None = None
        self._line = socket.socket(socket.AF_UNIX)
        self._line.connect(address)
        ignored = [number for number in PASSED_ON if signal.getsignal(number) is signal.SIG_IGN]
        asked = json.dumps([_stand_in_of(address), list(arguments), dict(environment), folder, ignored]).encode()
        socket.send_fds(self._line, [len(asked).to_bytes(8)], list(streams))
        self._line.sendall(asked)
        self.pid = self._number()
        """0 where nothing but a fresh interpreter would do."""

    def wait(self, timeout: float | None = None) -> int | None:
        """Its exit code, as of `subprocess.Popen`, once it has ended; None where that takes longer."""
        if self.returncode is None:
            self._line.settimeout(timeout)
            with suppress(TimeoutError, BlockingIOError):
                self.returncode = self._number()
        return self.returncode

    def poll(self) -> int | None:
        return self.wait(0)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _number(self) -> int:
        told = self._line.recv(8)
        assert told, "the server of forks has ended"
        return int.from_bytes(told, signed=True)


class Command(Forked):
    """The same begun by a test, with what it needs of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[object], folder: Path, environment: Mapping[str, str]) -> None:
        self.words = [str(argument) for argument in arguments]
        (self._out, out), (self._err, err) = os.pipe(), os.pipe()
        nothing = os.open(os.devnull, os.O_RDONLY)
        super().__init__(_server(), self.words, environment, str(folder), (nothing, out, err))
        for stream in (nothing, out, err):
            os.close(stream)
        assert self.pid, "this needs an interpreter of its own"

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """What it says, until it has ended and nobody holds its pipes; where that takes longer, it is killed."""
        import subprocess
        import time
        from selectors import EVENT_READ, DefaultSelector

        end = time.monotonic() + timeout
        said = {self._out: b"", self._err: b""}
        with DefaultSelector() as speaking:
            for pipe in said:
                speaking.register(pipe, EVENT_READ)
            while speaking.get_map():
                heard = speaking.select(max(0, end - time.monotonic()))
                if not heard:
                    self.kill()
                    raise subprocess.TimeoutExpired(self.words, timeout, *said.values())
                for key, _ in heard:
                    said[key.fd] += (text := os.read(key.fd, 65_536))
                    if not text:
                        speaking.unregister(key.fd)
                        os.close(key.fd)
        self.wait()
        out, err = (text.decode("utf-8") for text in said.values())
        return out, err


def _stand_in(address: str, interpreter: str, *arguments: str) -> None:
    """Be the process that the server forks: its streams, signals and end are this one's."""
    forked = Forked(address, arguments, os.environ, os.getcwd())  # noqa: PTH109 -- before anything heavy
    if not forked.pid:
        os.execv(interpreter, [interpreter, *arguments])
    for number in PASSED_ON:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda number, frame: os.kill(forked.pid, number))
    code = forked.wait()
    assert code is not None
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    _stand_in(*sys.argv[1:])
