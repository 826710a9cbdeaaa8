"""How a run looks on the console: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console as RichConsole
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from i2i.cli.fit import spoken
from i2i.cli.saying import is_live, is_quiet, warn
from i2i.ranks.group import is_first
from i2i.training.layout import REPORT, SAMPLES
from i2i.training.listener import Listener

if TYPE_CHECKING:
    from i2i.training.fit import Fit
    from i2i.training.run_folder import RunFolder

PLAIN_SECONDS = 10.0
"""Between two plain lines."""


class Console(Listener):
    """Shows a run; remembers the signal that wants to end it."""

    def __init__(self, title: str, beside_answers: bool = False) -> None:
        self.title = title
        self.beside_answers = beside_answers
        """Whether standard output is for something else."""
        self.signal_number: int | None = None
        self.wants_checkpoint = False
        self.running = False
        self.live = is_live()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress, self.scalars = Progress(*columns, speed_estimate_period=600), Text()
        self.view = Live(Group(self.progress, self.scalars), console=RichConsole(stderr=True), refresh_per_second=4)
        self.first_step = self.steps = 0
        self.began = self.told = time.monotonic()

    def __enter__(self) -> Console:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.view.stop()

    def describe(self, run: Fit) -> None:
        """What is about to be trained, on what, where."""
        environment = run.runtime.describe()
        where = f"{environment['device name']} ({run.runtime.device.type}, {run.runtime.precision})"
        self.said(f"{run.recipe.name}: {run.parameters / 1e6:.2f} million parameters on {where}")
        for line in data_lines(run.dataset.describe()):
            self.said(line)
        assert run.folder is not None
        goes_on = f", on from step {run.loop.step}" if run.loop.step else ""
        self.said(f"run folder: {run.folder.path}{goes_on}")

    def said(self, text: str) -> None:
        """One line, above the live one. A reader that has gone away, or a print that was interrupted, ends no run."""
        with suppress(OSError, RuntimeError):
            if self.live:
                self.view.console.print(text, markup=False, highlight=False)
            else:
                click.echo(text, err=self.beside_answers)

    def started(self, first_step: int, steps: int) -> None:
        """Begin to count; from now on a signal lets the step end and saves."""
        self.running = True
        self.first_step, self.steps, self.began = first_step, steps, time.monotonic()
        if self.live:
            self.progress.add_task(self.title, total=steps, completed=first_step)
            self.view.start()

    def stepped(self, step: int) -> None:
        """Move the bar."""
        if self.live:
            self.progress.update(self.progress.task_ids[0], completed=step)

    def logged(self, step: int, scalars: Mapping[str, float]) -> None:
        """Show the newest scalars; plainly, at most every ten seconds."""
        text = "  ".join(f"{name} {value:.3g}" for name, value in scalars.items())
        if self.live:
            self.scalars.plain = text
        elif step == self.steps or time.monotonic() - self.told > PLAIN_SECONDS:
            self.told = time.monotonic()
            left = (self.told - self.began) / max(1, step - self.first_step) * (self.steps - step)
            self.said(f"step {step}/{self.steps}  {text}  left {spoken(left)}")

    def finished(self, folder: RunFolder, run: Fit) -> None:
        """What to do with the result."""
        self.view.stop()
        places = {"samples": folder.path / SAMPLES, "report": folder.path / REPORT}
        if run.logbook.report_failed:
            del places["report"]  # what lies there is of an earlier step
        found = ", ".join(f"{what} in {place}" for what, place in places.items() if place.exists())
        self.said(f"done: {folder.path} (step {run.loop.step})" + (f"; {found}" if found else ""))
        uses = {"sample": "--count 64", "translate": "--src PICTURES"}
        run_is = shlex.quote(str(folder.path))
        for what in (flag for method, flag in uses.items() if hasattr(run.loop.model, method)):
            self.said(f"next: i2i translate --run {run_is} {what} --dst OUT")

    def should_save(self) -> bool:
        """Whether SIGUSR1 came since it was asked last."""
        wanted, self.wants_checkpoint = self.wants_checkpoint, False
        return wanted

    def should_stop(self) -> int | None:
        """The signal that came, if any."""
        return self.signal_number


class Mute(Console):
    """Hears signals and says nothing: a rank beside the first."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.live = False

    def said(self, text: str) -> None:
        """Nothing."""


class Hushed(Mute):
    """Says what went wrong, and nothing else."""

    def warned(self, text: str) -> None:
        """One line, on standard error."""
        with suppress(OSError):
            warn(text)


def console_of(title: str, beside_answers: bool = False) -> Console:
    """Of this process, if it speaks for all ranks and is to speak; on standard error, where answers go to the other."""
    if not is_first():
        return Mute(title)
    return Hushed(title) if is_quiet() else Console(title, beside_answers)


def data_lines(found: Mapping[str, object]) -> Iterator[str]:
    """What a dataset says of itself, a line a part."""
    for name, value in found.items():
        text = ", ".join(f"{key}: {item}" for key, item in value.items()) if isinstance(value, dict) else value
        yield f"{name}: {text}"


@contextmanager
def stopping_on_signals(console: Console) -> Iterator[None]:
    """A signal lets the step end and saves. Before the first step, and the second time, it ends at once.

    SIGUSR1 saves and goes on.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)

    def stop(number: int, frame: FrameType | None) -> None:
        if console.running and console.signal_number is None:
            console.signal_number = number
            console.said("stopping after this step; the run will be saved (Ctrl-C again: end at once)")
            return
        if console.running:
            console.said("ended at once; what was saved before is intact")
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)  # whoever keeps pressing sees no traceback of the clean-up
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    def save(number: int, frame: FrameType | None) -> None:
        console.wants_checkpoint = True

    before = {number: signal.signal(number, stop) for number in numbers}
    if hasattr(signal, "SIGUSR1"):
        before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, save)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
