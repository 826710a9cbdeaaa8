"""How far batch inference is, and how a signal ends it."""

from __future__ import annotations

import signal
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from i2i.cli.saying import is_live, is_quiet, remark
from i2i.errors import Interrupted
from i2i.inference.onlooker import Onlooker

if TYPE_CHECKING:
    from rich.progress import Progress


class Stopped(KeyboardInterrupt):
    """A signal came."""

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """The first SIGINT or SIGTERM ends the command in one line; from then on both are ignored until the process ends.

    Nobody sees a traceback of the clean-up, which waits for the pictures that are being written and for no other.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        for other in before:
            signal.signal(other, signal.SIG_IGN)
        before.clear()
        raise Stopped(number)

    try:
        for number in before:
            signal.signal(number, stop)
        yield
    except Stopped as stopped:
        raise Interrupted("stopped", stopped.signal_number) from stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Counter(Onlooker):
    """Shows how many are done, "`word` 3 of 64", and how far the batch at hand is where the model says."""

    sees = False

    def __init__(self, total: int, word: str, written: Sized) -> None:
        self.total, self.word, self.written = total, word, written
        self.done = 0

    def count(self, done: int) -> None:
        """So many are done."""
        self.done = max(self.done, done)
        self.show(self.done, 0.0, "")

    def reported(self, items: Sequence[Any], fraction: float, scalars: Mapping[str, float]) -> None:
        """The batch at hand is that far."""
        done = max(self.done, len(self.written))  # what is written is counted before its result is collected
        share = min(1.0, max(0.0, fraction))
        self.show(done, share * len(items), ", ".join([f"{share:.0%}".replace("%", " %"), *_told(scalars)]))

    def told(self, text: str) -> None:
        """A line of its own."""
        remark(text)

    @abstractmethod
    def show(self, done: int, under_way: float, text: str) -> None:
        """`done` pictures and as much of others as `under_way`; `text` is about these."""


class LiveCounter(Counter):
    """A line on a terminal that moves."""

    def __init__(self, total: int, word: str, written: Sized, progress: Progress) -> None:
        super().__init__(total, word, written)
        self.progress, self.task = progress, progress.add_task(word, total=total, text="")

    def told(self, text: str) -> None:
        """A line above the one that moves."""
        self.progress.console.print(text, markup=False, highlight=False)

    def show(self, done: int, under_way: float, text: str) -> None:
        """Move the bar."""
        self.progress.update(self.task, completed=min(self.total, done + under_way), text=text)


class QuietCounter(Counter):
    """Shows nothing."""

    def told(self, text: str) -> None:
        """Nothing."""

    def show(self, done: int, under_way: float, text: str) -> None:
        """Nothing."""


class PlainCounter(Counter):
    """Now and then a plain line."""

    def __init__(self, total: int, word: str, written: Sized, seconds: float) -> None:
        super().__init__(total, word, written)
        self.seconds, self.spoke = seconds, time.monotonic()

    def show(self, done: int, under_way: float, text: str) -> None:
        """A line, if the last one was long ago."""
        if time.monotonic() - self.spoke > self.seconds:
            self.spoke = time.monotonic()
            remark(f"{self.word} {done} of {self.total}{text and ': '}{text}")


@contextmanager
def counting(total: int, word: str, written: Sized, ended: str = "written") -> Iterator[Counter]:
    """Shows how many are done and when stopped by a signal says how many are written, or what else became of them."""
    try:
        with _counter(total, word, written) as counter:
            yield counter
    except Stopped as stopped:
        text = f"stopped; {len(written)} of {total} pictures are {ended}"
        raise Interrupted(text, stopped.signal_number) from stopped


@contextmanager
def _counter(total: int, word: str, written: Sized) -> Iterator[Counter]:
    """A live line on a terminal, now and then a plain one elsewhere, none when quiet."""
    if is_quiet():
        yield QuietCounter(total, word, written)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from i2i.cli.console import PLAIN_SECONDS

    if not is_live():
        yield PlainCounter(total, word, written, PLAIN_SECONDS)
        return
    told = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[text]}", markup=False))
    columns = (SpinnerColumn(), told[0], MofNCompleteColumn(), BarColumn(), told[1], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield LiveCounter(total, word, written, progress)


def _told(scalars: Mapping[str, float]) -> Iterator[str]:
    """`scale 2`, `loss 0.1234`."""
    for name, value in scalars.items():
        whole = float(value).is_integer() and abs(value) < 1e9
        yield f"{name} {int(value) if whole else format(value, '.4g')}"
