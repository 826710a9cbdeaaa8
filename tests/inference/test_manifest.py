"""What is known of a destination: whatever ends a run, the next one goes on where it ended, and overwrites nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import cast

import pytest
from pydantic import BaseModel

from i2i.disk import locking
from i2i.disk.drafts import complete_or_not_at_all
from i2i.disk.locking import alone, try_lock
from i2i.errors import BrokenPicture, I2IError
from i2i.images.sources.entries import Entry
from i2i.inference.manifest import Manifest, Seen, merging, settings_hash
from i2i.inference.manifest.contents import Contents
from i2i.inference.manifest.journal import JOURNALS, MANIFEST, Journal
from i2i.inference.manifest.ledger import Ledger
from i2i.inference.manifest.records import Record, now, record_of

SETTINGS, OTHERS = settings_hash({"seed": 0}), settings_hash({"seed": 1})
SECONDS = 60
locks_needed = pytest.mark.skipif(locking.fcntl is None, reason="this system has no locks that end with a process")


@dataclass(frozen=True)
class Job:
    source: Path
    target: Path
    name: str
    mask: Path | None = None


def job(folder: Path, name: str = "a.png", contents: bytes = b"picture", mask: Path | None = None) -> Job:
    source = folder / "photos" / name
    source.parent.mkdir(parents=True, exist_ok=True)
    if not source.exists():
        source.write_bytes(contents)
    return Job(source, folder / "out" / name, name, mask)


def translate(manifest: Manifest, job: Job, contents: bytes = b"translation", force: bool = False) -> None:
    """As a run does it."""
    write(manifest, job, manifest.examine(job).seen, contents, force)


def write(manifest: Manifest, job: Job, seen: Seen, contents: bytes = b"translation", force: bool = False) -> None:
    def about_to_appear(draft: Path) -> None:
        manifest.about_to_appear(job, draft, seen, 0.5, force)

    with complete_or_not_at_all(job.target, about_to_appear) as stream:
        stream.write(contents)


class Killed(BaseException):
    """As if the process ended here."""


def translate_and_die(manifest: Manifest, job: Job, contents: bytes = b"translation") -> None:
    """The line is written, and the draft never gets its name."""
    seen = manifest.examine(job).seen

    def about_to_appear(draft: Path) -> None:
        manifest.about_to_appear(job, draft, seen)
        raise Killed

    with pytest.raises(Killed), complete_or_not_at_all(job.target, about_to_appear) as stream:
        stream.write(contents)


def opened(folder: Path, settings: str = SETTINGS, write: bool = True) -> Manifest:
    return Manifest.open(folder / "out", settings, write)


def later(path: Path, seconds: int = 10) -> None:
    """Give it another time."""
    changed = path.stat().st_mtime_ns + seconds * 10**9
    os.utime(path, ns=(changed, changed))


def lines(folder: Path) -> list[Record]:
    found = [record_of(line) for line in (folder / "out" / MANIFEST).read_bytes().splitlines(keepends=True)]
    return [record for record in found if record is not None]


def sha256(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir() if path.name.startswith("."))


# What a target is


def test_what_was_translated_is_done(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "new"
        translate(manifest, a)
        assert manifest.state(a) == "done"
    with opened(tmp_path) as manifest:
        found = manifest.examine(a)
    assert (found.state, found.remark) == ("done", "")
    assert hidden(tmp_path) == [MANIFEST]


def test_a_line_tells_what_was_read_and_what_was_written(tmp_path: Path) -> None:
    a = job(tmp_path, "monet/a.png", mask=tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes(b"mask")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    (line,) = (tmp_path / "out" / MANIFEST).read_text("ascii").splitlines()
    told = json.loads(line)
    assert told["target"] == "monet/a.png"
    assert told["source"] == "../photos/monet/a.png"
    assert (told["status"], told["settings"], told["seconds"]) == ("done", SETTINGS, 0.5)
    assert told["source_file"]["bytes"] == len(b"picture")
    assert told["source_file"]["modified"] == a.source.stat().st_mtime_ns
    hashes = {told[name]["sha256"] for name in ("source_file", "mask_file", "target_file")}
    assert hashes == {sha256(b"picture"), sha256(b"mask"), sha256(b"translation")}
    assert told["time"].startswith("20")
    assert told["time"].endswith("+00:00")


def test_a_source_that_changed_is_translated_anew(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    a.source.write_bytes(b"PICTURE")  # of the same length
    later(a.source)
    with opened(tmp_path) as manifest:
        found = manifest.examine(a)
        assert (found.state, found.remark) == ("changed", "its source has changed")
        translate(manifest, a, b"another")
        assert manifest.state(a) == "done"
    assert [record.order for record in lines(tmp_path)] == [1, 2]
    assert a.target.read_bytes() == b"another"


def test_a_source_that_was_only_touched_is_done_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    later(a.source)
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "done"
    assert lines(tmp_path)[-1].source_file == Contents(7, a.source.stat().st_mtime_ns, sha256(b"picture"))
    monkeypatch.setattr("i2i.inference.manifest.contents.sha256_of", None)  # nothing is hashed from now on
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "done"


def test_a_source_that_changes_while_it_is_translated_is_translated_anew(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        seen = manifest.examine(a).seen
        a.source.write_bytes(b"PICTURE")
        later(a.source)
        write(manifest, a, seen)
    with opened(tmp_path) as manifest:
        assert manifest.examine(a).remark == "its source has changed"


def test_other_settings_replace_what_was_made_with_these(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    with opened(tmp_path, OTHERS) as manifest:
        found = manifest.examine(a)
        assert (found.state, found.remark) == ("changed", "was made with other settings")
        translate(manifest, a, b"in other ways")
    assert a.target.read_bytes() == b"in other ways"


def test_a_mask_counts_like_the_source(tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"mask")
    a = job(tmp_path, mask=mask)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        assert manifest.state(a) == "done"
        assert manifest.examine(replace(a, mask=None)).remark == "its mask has changed"
        later(mask)
        assert manifest.state(a) == "done"
        mask.write_bytes(b"MASK")
        later(mask)
        assert manifest.examine(a).remark == "its mask has changed"
        plain = replace(a, target=a.target.with_name("b.png"), name="b.png")
        translate(manifest, replace(plain, mask=None))
        assert manifest.examine(plain).remark == "its mask has changed"


def test_a_translation_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    a.target.unlink()
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "new"


def test_a_source_that_has_gone_is_for_whoever_opens_it_to_tell(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        a.source.unlink()
        assert manifest.state(a) == "changed"


# What is not ours


def test_a_file_of_somebody_else_is_kept(tmp_path: Path) -> None:
    a = job(tmp_path)
    a.target.parent.mkdir()
    a.target.write_bytes(b"dear to somebody")
    with opened(tmp_path) as manifest:
        found = manifest.examine(a)
        assert found.state == "foreign"
        assert found.remark == "is there, and no line of the manifest tells of it; --force replaces it"
        with pytest.raises(BrokenPicture, match=r"a\.png: somebody else has written it meanwhile; --force replaces it"):
            translate(manifest, a)
        assert a.target.read_bytes() == b"dear to somebody"
        assert manifest.state(a) == "foreign"
        translate(manifest, a, force=True)
        assert manifest.state(a) == "done"
    assert a.target.read_bytes() == b"translation"
    assert [path.name for path in a.target.parent.glob(".*.part")] == []


@pytest.mark.parametrize("edit", [b"longer than the translation", b"of that size"[:11]])
def test_a_translation_that_somebody_edited_is_kept(edit: bytes, tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    a.target.write_bytes(edit)
    later(a.target)
    a.source.write_bytes(b"changed too")
    with opened(tmp_path) as manifest:
        found = manifest.examine(a)
        assert (found.state, found.remark) == ("foreign", "was changed since it was translated; --force replaces it")
        with pytest.raises(BrokenPicture, match="--force"):
            translate(manifest, a)
    assert a.target.read_bytes() == edit


def test_what_appears_while_a_picture_is_translated_is_kept(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        seen = manifest.examine(a).seen
        a.target.parent.mkdir()
        a.target.write_bytes(b"dear to somebody")
        with pytest.raises(BrokenPicture, match="meanwhile"):
            write(manifest, a, seen)
    assert [path.name for path in a.target.parent.iterdir()] == ["a.png"]
    assert a.target.read_bytes() == b"dear to somebody"


def test_a_link_that_leads_nowhere_is_somebody_elses(tmp_path: Path) -> None:
    a = job(tmp_path)
    a.target.parent.mkdir()
    a.target.symlink_to(tmp_path / "nowhere")
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "foreign"


def test_copies_with_other_times_are_ours_and_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    moved = tmp_path / "elsewhere"
    shutil.copytree(tmp_path / "out", moved / "out", copy_function=shutil.copyfile)
    shutil.copytree(tmp_path / "photos", moved / "photos", copy_function=shutil.copyfile)
    a = job(moved)
    later(a.target)
    with opened(moved) as manifest:
        assert manifest.state(a) == "done"
    monkeypatch.setattr("i2i.inference.manifest.contents.sha256_of", None)
    with opened(moved) as manifest:
        assert manifest.state(a) == "done"


# What failed


def test_a_failure_is_known_until_its_source_changes(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        manifest.failed(a, "no picture: it ends too early", manifest.examine(a).seen)
    assert lines(tmp_path)[0].status == "failed"
    with opened(tmp_path) as manifest:
        found = manifest.examine(a)
        assert (found.state, found.remark) == ("failed", "no picture: it ends too early")
        a.source.write_bytes(b"a whole picture")
        assert manifest.state(a) == "new"
    with opened(tmp_path, OTHERS) as manifest:
        assert manifest.state(a) == "new"


def test_a_translation_stays_ours_when_its_changed_source_fails(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        a.source.write_bytes(b"broken")
        manifest.failed(a, "no picture", manifest.examine(a).seen)
        assert manifest.examine(a).remark == "no picture"
        manifest.failed(a, "no picture, again", manifest.examine(a).seen)
        a.source.write_bytes(b"a whole picture")
        assert manifest.examine(a).remark == "its source has changed"
        translate(manifest, a, b"mended")
        assert manifest.state(a) == "done"


# Runs that are killed


def test_a_run_killed_before_the_file_gets_its_name_has_made_nothing(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate_and_die(manifest, a)
    assert [record.status for record in lines(tmp_path)] == ["done"]
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "new"


@pytest.mark.parametrize("contents", [b"of that siz", b"of another size"])
def test_a_run_killed_before_it_replaces_a_translation_has_not_replaced_it(contents: bytes, tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    for _ in range(2):
        with opened(tmp_path, OTHERS) as manifest:
            translate_and_die(manifest, a, contents)
    with opened(tmp_path, OTHERS) as manifest:
        found = manifest.examine(a)
        assert (found.state, found.remark) == ("changed", "a run was stopped before it replaced it")
        translate(manifest, a, contents)
        assert manifest.state(a) == "done"
    assert a.target.read_bytes() == contents


def test_a_file_that_was_to_be_replaced_by_force_is_still_somebody_elses(tmp_path: Path) -> None:
    a = job(tmp_path)
    a.target.parent.mkdir()
    a.target.write_bytes(b"dear to us!")  # of the translation's length
    with opened(tmp_path) as manifest:  # and ends before it is renamed
        manifest.about_to_appear(a, a.source, manifest.examine(a).seen, force=True)
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "foreign"


RUN = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from i2i.disk.drafts import complete_or_not_at_all
from i2i.inference.manifest import Manifest

@dataclass(frozen=True)
class Job:
    source: Path
    target: Path
    name: str
    mask: Path | None = None

folder, settings, count, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
manifest = Manifest.open(folder / "out", settings)

def job_of(number):
    name = f"{number:03d}.png"
    return Job(folder / "photos" / name, folder / "out" / name, name)

def work(number):
    job = job_of(number)
    found = manifest.examine(job)
    if found.state == "done":
        return
    assert found.state != "foreign", f"{job.name} {found.remark}"
    with complete_or_not_at_all(job.target, lambda draft: manifest.about_to_appear(job, draft, found.seen)) as stream:
        stream.write(settings.encode() + job.source.read_bytes())
    time.sleep(seconds)

with ThreadPoolExecutor(4) as threads:
    print("begun", flush=True)
    list(threads.map(work, range(count)))
manifest.close()
"""
"""A run of many pictures, its folder, settings and seconds a picture given."""


