"""What has been translated into a folder, so that a run goes on where another one ended, however that one ended.

    with Manifest.open(destination, settings_hash({...})) as manifest:
        for remark in manifest.remarks: ...             # damaged lines: for the user
        for job in jobs:
            found = manifest.examine(job)               # before the source is opened
            if found.state == "done": continue          # "foreign": found.remark says what it is, and names --force
            ...
            def line(draft): manifest.about_to_appear(job, draft, found.seen, seconds)
            write_whole(picture, job.target, encoding, before_rename=line)
            manifest.failed(job, reason, found.seen)    # instead, where there is no translation

The manifest is `.i2i-manifest.jsonl` in the destination. Every running process adds to a journal of its own, in the
folder `.i2i-manifest.journals`, and merges it at its end; what a killed one left, the next run merges. The line about a
file is on the disk before the file gets its name. So where a run is killed between the two, the line tells of a file
that is not there, or is still an older one, which is told by its size, its time and, where these leave a doubt, its
hash; and no file is ever there without a line.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePath

from i2i.errors import BrokenPicture, I2IError
from i2i.inference.manifest.book import Book
from i2i.inference.manifest.contents import Contents, Recognition, contents_of, differs, sha256_of
from i2i.inference.manifest.findings import Finding, Seen, State, Translation
from i2i.inference.manifest.journal import writer_of
from i2i.inference.manifest.records import Record, settings_hash

__all__ = ["Finding", "Manifest", "Seen", "State", "Translation", "settings_hash"]

UNKNOWN = "is there, and no line of the manifest tells of it; --force replaces it"
ANOTHERS = "is the translation of {}; --force replaces it, --suffix or another --dst keeps both"
EDITED = "was changed since it was translated; --force replaces it"
OTHER = "another run ({}) is writing into {} too; pictures that both begin are done twice"
MEANWHILE = "somebody else has written it meanwhile; --force replaces it"


class Manifest:
    """The lines about one destination. Threads may share it; close it when they have ended."""

    def __init__(self, book: Book, destination: Path, settings: str, write: bool, remarks: tuple[str, ...]) -> None:
        self.destination, self.settings, self.write = destination, settings, write
        self.remarks = remarks
        """What the user should know about the manifest itself, such as its damaged lines: a line each."""
        self.others = tuple(OTHER.format(writer_of(journal), destination) for journal in book.others)
        """What to tell of processes that had written here when this was opened, and live: a line each. Ranks of one run
        are such processes too."""
        self._book, self._recognition = book, Recognition()

    @classmethod
    def open(cls, destination: Path, settings: str, write: bool = True) -> Manifest:
        """Read what is known of `destination`, which need not exist yet, and merge what killed processes left there.

        `settings` is what `settings_hash` gives. Without `write`, as for a dry run, nothing changes on the disk.
        Raises `I2IError` where lines are there and cannot be read.
        """
        book, remarks = Book.open(destination, write)
        return cls(book, destination, settings, write, tuple(remarks))

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Merge this process's lines into the manifest; where that fails, the next run does it."""
        self._book.close()

    def examine(self, job: Translation) -> Finding:
        """What the job's target is, by sizes and times, and by hashes where the times alone have changed.

        Call it before the source is opened. Takes no notice of `--force`: whoever has it goes on where it is "foreign".
        """
        seen = Seen(contents_of(job.source), None if job.mask is None else contents_of(job.mask))
        finding = self._judged(job, seen)
        if finding.state == "foreign":  # or another run has just written it
            self._book.catch_up()
            finding = self._judged(job, seen)
        return finding

    def state(self, job: Translation) -> State:
        """What the job's target is."""
        return self.examine(job).state

    def about_to_appear(
        self, job: Translation, draft: Path, seen: Seen, seconds: float = 0.0, force: bool = False
    ) -> None:
        """Put a line about the draft on the disk, with its hash; then it may get its name. For `before_rename`.

        The draft is complete and nobody touches it any more. `seconds` is how long the translation took.
        Raises `BrokenPicture` where something foreign lies at the target by now, unless `force` is given, and
        `I2IError` where the disk does not take the line: then it takes no other one either.
        """
        target = contents_of(job.target)
        before = self._ours(job, target)
        if before is None and target is not None and not force:
            raise BrokenPicture(job.target, MEANWHILE)
        made = replace(
            self._record(job, seen),
            source_file=self._recognition.as_read(job.source, seen.source),
            mask_file=None if job.mask is None else self._recognition.as_read(job.mask, seen.mask),
            target_file=_drafted(draft, job.target),
            before=before,
            seconds=seconds,
        )
        self._book.add(replace(made, status="done"))
        self._book.sync()

    def failed(self, job: Translation, reason: str, seen: Seen) -> None:
        """There is no translation, for `reason` (one line). An older one of ours stays there, and stays known.

        Raises `I2IError` where the disk does not take the line.
        """
        before = self._ours(job, contents_of(job.target))
        self._book.add(replace(self._record(job, seen), before=before, reason=reason))

    def damaged(self, job: Translation) -> str | None:
        """For `--verify`: what is wrong with a translation by the hashes of all its files; None where all is well.

        Reads target, source and mask from beginning to end. Settings do not matter.
        """
        record = self._book.record(job.name)
        if record is None:
            return "no line of the manifest tells of it"
        if record.target_file is None:
            return f"was not translated: {record.reason}"
        files = [("its source", job.source, record.source_file), ("its mask", job.mask, record.mask_file)]
        for what, path, then in [("it", job.target, record.target_file), *files]:
            if path is not None and contents_of(path) is None:
                return f"{what} has gone"
            if (path is None) != (then is None) or (path is not None and then is not None and differs(path, then)):
                return f"{what} is not what it was when it was translated"
        return None

    def _judged(self, job: Translation, seen: Seen) -> Finding:
        target, record = contents_of(job.target), self._book.record(job.name)
        if target is None:
            if record is not None and record.status == "failed" and not self._outdated(job, seen, record)[0]:
                return Finding("failed", seen, record.reason)
            return Finding("new", seen)
        if record is None or (record.target_file is None and record.before is None):
            return Finding("foreign", seen, UNKNOWN)
        ours = self._recognition.recognised(job.target, target, record.target_file, record.before)
        if ours is None:
            return Finding("foreign", seen, EDITED)
        if self._is_of_another(job, seen, record):
            return Finding("foreign", seen, ANOTHERS.format(record.source))
        why, current = self._outdated(job, seen, record)
        if why:
            return Finding("changed", seen, why)
        if record.target_file is None:
            return Finding("failed", seen, record.reason)
        if ours.sha256 != record.target_file.sha256:
            return Finding("changed", seen, "a run was stopped before it replaced it")
        self._refresh(record, replace(current, target_file=ours))
        return Finding("done", seen)

    def _is_of_another(self, job: Translation, seen: Seen, record: Record) -> bool:
        """Whether it is the translation of another picture, of another folder, and not of this one that was moved."""
        if record.source == self._address(job.source):
            return False
        return self._recognition.recognised(job.source, seen.source, record.source_file) is None

    def _outdated(self, job: Translation, seen: Seen, record: Record) -> tuple[str, Record]:
        """Why a translation would now be another one, if so; and the record with where its files are now, and when."""
        if record.settings != self.settings:
            return "was made with other settings", record
        source = self._recognition.recognised(job.source, seen.source, record.source_file)
        if source is None:
            return "its source has changed", record
        mask = None if job.mask is None else self._recognition.recognised(job.mask, seen.mask, record.mask_file)
        if (mask is None) != (job.mask is None) or (mask is None) != (record.mask_file is None):
            return "its mask has changed", record
        return "", replace(record, source=self._address(job.source), source_file=source, mask_file=mask)

    def _refresh(self, record: Record, current: Record) -> None:
        """Write down the times that files have now, so that the next run need not read them; not worth an error."""
        if self.write and current != record:
            with suppress(I2IError):
                self._book.add(current)

    def _ours(self, job: Translation, target: Contents | None) -> Contents | None:
        """What of ours lies at the target; None where there is nothing, or something else."""
        if target is None:
            return None
        record = self._book.record(job.name)
        known = () if record is None else (record.target_file, record.before)
        if not any(ours is not None and ours.modified == target.modified for ours in known):  # or another run's
            self._book.catch_up()
            record = self._book.record(job.name)
        if record is None:
            return None
        return self._recognition.recognised(job.target, target, record.target_file, record.before)

    def _record(self, job: Translation, seen: Seen) -> Record:
        return Record(job.name, "failed", self.settings, self._address(job.source), seen.source, seen.mask)

    def _address(self, source: Path) -> str:
        """Relative to the destination, where both have a folder in common."""
        if not isinstance(source, Path):
            return str(source)
        return (PurePath(_folder_address(str(source.parent), str(self.destination))) / source.name).as_posix()


@lru_cache(8)  # jobs come folder by folder
def _folder_address(folder: str, destination: str) -> str:
    whole, base = os.path.abspath(folder), os.path.abspath(destination)  # noqa: PTH100 -- keeps links
    with suppress(ValueError):  # two drives
        if os.path.commonpath([whole, base]) != Path(base).anchor:
            return os.path.relpath(whole, base)
    return whole


def _drafted(draft: Path, target: Path) -> Contents:
    """What the target will hold. Raises `I2IError` where the draft cannot be read."""
    try:
        found, sha256 = draft.stat(), sha256_of(draft)
    except OSError as problem:
        cause = (problem.strerror or str(problem)).lower()
        raise I2IError(f"{target}: cannot be written ({draft.name}: {cause})") from problem
    return Contents(found.st_size, found.st_mtime_ns, sha256)
