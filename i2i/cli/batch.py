"""A plan of files carried out: how far it is, what is told at the end, and when it goes on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.cli.progress import counting
from i2i.cli.saying import answer, answer_json, remark, report, warn
from i2i.cli.tally import Tally, foretold, spelled
from i2i.errors import I2IError, UsageError, counted
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
    as_json: bool = False
    """Whether a program reads what is said on standard output."""

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


def carry_out(order: Order) -> int:
    """Translate what is to be translated and tell how it went; the exit code."""
    pending = order.pending()
    total = _total(order)
    tally, saved = _translate(order, pending, total)
    destination = order.plan.destination
    if order.as_json:
        answer_json(tally.summary(order.plan.destination, pending, total))
    if pending.done_before == total:
        _happened(order, f"nothing to do: all {total} pictures are translated in {destination}")
        return 0
    before = f"; {pending.done_before} were done before" if pending.done_before else ""
    damaged = f", {pending.damaged} of them damaged since" if pending.damaged else ""
    done = f"{len(tally) - tally.copied} of {total} pictures translated into {destination}"
    if tally.copied:
        done += f", {tally.copied} copied"
    if 0 < tally.copied == len(tally):
        what = counted(tally.copied, "picture")
        done = f"{what} copied into {destination}, none translated: no holes (give --mask, or make them transparent)"
    _happened(order, f"{done}{damaged}{before}")
    for line in tally.remarks():
        _warn(line)
    if saved is not None and len(tally):
        _warn(saved)
    return 3 if tally.broken else 0


def _happened(order: Order, text: str) -> None:
    """On standard output, unless a program reads that."""
    if order.as_json:
        remark(spelled(text))
    else:
        _report(text)


def watch(order: Order) -> None:
    """Translate what is there and what arrives, until a signal comes; what failed is tried again once it changes."""
    failed: dict[str, tuple[int, int]] = {}
    remark(spelled(f"watching; stop with Ctrl-C. Translations appear in {order.plan.destination}"))

    def not_yet(job: Job) -> bool:
        state = _state(job.source)
        return state is None or failed.get(job.name) == state or 0 <= time.time() - state[1] / 1e9 < SETTLED_SECONDS

    away = None
    while True:
        try:
            with closing(order.files.translated(order.pending(not_yet))) as results:
                for done in results:
                    if done.broken is None:
                        _report(f"{done.job.source} → {done.job.target}")
                    else:
                        failed[done.job.name] = _state(done.job.source) or (0, 0)
                        _warn(f"not translated: {done.broken}")
                    for phrase in done.lost:
                        _warn(f"{phrase}: {done.job.target}")
            away = None
        except UsageError:
            if (problem := _missing(order.plan)) is None:
                raise
            if problem != away:
                _warn(f"{problem}; looking again")
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
    if order.as_json:
        answer_json(foretold(pending, order.plan.destination, _total(order)))
        return
    for todo in pending:
        count += not todo.refusal
        refusal = f"  (not: {todo.refusal})" if todo.refusal else ""
        answer(spelled(f"{todo.job.source} → {todo.job.target}{refusal}"))
    before = f"; {pending.done_before} are done" if pending.done_before else ""
    answer(spelled(f"would translate {count} of {_total(order)} pictures into {order.plan.destination}{before}"))


def pack_up(order: Order, archive: Path, complete: bool) -> None:
    """Put what is done into an archive, if all of it is; the folder that it was gathered in always stays."""
    from i2i.images.sources.archives import pack

    folder = order.plan.destination
    if not complete:
        _warn(f"{archive} is not packed, as pictures are missing; {folder} is kept for the next run")
        return
    done = ((job.target, job.name) for job in order.plan if order.files.manifest.state(job) == "done")
    _happened(order, f"{pack(done, archive)} pictures packed into {archive}; {folder} may be deleted")


def _report(text: str) -> None:
    report(spelled(text))


def _warn(text: str) -> None:
    warn(spelled(text))


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
    listed = [spelled(f"not translated: {picture}") for picture in tally.broken]
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