def begun(folder: Path, settings: str = SETTINGS, count: int = 60, seconds: float = 0.0) -> subprocess.Popen[str]:
    words = [sys.executable, "-c", RUN, str(folder), settings, str(count), str(seconds)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> None:
    _, problem = process.communicate(timeout=SECONDS)
    assert (process.returncode, problem) == (0, "")


def until(reached: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.002)


def killed(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate(timeout=SECONDS)


@locks_needed
def test_runs_killed_at_any_time_lose_only_what_is_under_way(tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"{number:03d}.png", b"%d" % number) for number in range(60)]
    out = tmp_path / "out"
    for settings in (SETTINGS, OTHERS):  # the second time everything is replaced, by files of the same size
        for written in (1, 7, 20, 21, 45):
            process = begun(tmp_path, settings)
            until(lambda written=written, settings=settings: len(made(out, settings)) >= written)
            killed(process)
            before = made(out, settings)
            with opened(tmp_path, settings, write=False) as manifest:
                states = {each.name: manifest.state(each) for each in jobs}
            assert before == {name for name, state in states.items() if state == "done"}
            assert {states[path.name] for path in out.glob("*.png")} <= {"done", "changed"}
        ended(begun(tmp_path, settings))
        assert len(made(out, settings)) == 60
    with opened(tmp_path, OTHERS) as manifest:
        assert {manifest.state(each) for each in jobs} == {"done"}
    assert [name for name in hidden(tmp_path) if not name.endswith(".part")] == [MANIFEST]


def made(folder: Path, settings: str) -> set[str]:
    return {path.name for path in folder.glob("[0-9]*.png") if path.read_bytes().startswith(settings.encode())}


KILLED_AT = """
import os, shutil, sys
from i2i.inference.manifest import Manifest

folder, half = Path(sys.argv[5]), sys.argv[6] == "half"
os.fsync = lambda descriptor: None  # no power fails here
left = 0

def deadly(name):
    real = getattr(os, name)

    def call(*arguments, **words):
        global left
        if left == 0:
            if half and name == "write":
                real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            os._exit(9)
        left -= 1
        return real(*arguments, **words)

    return call

def run():
    global manifest
    manifest = Manifest.open(folder / "out", settings)
    for number in range(count):
        work(number)
    manifest.close()

names = ("open", "write", "fsync", "ftruncate", "unlink", "replace", "rename", "rmdir", "mkdir")
for after in range(1000):
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(first, folder)
    if (child := os.fork()) == 0:
        left = after
        for name in names:
            setattr(os, name, deadly(name))
        run()
        left = 10**9
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert killed in (0, 9), killed
    with Manifest.open(folder / "out", settings, write=False) as looking:
        for number in range(count):
            job = job_of(number)
            state = looking.state(job)
            whole = job.target.exists() and job.target.read_bytes() == settings.encode() + job.source.read_bytes()
            assert state == ("done" if whole else "changed" if job.target.exists() else "new"), (after, number, state)
            assert looking.damaged(job) is None or not whole, (after, number)
    run()
    assert all(looking.state(job_of(number)) == "done" for looking in [Manifest.open(folder / "out", settings)]
               for number in range(count)), after
    left_over = {path.name for path in (folder / "out").glob(".*") if path.suffix != ".part"}
    assert left_over == {".i2i-manifest.jsonl", ".i2i-manifest.damaged.jsonl"}, (after, left_over)
    if killed == 0:
        break
print(after)
"""
"""Ends a run at its first system call that changes something, at the second and so on, and looks at what is left."""


@locks_needed
@pytest.mark.parametrize("half", ["whole", "half"])
def test_a_run_killed_at_any_step_leaves_what_the_next_one_needs(half: str, tmp_path: Path) -> None:
    first = tmp_path / "first"
    jobs = [job(first, f"{number:03d}.png", b"%d" % number) for number in range(3)]
    with opened(first) as manifest:
        for each, settings in zip(jobs, (OTHERS, SETTINGS), strict=False):
            translate(manifest, each, settings.encode() + each.source.read_bytes())
    damage(first, lambda lines: [*lines, b"what?\n"])  # to be written anew
    left_behind(first, replace(lines(first)[0], order=2, settings=OTHERS), torn=b"torn")
    script = RUN.partition("with ThreadPoolExecutor")[0].replace("manifest = ", "first = folder  # ")
    script = script.replace("folder /", "Path(sys.argv[5]) /") + KILLED_AT
    words = [sys.executable, "-c", script, str(first), SETTINGS, "3", "0", str(tmp_path / "run"), half]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    assert int(done.stdout) > 30


@locks_needed
def test_two_runs_at_once_are_one_run(tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"{number:03d}.png", b"%d" % number) for number in range(60)]
    processes = [begun(tmp_path) for _ in range(3)]
    for process in processes:
        ended(process)
    with opened(tmp_path) as manifest:
        assert {manifest.state(each) for each in jobs} == {"done"}
        assert {manifest.damaged(each) for each in jobs} == {None}
    assert hidden(tmp_path) == [MANIFEST]


