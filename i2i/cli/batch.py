"""A plan of files carried out: how far it is, what is told at the end, and when it goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i2i.cli.progress import counting
from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.inference.files import Done
from i2i.inference.pending import Pending
from i2i.inference.places import Job, Plan
from i2i.inference.steps import StepsWriter
from i2i.ranks.launching import WHOLE, Share

if TYPE_CHECKING:
    from i2i.inference.files import Files

SETTLED_SECONDS = 1.0
"""A file that changed less long ago may still be being written."""
POLL_SECONDS = 1.0
"""Between two looks at the sources."""


@dataclass(frozen=True)
class Order:
    """What is to be carried out, and how far."""

    plan: Plan
    files: Files
    verify: bool = False
    force: bool = False
    share: Share = WHOLE
    steps: Mapping[Path, Path] = field(default_factory=dict)
    """Folder of each target's pictures on the way."""
    every: int | None = None
    max_bad: int | None = None
    """How many pictures may fail before everything stops."""

    def pending(self, wait_for: Callable[[Job], bool] = lambda job: False) -> Pending:
        """What is still to be done."""
        return Pending(
            self.plan,
            self.files.manifest,
            verify=self.verify,
            force=self.force,
            is_mine=self.share.mine,
            wait_for=wait_for,
        )


class Tally:
    """What became of files; grows with what is to be told of them, not with their number."""

    def __init__(self) -> None:
        self.number = 0
        self.broken: list[BrokenPicture] = []
        self.lost: dict[str, tuple[int, Path]] = {}

    def __len__(self) -> int:
        """How many are written."""
        return self.number

    def wrote(self, job: Job) -> None:
        """One more."""
        self.number += 1

    def add(self, done: Done) -> None:
        """What is to be told of it."""
        if done.broken is not None:
            self.broken.append(done.broken)
        for phrase in done.lost:
            count, example = self.lost.get(phrase, (0, done.job.target))
            self.lost[phrase] = count + 1, example

    def remarks(self) -> Iterator[str]:
        """A line for each thing that was lost, and for each picture that failed."""
        for picture in self.broken:
            yield f"not translated: {picture}"
        for phrase, (count, example) in self.lost.items():
            yield f"{phrase}: {example if count == 1 else f'{count} pictures, such as {example}'}"


def carry_out(order: Order) -> int:
    """Translate what is to be translated and tell how it went; the exit code."""
    pending = order.pending()
    total = _total(order)
    tally, saved = _translate(order, pending, total)
    destination = order.plan.destination
    if pending.done_before == total:
        _say(f"nothing to do: all {total} pictures are translated in {destination}")
        return 0
    before = f"; {pending.done_before} were done before" if pending.done_before else ""
    damaged = f", {pending.damaged} of them damaged since" if pending.damaged else ""
    _say(f"{len(tally)} of {total} pictures translated into {destination}{damaged}{before}")
    for remark in tally.remarks():
        _say(remark, err=True)
    if saved is not None and len(tally):
        _say(saved, err=True)
    return 3 if tally.broken else 0


def watch(order: Order) -> None:
    """Translate what is there and what arrives, until a signal comes; what failed is tried again once it changes."""
    failed: dict[str, tuple[int, int]] = {}
    _say(f"watching; stop with Ctrl-C. Translations appear in {order.plan.destination}", err=True)

    def not_yet(job: Job) -> bool:
        state = _state(job.source)
        return state is None or failed.get(job.name) == state or 0 <= time.time() - state[1] / 1e9 < SETTLED_SECONDS

    away = None
    while True:
        try:
            with closing(order.files.translated(order.pending(not_yet))) as results:
                for done in results:
                    if done.broken is None:
                        _say(f"{done.job.source} → {done.job.target}")
                    else:
                        failed[done.job.name] = _state(done.job.source) or (0, 0)
                        _say(f"not translated: {done.broken}", err=True)
                    for phrase in done.lost:
                        _say(f"{phrase}: {done.job.target}", err=True)
            away = None
        except UsageError:
            if (problem := _missing(order.plan)) is None:
                raise
            if problem != away:
                _say(f"{problem}; looking again", err=True)
            away = problem
        time.sleep(POLL_SECONDS)


def _missing(plan: Plan) -> str | None:
    """What of the sources is not there now, such as a disk that is away for a while."""
    try:
        deque(plan.folders(), maxlen=0)
    except UsageError as problem:
        return str(problem)
    return None


def foretell(order: Order) -> None:
    """Say what would be done."""
    pending = order.pending()
    count = 0
    for todo in pending:
        count += not todo.refusal
        refusal = f"  (not: {todo.refusal})" if todo.refusal else ""
        _say(f"{todo.job.source} → {todo.job.target}{refusal}")
    before = f"; {pending.done_before} are done" if pending.done_before else ""
    _say(f"would translate {count} of {_total(order)} pictures into {order.plan.destination}{before}")


def pack_up(order: Order, archive: Path, complete: bool) -> None:
    """Put what is done into an archive, if all of it is; the folder that it was gathered in always stays."""
    from i2i.images.sources.archives import pack

    folder = order.plan.destination
    if not complete:
        _say(f"{archive} is not packed, as pictures are missing; {folder} is kept for the next run", err=True)
        return
    done = ((job.target, job.name) for job in order.plan if order.files.manifest.state(job) == "done")
    _say(f"{pack(done, archive)} pictures packed into {archive}; {folder} may be deleted")


def _say(text: str, err: bool = False) -> None:
    click.echo(_spelled(text), err=err)


def _spelled(text: str) -> str:
    """One line; what a file's name could do to a terminal or to the lines is spelled out."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _translate(order: Order, pending: Pending, total: int) -> tuple[Tally, str | None]:
    """What became of the files, and whether pictures on the way were asked for in vain."""
    tally = Tally()
    with counting(total, "translated", tally) as counter:
        writer = StepsWriter(order.steps, order.every or 1, counter)
        onlooker = writer if order.every is not None else counter
        with closing(order.files.translated(pending, tally.wrote, onlooker)) as results:
            for number, done in enumerate(results, 1):
                tally.add(done)
                counter.count(number + pending.done_before)
                if order.max_bad is not None and len(tally.broken) > order.max_bad:
                    raise I2IError(_too_many(tally, order.max_bad))
    if order.every is None or writer.written:
        return tally, None
    name = order.files.translator.name
    why = "no translation took so many iterations" if writer.seen else f"{name} makes no pictures on the way"
    return tally, f"--save-every {order.every} saved nothing: {why}"


def _too_many(tally: Tally, limit: int) -> str:
    listed = [_spelled(f"not translated: {picture}") for picture in tally.broken]
    allowed = "stopped at the first" if limit == 0 else f"stopped, as more than {limit} failed"
    return "\n".join([*listed, f"{allowed}; {len(tally)} pictures are translated, and the next run goes on from there"])


def _total(order: Order) -> int:
    if order.share == WHOLE:
        return order.plan.count()
    return sum(order.share.mine(job.name) for job in order.plan)


def _state(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None where it has gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
