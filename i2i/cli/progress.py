"""How far batch inference is, and how a signal ends it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from i2i.errors import Interrupted


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


@contextmanager
def counting(total: int, word: str, written: list[object]) -> Iterator[Callable[[int], None]]:
    """Shows how many are done, "`word` 3 of 64", and when stopped by a signal says how many are written."""
    try:
        with _progress(total, word) as show:
            yield show
    except Stopped as stopped:
        text = f"stopped; {len(written)} of {total} pictures are written"
        raise Interrupted(text, stopped.signal_number) from stopped


@contextmanager
def _progress(total: int, word: str) -> Iterator[Callable[[int], None]]:
    """A live line on a terminal, now and then a plain one elsewhere."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

    from i2i.cli.console import PLAIN_SECONDS

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn(word), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda done: progress.update(task, completed=done)
        return
    told = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told
        if time.monotonic() - told > PLAIN_SECONDS:
            told = time.monotonic()
            click.echo(f"{word} {done} of {total}", err=True)

    yield tell