@locks_needed
def test_what_another_run_has_just_written_is_done(tmp_path: Path) -> None:
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as one, opened(tmp_path) as other:
        translate(one, a)
        assert other.state(a) == "done"
        translate(other, b)
        assert one.state(b) == "done"
    with opened(tmp_path) as one, opened(tmp_path) as other:
        a.target.unlink()
        translate(one, a)
        one.close()  # merged
        a.source.write_bytes(b"changed")
        seen = other.examine(a).seen
        write(other, a, seen, b"new")
    assert max(lines(tmp_path), key=lambda record: record.order).target_file == Contents(
        3, a.target.stat().st_mtime_ns, sha256(b"new")
    )


def test_a_line_is_on_the_disk_before_its_file_gets_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = job(tmp_path)
    synced: list[tuple[int, int]] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        real(descriptor)
        synced.append((os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size))

    def about_to_appear(draft: Path) -> None:
        monkeypatch.setattr(os, "fsync", watched)
        manifest.about_to_appear(a, draft, seen)
        monkeypatch.undo()
        (journal,) = (tmp_path / "out" / JOURNALS).iterdir()
        assert record_of(journal.read_bytes()) is not None
        assert synced[-1] == (journal.stat().st_ino, journal.stat().st_size)
        assert {folder.stat().st_ino for folder in (journal.parent, tmp_path / "out")} <= {inode for inode, _ in synced}

    with opened(tmp_path) as manifest:
        seen = manifest.examine(a).seen
        with complete_or_not_at_all(a.target, about_to_appear) as stream:
            stream.write(b"translation")
    assert synced


