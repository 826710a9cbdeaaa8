"""What of a plan is still to be done."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from i2i.disk.drafts import sweep
from i2i.errors import BrokenPicture
from i2i.images.decode import open_picture
from i2i.inference.manifest import EDITED, Manifest, Seen
from i2i.inference.places import Job


@dataclass(frozen=True)
class Todo:
    """A job that is to be done."""

    job: Job
    seen: Seen
    began: float
    force: bool = False
    """Whether what lies in its place may be replaced, whosever it is."""
    refusal: str = ""
    """Why it is not to be done after all."""


class Pending:
    """What of the jobs is still to be done, found out while it is asked for; counts the others.

    With `verify` what was done is compared with its hashes, with `force` everything is done anew. `is_mine` says which
    jobs are this process's, `wait_for` which are not to be touched yet.
    """

    def __init__(
        self,
        jobs: Iterable[Job],
        manifest: Manifest,
        *,
        verify: bool = False,
        force: bool = False,
        is_mine: Callable[[str], bool] = lambda name: True,
        wait_for: Callable[[Job], bool] = lambda job: False,
    ) -> None:
        self.jobs, self.manifest = jobs, manifest
        self.verify, self.force = verify, force
        self.is_mine, self.wait_for = is_mine, wait_for
        self.done_before = self.damaged = 0

    def __iter__(self) -> Iterator[Todo]:
        folder: Path | None = None
        for job in self.jobs:
            if not self.is_mine(job.name) or self.wait_for(job):
                continue
            if self.manifest.write and job.target.parent != folder:
                sweep(folder := job.target.parent)  # what was being written when a run was killed
            began = time.monotonic()
            finding = self.manifest.examine(job)
            if finding.state == "done" and not self.force:
                if not self.verify or self.manifest.damaged(job) is None:
                    self.done_before += 1
                    continue
                self.damaged += 1
            force = self.force
            if self.verify and finding.remark == EDITED and not _is_picture(job.target):
                force = True  # ours, and nobody made it what it is now
                self.damaged += 1
            refused = finding.state == "foreign" and not force
            yield Todo(job, finding.seen, began, force, finding.remark if refused else "")


def _is_picture(path: Path) -> bool:
    try:
        open_picture(path)
    except BrokenPicture:
        return False
    return True
