"""One batch on several devices or machines: every rank is a process of its own and translates its share of the files.

    share = share_from_environment(os.environ)    # of `run_ranks`, torchrun or srun; `WHOLE` where this is no rank
    if share == WHOLE and ranks > 1:              # the user asked for several: each finds its share as above
        say = lambda line, is_error: click.echo(line, err=is_error)
        sys.exit(run_ranks(ranks, this_command(sys.argv[1:]), os.environ, say))
    jobs = (job for job in plan if share.mine(job.name))
    device = torch.device("cuda", share.cuda_index(torch.cuda.device_count()))

Ranks say nothing to each other. What one that died did not do, the next run does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock, Thread
from types import FrameType
from typing import IO

from i2i.ranks.shares import WHOLE, Share, share_from_environment

__all__ = ["WHOLE", "Share", "end_with_parent", "run_ranks", "share_from_environment", "this_command"]

Tell = Callable[[str, bool], object]
"""Takes a line, and whether it comes from stderr."""

POLL_SECONDS = 0.05
LAST_WORDS_SECONDS = 2.0
"""For the output of a rank that has ended, where a process that it started keeps the pipe open."""
GRACE_SECONDS = 10.0
"""For ranks to end when nobody listens any more."""
TOGETHER_SECONDS = 30.0
"""For ranks that work together to find out that one has ended, and to end by themselves."""
LONGEST_LINE = 65_536
MEMORY = ", perhaps for want of memory"
PARENT = "I2I_PARENT"
"""Says by what a rank learns that the process which started it is gone."""
REST = "; the next run does what is left of its share"


def this_command(arguments: Sequence[str]) -> list[str]:
    """What runs `i2i` with these arguments as another process: the same Python, which imports from the same places."""
    here = bool(sys.path) and sys.path[0] in ("", os.getcwd())  # noqa: PTH109 -- `python -m i2i`, as Python has it
    return [sys.executable, *([] if here else ["-P"]), "-m", "i2i", *arguments]


def run_ranks(
    ranks: int, command: Sequence[str], environment: Mapping[str, str], tell: Tell, together: bool = False
) -> int:
    """Run `command` as so many ranks on this machine, wait for all, and give the worst of their exit codes.

    A signal's (130, 143) is worse than 1, that than 2, 3 and 0. A rank that is killed counts as 1; the others go on,
    unless they work `together`: then they are given some time to end by themselves, and the code of the first that
    failed counts, as the others fail for it.
    Each rank's lines are handed to `tell`, one at a time, its name in front. SIGINT, SIGTERM and SIGHUP are passed on
    to the ranks, which end by themselves, and SIGUSR1 to those that work together; call it from the main thread. Cores
    are shared out, unless OMP_NUM_THREADS says how many each has. Raises what `tell` raises, when all have ended.
    """
    voice, running, signals = _Voice(tell), list[_Rank](), list[int]()
    shared = {"OMP_NUM_THREADS": str(max(1, _cores() // ranks))}
    with _passing_on_signals(running, signals, together):
        try:
            for place in range(ranks):
                if not signals:
                    told = {"I2I_RANK": str(place), "I2I_RANKS": str(ranks), "I2I_LOCAL_RANK": str(place)}
                    surroundings = {**shared, **environment, **told, PARENT: "stdin"}
                    share = Share(place, ranks, place, ranks)
                    running.append(_Rank(share, command, surroundings, voice, together))
                    for number in signals:  # that came while it was being started
                        running[-1].process.send_signal(number)
            codes = []
            for rank in _as_they_end(running, voice):
                codes.append(rank.exit_code(signals))
                if together and codes[-1] not in (0, *(128 + number for number in signals)):
                    _end(running, TOGETHER_SECONDS)
        finally:
            _end(running)
    voice.raise_problem()
    if together and not signals:
        return next((code for code in codes if code), 0)
    return max([*codes, *(128 + number for number in signals[: ranks - len(running)])], key=_badness)


def end_with_parent(environment: Mapping[str, str]) -> None:
    """Where `run_ranks` started this process: end as by SIGTERM when that process is gone, however it ended."""

    def wait() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    if PARENT in environment:
        Thread(target=wait, daemon=True).start()


class _Voice:
    """Hands lines of several threads to one listener, until that fails."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._lock = tell, Lock()
        self._problem: BaseException | None = None

    def say(self, line: str, is_error: bool) -> None:
        with self._lock:
            if self._problem is None:
                try:
                    self._tell(line, is_error)
                except BaseException as problem:  # for the main thread; this one goes on to empty its pipe
                    self._problem = problem

    def raise_problem(self) -> None:
        if self._problem is not None:
            raise self._problem