@locks_needed
def test_pictures_go_through_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [job(tmp_path, f"{number:02d}.png", b"%d" % number) for number in range(40)]
    synced: list[int] = []

    def slowly(descriptor: int) -> None:
        synced.append(descriptor)
        time.sleep(0.02)

    with opened(tmp_path) as manifest, ThreadPoolExecutor(8) as threads:
        seen = [manifest.examine(each).seen for each in jobs]
        monkeypatch.setattr("i2i.inference.manifest.journal.os.fsync", slowly)
        list(threads.map(lambda at: manifest.about_to_appear(jobs[at], jobs[at].source, seen[at]), range(40)))
        assert 0 < len(synced) < 30  # threads that wait share a call
        monkeypatch.undo()
    assert {record.target for record in lines(tmp_path)} == {each.name for each in jobs}


# Journals


def record(target: str, order: int = 1, time: str = "", sha256: str = "0" * 64) -> Record:
    return Record(
        target, "done", SETTINGS, "../photos/a", Contents(1), None, Contents(2, 3, sha256), time=time, order=order
    )


def left_behind(folder: Path, *records: Record, name: str | None = None, torn: bytes = b"") -> Path:
    """The journal of a process that is no more."""
    if name is None:
        journal = Journal(folder / "out")
        path = journal.begin()
        journal.close()
    else:
        path = folder / "out" / JOURNALS / name
        path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(record.line() for record in records) + torn)
    return path


