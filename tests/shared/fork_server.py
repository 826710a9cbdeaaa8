"""Imports what commands import, then forks into whatever it is asked for; ends with its standard input.

python fork_server.py SOCKET
"""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import runpy
import signal
import socket
import sys
import threading
import traceback
import types
from contextlib import suppress
from importlib import import_module, invalidate_caches
from selectors import EVENT_READ, DefaultSelector
from typing import Any

import psutil

PRELOADED = (
    "torch.utils.data", "torch._dynamo", "kornia", "pydantic.dataclasses", "plotly.offline", "rich.progress",
    "safetensors.torch", "i2i.inference.translator", "i2i.training.fit", "i2i.training.starting", "i2i.recipe",
    "i2i.images.frames", "i2i.cli.batch", "i2i.cli.fit", "i2i.cli.translate",
)  # fmt: skip
TAKEN_OVER = {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "OMP_NUM_THREADS"}
TAKEN_OVER |= {"TORCH_HOME", "TORCH_NCCL_ASYNC_ERROR_HANDLING"}
AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "KMP_", "GOMP_", "MKL_", "TORCH_", "PYTORCH_")
"""What variables that count only when an interpreter or a library starts begin with."""


def main(address: str) -> None:
    """Serve, and be what is asked for in each fork."""
    for name in PRELOADED:
        import_module(name)
    assert psutil.Process().num_threads() == 1, "what forks has no other threads"
    gc.collect()
    gc.freeze()  # a collection in a fork would touch, and so copy, all of it
    asked, streams = serve(address)
    code = 1
    try:
        code = become(asked, streams)
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def serve(address: str) -> tuple[list[Any], list[int]]:
    """In a fork: what it was asked for. In the server itself this never ends."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    ended, wakes = socket.socketpair()
    for end in (ended, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    running: dict[int, socket.socket] = {}
    ready = DefaultSelector()
    for stream in (0, listener, ended):
        ready.register(stream, EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            if key.fileobj == 0:
                for pid in running:
                    os.kill(pid, signal.SIGKILL)
                os._exit(0)
            elif key.fileobj is listener:
                client = listener.accept()[0]
                asked, streams = _read(client)
                if not _can_be(asked):
                    _tell(client, 0)
                elif (pid := os.fork()) == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    ready.close()
                    for end in (listener, ended, wakes, client, *running.values()):
                        end.close()
                    return asked, streams
                else:
                    running[pid] = client
                    _tell(client, pid)
                    ready.register(client, EVENT_READ, pid)
                for stream in streams:
                    os.close(stream)
            elif key.fileobj is ended:
                ended.recv(4096)
                with suppress(ChildProcessError):
                    while (over := os.waitpid(-1, os.WNOHANG))[0]:
                        client = running.pop(over[0])
                        with suppress(KeyError):
                            ready.unregister(client)
                        _tell(client, os.waitstatus_to_exitcode(over[1]))
                        client.close()
            elif key.data in running:  # who asked has ended
                ready.unregister(key.fileobj)
                os.kill(key.data, signal.SIGKILL)


def _read(client: socket.socket) -> tuple[list[Any], list[int]]:
    head, streams, *_ = socket.recv_fds(client, 8, 3)
    with client.makefile("rb") as told:
        return json.loads(told.read(int.from_bytes(head))), streams


def _tell(client: socket.socket, number: int) -> None:
    with suppress(OSError):
        client.sendall(number.to_bytes(8, signed=True))


def _can_be(asked: list[Any]) -> bool:
    """Whether an interpreter started with these arguments, in this environment, would be like this one.

    One whose code looks at what is imported would not.
    """
    _, arguments, environment, *_ = asked
    for name in {*os.environ, *environment}:
        if name.startswith(AT_START) and name not in TAKEN_OVER and os.environ.get(name) != environment.get(name):
            return False
    plain = [word for word in arguments if word not in ("-P", "-u")]
    return len(plain) > 1 and plain[0] in ("-m", "-c") and "sys.modules" not in plain[1]


def become(asked: list[Any], streams: list[int]) -> int:
    """The interpreter that was asked for; answers its exit code."""
    program, arguments, environment, folder, ignored = asked
    for place, stream in enumerate(streams):
        os.dup2(stream, place)
        os.close(stream)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    flags = []
    while arguments[0] in ("-P", "-u"):
        flags.append(arguments.pop(0))
    _open_streams("-u" in flags or bool(environment.get("PYTHONUNBUFFERED")))
    sys.dont_write_bytecode = bool(environment.get("PYTHONDONTWRITEBYTECODE"))
    sys.executable = program
    how, what, *words = arguments
    here = [] if "-P" in flags else [folder if how == "-m" else ""]
    given = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:1] = [*here, *given]  # in place of the folder of this script
    invalidate_caches()
    if (threads := environment.get("OMP_NUM_THREADS", "")).isdigit():
        import torch

        torch.set_num_threads(int(threads))
    return _run(how, what, words)


def _open_streams(unbuffered: bool) -> None:
    """As an interpreter opens them when it starts."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    for name, place, errors in (("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        buffer = open(place, "wb", closefd=False)  # noqa: SIM115
        lines = place == 2 or os.isatty(place)
        text = io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=lines, write_through=unbuffered)
        setattr(sys, name, text)
        setattr(sys, f"__{name}__", text)


def _run(how: str, what: str, words: list[str]) -> int:
    sys.argv = ["-c" if how == "-c" else what, *words]
    code = 0
    try:
        if how == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            module = types.ModuleType("__main__")
            sys.modules["__main__"] = module
            exec(compile(what, "<string>", "exec"), module.__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = 128 + signal.SIGINT
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    return code & 0xFF


if __name__ == "__main__":
    main(sys.argv[1])
