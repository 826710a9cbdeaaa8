"""Jobs that arrive, wait, are at work or are over, all in one folder; the oldest results make room for new ones."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from i2i.serving.bounds import Bounds
from i2i.serving.jobs import Job
from i2i.serving.refusals import Refused, unwritten

RETRY_SECONDS = 5


class Queue:
    """Threads share it. One takes jobs out and computes them, in the order they came.

    Files are removed without the lock held, by whoever found that nobody wants them any more; that takes time.
    """

    def __init__(self, folder: Path, bounds: Bounds) -> None:
        self.folder, self.bounds = folder, bounds
        self._jobs: dict[str, Job] = {}
        self._still_read: list[Job] = []
        self._left: list[Job] = []
        self._changed = threading.Condition()
        self._numbered = 0
        self.is_closed = False

    def begin(self) -> Job:
        """A job that arrives, with an empty folder. Raises `Refused` where too many are on their way, or no folder can
        be made."""
        with self._tidied():
            if self.is_closed:
                raise Refused(503, "the server is about to end")
            if sum(not job.is_over for job in self._jobs.values()) >= self.bounds.jobs:
                raise Refused(429, f"the queue is full ({self.bounds.jobs} jobs); try again later", RETRY_SECONDS)
            self._numbered += 1
            job = Job(self.folder / f"job-{self._numbered:06d}")
            self._jobs[job.id] = job
        try:
            job.folder.mkdir(mode=0o700)
            for part in ("in", "masks", "out"):
                (job.folder / part).mkdir()
        except OSError as error:
            self.forget(job)
            raise unwritten(error) from error
        return job

    def add(self, job: Job) -> None:
        """It has arrived and waits."""
        with self._changed:
            job.state = "waiting"
            self._changed.notify_all()

    def find(self, name: str) -> Job:
        """The job of that id. Raises `Refused` where there is none, or no more."""
        with self._tidied():
            job = self._jobs.get(name)
        if job is None or job.state == "arriving":
            raise Refused(404, "there is no such job; results are forgotten after a while")
        return job

    def ahead(self, job: Job) -> int:
        """How many come before it."""
        with self._changed:
            if job.state != "waiting":
                return 0
            before = 0
            for other in self._jobs.values():
                if other is job:
                    return before
                before += other.state in ("waiting", "working")
            return 0

    def cancel(self, job: Job) -> None:
        """Nobody wants it any more; what is done of it stays."""
        with self._changed:
            job.is_unwanted = True
            if job.state == "waiting":
                job.end("cancelled")
            self._changed.notify_all()

    def forget(self, job: Job) -> None:
        """Remove one that is over, or never came to anything, with its files."""
        with self._tidied():
            self._discard(job)

    def next(self, seconds: float | None = None) -> Job | None:
        """The oldest that waits, from now on at work; None where none comes in time, or the queue is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_closed or self._first_waiting() is not None, seconds)
            job = None if self.is_closed else self._first_waiting()
            if job is not None:
                job.state = "working"
            return job

    def close(self) -> None:
        """Take no more; whoever waits for a job gets none."""
        with self._changed:
            self.is_closed = True
            for job in self._jobs.values():
                job.is_unwanted = True
            self._changed.notify_all()

    def grew(self, job: Job, size: int) -> None:
        """Its files are so many bytes larger. Raises `Refused` where there is no room for that."""
        with self._tidied():
            job.size += size
            self._expire()
            if self._size() > self.bounds.kept_bytes:
                job.size -= size
                raise Refused(429, "there is no room for so many pictures; send fewer, or later", 2 * RETRY_SECONDS)

    def expire(self) -> None:
        """Forget what has been kept long enough."""
        with self._tidied():
            pass

    @contextmanager
    def reading(self, job: Job) -> Iterator[None]:
        """Its files stay as long as the block runs."""
        with self._changed:
            job.readers += 1
        try:
            yield
        finally:
            with self._tidied():
                job.readers -= 1
                if job in self._still_read and not job.readers:
                    self._still_read.remove(job)
                    self._left.append(job)

    @property
    def busy(self) -> int:
        """Jobs that arrive, wait or are at work."""
        with self._changed:
            return sum(not job.is_over for job in self._jobs.values())

    def _first_waiting(self) -> Job | None:
        return next((job for job in self._jobs.values() if job.state == "waiting"), None)

    def _size(self) -> int:
        return sum(job.size for job in (*self._jobs.values(), *self._still_read))

    def _expire(self) -> None:
        """Called with the lock held; jobs are in the order they came."""
        now = time.monotonic()
        for job in [job for job in self._jobs.values() if job.is_over]:
            is_old = job.ended is not None and now - job.ended > self.bounds.kept_seconds
            if is_old or self._size() > self.bounds.kept_bytes or len(self._jobs) > self.bounds.kept_jobs:
                self._discard(job)

    def _discard(self, job: Job) -> None:
        """Called with the lock held."""
        if self._jobs.pop(job.id, None) is not None:
            job.is_forgotten = True
            (self._still_read if job.readers else self._left).append(job)

    @contextmanager
    def _tidied(self) -> Iterator[None]:
        """The lock, after what has been kept long enough was forgotten; files go once it is free again."""
        try:
            with self._changed:
                self._expire()
                yield
        finally:
            with self._changed:
                left, self._left = self._left, []
            for job in left:
                shutil.rmtree(job.folder, ignore_errors=True)