@locks_needed
@pytest.mark.parametrize("torn", [b"", b'{"target":"c.png","stat', bytes(100)])
def test_what_a_dead_process_left_is_merged_but_for_a_torn_line(torn: bytes, tmp_path: Path) -> None:
    left_behind(tmp_path, record("a.png"), record("b.png"), torn=torn)
    left_behind(tmp_path, record("a.png", 2))
    with opened(tmp_path) as manifest:
        assert manifest.remarks == ()
    assert sorted((record.target, record.order) for record in lines(tmp_path)) == [("a.png", 2), ("b.png", 1)]
    assert hidden(tmp_path) == [MANIFEST]


@locks_needed
def test_the_journal_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        with opened(tmp_path) as other:
            assert other.state(a) == "done"
        translate(manifest, b)
        assert not (tmp_path / "out" / MANIFEST).exists()
    assert [record.target for record in lines(tmp_path)] == ["a.png", "b.png"]


@locks_needed
def test_a_run_that_is_under_way_is_told_to_the_next(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        assert manifest.others == ()
        translate(manifest, job(tmp_path))
        (journal,) = (tmp_path / "out" / JOURNALS).glob("*.jsonl")
        host = journal.name.rsplit("-", 2)[0]
        for write in (True, False):
            with opened(tmp_path, write=write) as other:
                assert other.others == (
                    f"another run (process {os.getpid()} on {host}) is writing into {tmp_path}/out too; "
                    "pictures that both begin are done twice",
                )
        translate(manifest, job(tmp_path, "b.png"))
    left_behind(tmp_path, record("c.png"))
    with opened(tmp_path) as manifest:
        assert manifest.others == ()


@pytest.mark.parametrize("written", [0, 20, None])
def test_a_line_that_was_interrupted_leaves_the_others_in_their_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int | None
) -> None:
    a, b, c = (job(tmp_path, f"{name}.png") for name in "abc")

    def interrupted(descriptor: int, contents: bytes) -> None:
        os.write(descriptor, contents[:written])
        raise KeyboardInterrupt

    with opened(tmp_path) as manifest:
        translate(manifest, a)
        with monkeypatch.context() as patch:
            patch.setattr("i2i.inference.manifest.journal.write_all", interrupted)
            with pytest.raises(KeyboardInterrupt):
                translate(manifest, b)
        translate(manifest, c)
        assert [manifest.state(each) for each in (a, b, c)] == ["done", "new", "done"]
        translate(manifest, b, b"translation of b")
    with opened(tmp_path) as manifest:
        assert [manifest.state(each) for each in (a, b, c)] == ["done"] * 3
        assert [manifest.damaged(each) for each in (a, b, c)] == [None] * 3
        assert manifest.remarks == ()


@locks_needed
def test_a_journal_of_another_machine_is_read_and_only_merged_when_it_has_rested(tmp_path: Path) -> None:
    path = left_behind(tmp_path, record("a.png"), name="another-77-0123abcd.jsonl")
    ledger = Ledger(tmp_path / "out")
    ledger.catch_up()
    assert ledger.record("a.png") == record("a.png")
    with opened(tmp_path):
        assert path.exists()
    os.utime(path, (0, 0))
    with opened(tmp_path):
        assert not path.exists()
    assert lines(tmp_path) == [record("a.png")]


def test_the_order_of_lines_counts_and_not_their_clocks(tmp_path: Path) -> None:
    old, new = record("a.png", 1, "2030-01-01", "0" * 64), record("a.png", 2, "1970-01-01", "1" * 64)
    for first, second in ((old, new), (new, old)):
        folder = tmp_path / str(first.order)
        left_behind(folder, first, name="one-1-00000000.jsonl")
        left_behind(folder, second, name="two-1-00000000.jsonl")
        ledger = Ledger(folder / "out")
        ledger.catch_up()
        assert ledger.record("a.png") == new