class _Rank:
    """A process and two threads that pass on what it says."""

    def __init__(
        self, share: Share, command: Sequence[str], environment: Mapping[str, str], voice: _Voice, together: bool
    ) -> None:
        self.share, self.voice = share, voice
        self.name = "" if together and share.rank == 0 else f"{share}: "
        self.rest = "" if together else REST
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # ends when this process does: `end_with_parent`
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            process_group=None if os.name == "nt" else 0,  # or Ctrl-C would reach it twice
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        pipes = ((self.process.stdout, False), (self.process.stderr, True))
        self.listeners = [Thread(target=self._listen, args=each, daemon=True) for each in pipes]
        for listener in self.listeners:
            listener.start()

    def _listen(self, pipe: IO[bytes], is_error: bool) -> None:
        with pipe:
            while line := pipe.readline(LONGEST_LINE):
                text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                self.voice.say(f"{self.name}{text}", is_error)

    def exit_code(self, signals: Sequence[int]) -> int:
        """As a shell would tell it. A signal that nobody passed on is said, and a failure like any other."""
        code = self.process.returncode
        end = time.monotonic() + LAST_WORDS_SECONDS
        for listener in self.listeners:
            listener.join(max(0.0, end - time.monotonic()))
        if code >= 0:
            return code
        if -code in signals:
            return 128 - code
        names = {each.value: each.name for each in signal.Signals}
        what = names.get(-code, f"signal {-code}")
        self.voice.say(f"{self.share}: ended by {what}{MEMORY if what == 'SIGKILL' else ''}{self.rest}", True)
        return 1


@contextmanager
def _passing_on_signals(running: Sequence[_Rank], signals: list[int], together: bool) -> Iterator[None]:
    """Hand to the ranks what this process is sent, and note what is to end them.

    What is to end them and is ignored, as SIGHUP by nohup, stays ignored.
    """
    asking = [signal.SIGUSR1] if together and hasattr(signal, "SIGUSR1") else []

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number not in asking:
            signals.append(number)
        for rank in running:
            rank.process.send_signal(number)

    numbers = [signal.SIGINT, signal.SIGTERM, *([] if os.name == "nt" else [signal.SIGHUP]), *asking]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number in numbers if number in asking or before[number] is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, pass_on)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _as_they_end(running: Sequence[_Rank], voice: _Voice) -> Iterator[_Rank]:
    """Raises what goes wrong with the listener meanwhile."""
    waiting = list(running)
    while waiting:
        for rank in [rank for rank in waiting if rank.process.poll() is not None]:
            waiting.remove(rank)
            yield rank
        voice.raise_problem()
        time.sleep(POLL_SECONDS)


def _end(running: Sequence[_Rank], by_themselves: float = 0.0) -> None:
    """End ranks that have not, once they had so many seconds to end by themselves."""
    end = time.monotonic() + by_themselves
    while time.monotonic() < end and any(rank.process.poll() is None for rank in running):
        time.sleep(POLL_SECONDS)
    for rank in running:
        if rank.process.poll() is None:
            rank.process.terminate()
    end = time.monotonic() + GRACE_SECONDS
    for rank in running:
        try:
            rank.process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            rank.process.kill()
            rank.process.wait()


def _badness(code: int) -> tuple[int, int]:
    """Codes that are worse come later."""
    if code > 128:
        return 4, code
    return {0: 0, 3: 1, 2: 2}.get(code, 3), code


def _cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