def test_of_two_lines_of_one_moment_one_is_merged(tmp_path: Path) -> None:
    left_behind(tmp_path, record("a.png"), name="one-1-00000000.jsonl")
    left_behind(tmp_path, record("a.png"), name="two-1-00000000.jsonl")
    kept = []
    for own in ("one-1-00000000.jsonl", "two-1-00000000.jsonl"):
        ledger = Ledger(tmp_path / "out")
        reading = ledger.add_own(tmp_path / "out" / JOURNALS / own)
        ledger.catch_up()
        kept += list(ledger.current(reading))
    assert kept == [record("a.png").line()]


@locks_needed
def test_a_journal_that_is_deleted_under_way_loses_nothing(tmp_path: Path) -> None:
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        shutil.rmtree(tmp_path / "out" / JOURNALS)
        translate(manifest, b)
        (journal,) = (tmp_path / "out" / JOURNALS).iterdir()
        assert journal.read_bytes().count(b"\n") == 2
        assert (manifest.state(a), manifest.state(b)) == ("done", "done")
    assert [record.target for record in lines(tmp_path)] == ["a.png", "b.png"]


@pytest.mark.parametrize("missing", ["system", "file system"])
def test_without_locks_nothing_is_lost(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing == "system":
        monkeypatch.setattr(locking, "fcntl", None)
    else:
        monkeypatch.setattr(locking.fcntl, "flock", refused)
    a, b = job(tmp_path), job(tmp_path, "b.png")
    left = left_behind(tmp_path, record("c.png"))
    with opened(tmp_path) as one, opened(tmp_path) as other:
        translate(one, a)
        assert other.state(a) == "done"
        translate(other, b)
    assert {record.target for record in lines(tmp_path)} == {"a.png", "b.png"}
    assert list((tmp_path / "out" / JOURNALS).iterdir()) == [left]  # nobody can tell whether it is being written
    with opened(tmp_path) as manifest:
        assert (manifest.state(a), manifest.state(b)) == ("done", "done")


def refused(descriptor: int, how: int) -> None:
    raise OSError(95, "Operation not supported")


@locks_needed
def test_whoever_cannot_get_the_lock_leaves_the_journal_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "PATIENCE_SECONDS", 0.1)
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
        with alone(tmp_path / "out" / JOURNALS, 0) as locked:
            assert locked
            manifest.close()
            with opened(tmp_path) as other:
                assert other.state(a) == "done"
    assert not (tmp_path / "out" / MANIFEST).exists()
    with opened(tmp_path):
        assert [record.target for record in lines(tmp_path)] == ["a.png"]


@locks_needed
def test_two_do_not_hold_a_lock_at_once(tmp_path: Path) -> None:
    with alone(tmp_path / "folder", 0) as locked, alone(tmp_path / "folder", 0) as again:
        assert (locked, again) == (True, False)
    assert not (tmp_path / "folder").exists()


@locks_needed
def test_a_lock_whose_file_has_gone_meanwhile_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locking, "try_lock", first_deleting(tmp_path / "folder"))
    with alone(tmp_path / "folder", SECONDS) as locked:
        assert locked
        assert (tmp_path / "folder" / "lock").exists()


@locks_needed
def test_a_journal_that_was_taken_for_left_over_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("i2i.inference.manifest.journal.try_lock", first_deleting(tmp_path / "out" / JOURNALS))
    journal = Journal(tmp_path / "out")
    assert journal.begin().exists()
    journal.close()


def first_deleting(folder: Path) -> Callable[[int], bool | None]:
    """Locks; the first time, when another process has just done with the folder."""
    calls: list[int] = []

    def lock(descriptor: int) -> bool | None:
        calls.append(descriptor)
        if len(calls) == 1:
            shutil.rmtree(folder)
        return try_lock(descriptor)

    return lock


@locks_needed
def test_outdated_lines_go_when_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merging, "SPARE_LINES", 3)
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        translate(manifest, b)
        for _ in range(9):
            translate(manifest, a)
    (tmp_path / "out" / MANIFEST).chmod(0o640)
    with opened(tmp_path) as living, opened(tmp_path) as manifest:
        assert [(record.target, record.order) for record in lines(tmp_path)] == [("b.png", 1), ("a.png", 9)]
        assert (manifest.state(a), manifest.state(b)) == ("done", "done")
        assert (living.state(a), living.state(b)) == ("done", "done")
        translate(living, a)
    assert [(record.target, record.order) for record in lines(tmp_path)][-1] == ("a.png", 10)
    assert (tmp_path / "out" / MANIFEST).stat().st_mode & 0o777 == 0o640
    assert hidden(tmp_path) == [MANIFEST]


# Damage


def damage(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = folder / "out" / MANIFEST
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


@locks_needed
@pytest.mark.parametrize("line", [b"what?\n", b"{}\n", b"\xff\xfe\0\n", b"[" * 99_999 + b"\n", b'{"target": 3}\n'])
def test_a_damaged_line_is_told_of_once_and_put_aside(line: bytes, tmp_path: Path) -> None:
    jobs = [job(tmp_path, name) for name in ("a.png", "b.png", "c.png")]
    with opened(tmp_path) as manifest:
        for each in jobs:
            translate(manifest, each)
    damage(tmp_path, lambda lines: [lines[0], line, b"\n", lines[2]])
    path = tmp_path / "out" / MANIFEST
    with opened(tmp_path, write=False) as manifest:
        assert manifest.remarks == (
            f"{path}: line 2 is damaged and passed over; pictures that nothing else tells of take --force to replace",
        )
    with opened(tmp_path) as manifest:
        assert "line 2 is damaged and put aside in .i2i-manifest.damaged.jsonl;" in manifest.remarks[0]
        assert [manifest.state(each) for each in jobs] == ["done", "foreign", "done"]
        translate(manifest, jobs[1], force=True)
    assert path.with_name(".i2i-manifest.damaged.jsonl").read_bytes() == line
    with opened(tmp_path) as manifest:
        assert manifest.remarks == ()
        assert [manifest.state(each) for each in jobs] == ["done"] * 3


@locks_needed
def test_many_damaged_lines_are_told_of_in_one(tmp_path: Path) -> None:
    with opened(tmp_path) as manifest:
        translate(manifest, job(tmp_path))
    damage(tmp_path, lambda lines: [b"no\n"] * 5 + lines)
    with opened(tmp_path) as manifest:
        assert len(manifest.remarks) == 1
        assert "lines 1, 2, 3 and 2 more are damaged" in manifest.remarks[0]


@locks_needed
def test_a_line_torn_while_it_was_merged_is_merged_again(tmp_path: Path) -> None:
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    left_behind(tmp_path, record("c.png"))
    damage(tmp_path, lambda lines: [*lines, record("c.png").line()[:50]])
    with opened(tmp_path) as manifest:
        assert manifest.remarks == ()
        translate(manifest, b)
    assert [record.target for record in lines(tmp_path)] == ["a.png", "c.png", "b.png"]
    assert hidden(tmp_path) == [MANIFEST]  # nothing was taken for damaged


def test_a_manifest_saved_by_an_editor_is_read(tmp_path: Path) -> None:
    a, b = job(tmp_path), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    damage(tmp_path, lambda lines: [b"\xef\xbb\xbf" + lines[0].replace(b"\n", b"\r\n"), b"\r\n", lines[0].rstrip()])
    with opened(tmp_path) as manifest:
        assert (manifest.remarks, manifest.state(a)) == ((), "done")
        translate(manifest, b)
    with opened(tmp_path) as manifest:
        assert (manifest.remarks, manifest.state(a), manifest.state(b)) == ((), "done", "done")


def test_words_of_a_newer_version_are_passed_over(tmp_path: Path) -> None:
    told = json.loads(record("a.png").line())
    assert record_of(json.dumps({**told, "mood": "blue"}).encode()) == record("a.png")


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "out" / MANIFEST).mkdir(parents=True)
    with pytest.raises(I2IError, match=r"\.i2i-manifest\.jsonl: cannot be read \(is a directory\)"):
        opened(tmp_path)


FULL = """
import resource, signal
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))  # files do not grow beyond
"""


@locks_needed
def test_a_full_disk_ends_the_run_and_damages_nothing(tmp_path: Path) -> None:
    jobs = [job(tmp_path, f"{number:03d}.png", b"%d" % number) for number in range(9)]
    words = [sys.executable, "-c", FULL + RUN, str(tmp_path), SETTINGS, "9", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "cannot be written (file too large); what is translated is kept, and the next run goes on there" in last
    with opened(tmp_path) as manifest:
        assert manifest.remarks == ()
        states = [manifest.state(each) for each in jobs]
    assert set(states) == {"done", "new"}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {
        each.name for each, state in zip(jobs, states, strict=True) if state == "done"
    }
    ended(begun(tmp_path, count=9))
    with opened(tmp_path) as manifest:
        assert {manifest.state(each) for each in jobs} == {"done"}


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom permissions keep out")
def test_a_folder_that_cannot_be_written_to_can_be_looked_at(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    left_behind(tmp_path, record("b.png"))
    later(a.source)
    for folder in (tmp_path / "out" / JOURNALS, tmp_path / "out"):
        folder.chmod(0o555)
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "done"
    (tmp_path / "out").chmod(0o755)


# Names


@pytest.mark.parametrize(
    "name",
    [
        "two\nlines.png",
        "möwe 🎨.png",
        "a\u0308.png",
        'with "quotes" and \\.png',
        os.fsdecode(b"latin-\xe9.png"),
        "\r.png",
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="names that this system does not have")
def test_any_name_is_known_again(name: str, tmp_path: Path) -> None:
    a = job(tmp_path, f"folder/{name}")
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    assert (tmp_path / "out" / MANIFEST).read_bytes().count(b"\n") == 1
    assert (tmp_path / "out" / MANIFEST).read_bytes().isascii()
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "done"
    (told,) = lines(tmp_path)
    assert (told.target, told.source) == (f"folder/{name}", f"../photos/folder/{name}")


# --verify, dry runs, settings


def test_verifying_compares_every_byte(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"mask")
    a, b = job(tmp_path, mask=tmp_path / "mask.png"), job(tmp_path, "b.png")
    with opened(tmp_path) as manifest:
        assert manifest.damaged(a) == "no line of the manifest tells of it"
        translate(manifest, a)
        manifest.failed(b, "no picture", manifest.examine(b).seen)
        assert manifest.damaged(a) is None
        assert manifest.damaged(b) == "was not translated: no picture"
        assert manifest.damaged(replace(a, mask=None)) == "its mask is not what it was when it was translated"
        for what, path in (("it", a.target), ("its source", a.source), ("its mask", tmp_path / "mask.png")):
            before, whole = path.stat(), path.read_bytes()
            path.write_bytes(whole[:-1] + b"?")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # a bit that fell over
            assert manifest.state(a) == "done"
            assert manifest.damaged(a) == f"{what} is not what it was when it was translated"
            path.unlink()
            assert manifest.damaged(a) == f"{what} has gone"
            path.write_bytes(whole)
            assert manifest.damaged(a) is None


def test_a_dry_run_changes_nothing(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path, write=False) as manifest:
        assert manifest.state(a) == "new"
    assert not (tmp_path / "out").exists()
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    left_behind(tmp_path, record("b.png"))
    later(a.source)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    with opened(tmp_path, write=False) as manifest:
        assert manifest.state(a) == "done"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_a_run_with_nothing_to_do_changes_nothing(tmp_path: Path) -> None:
    a = job(tmp_path)
    with opened(tmp_path) as manifest:
        translate(manifest, a)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path, *(tmp_path / "out").rglob("*"))}
    with opened(tmp_path) as manifest:
        assert manifest.state(a) == "done"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path, *(tmp_path / "out").rglob("*"))} == before


def test_settings_have_one_name_however_they_are_told() -> None:
    class Way(Enum):
        THERE = "there"

    class Choice(BaseModel):
        size: int = 3

    told = {"way": Way.THERE, "choice": Choice(), "path": Path("a/b"), "set": {"x", "y"}, "bytes": b"\xff", "n": None}
    plain = {"n": None, "bytes": "ff", "set": ["x", "y"], "path": "a/b", "choice": {"size": 3}, "way": "there"}
    assert settings_hash(told) == settings_hash(plain)
    assert len(settings_hash({})) == 32
    assert settings_hash({"a": 1}) != settings_hash({"a": "1"}) != settings_hash({"a": None})
    with pytest.raises(
        TypeError, match=r"settings hold <object object.*>, a object, for which there is no name that lasts"
    ):
        settings_hash({"a": object()})


# Many


def test_a_million_files_fit_into_memory(tmp_path: Path) -> None:
    count = 20_000
    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / MANIFEST).open("wb") as stream:
        for number in range(count):
            stream.write(
                record(f"folder-{number // 1000:04d}/a picture of the sea {number:07d}.png", time=now()).line()
            )
    tracemalloc.start()
    try:
        ledger = Ledger(tmp_path / "out")
        ledger.catch_up()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(ledger) == count
    assert held / count < 300
    ledger.close()


# Elsewhere


def from_elsewhere(folder: Path, contents: bytes, changed: int) -> Job:
    entry = Entry("s3://photos/a.png", len(contents), changed, lambda: io.BytesIO(contents))
    return Job(cast("Path", entry), folder / "out" / "a.png", "a.png")


@pytest.mark.parametrize("changed", [0, 7])
def test_a_picture_from_elsewhere_is_known_again_by_what_its_list_says(tmp_path: Path, changed: int) -> None:
    job = from_elsewhere(tmp_path, b"picture", changed)
    with opened(tmp_path) as manifest:
        translate(manifest, job)
    assert [record.source for record in lines(tmp_path)] == ["s3://photos/a.png"]
    with opened(tmp_path) as manifest:
        assert manifest.state(job) == "done"
        assert manifest.damaged(job) is None
        for other in (from_elsewhere(tmp_path, b"a larger picture", changed), from_elsewhere(tmp_path, b"picture", 8)):
            expected = "done" if changed == 0 and other.source.stat().st_size == 7 else "changed"
            assert manifest.state(other) == expected
