"""Proof: ten thousand files, a hundred of them broken, and twenty kills later nothing is lost, torn or done twice.

The files are small and drawn, in a tree of folders; `enlarger` repeats their pixels, so what must come out is known of
each. A run that nobody disturbs is measured first: what it holds in memory must not grow with the number of files. Then
the same command is killed (SIGKILL) at moments drawn by chance, and run to its end: the two destinations must not
differ in a byte. I2I_PROVE_FILES and I2I_PROVE_KILLS are for a try on fewer.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(7200),
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc"),
]
FILES = int(os.environ.get("I2I_PROVE_FILES", "10000"))
KILLS = int(os.environ.get("I2I_PROVE_KILLS", "20"))
BROKEN = FILES // 100
KINDS = (("RGB", ".png"), ("RGB", ".jpg"), ("L", ".png"), ("RGBA", ".png"), ("P", ".png"), ("RGB", ".JPG"))
MANIFEST = ".i2i-manifest.jsonl"


@dataclass
class Command:
    """The command at work on `source`, in a process of its own; its journal tells how far it is."""

    source: Path
    destination: Path
    environment: dict
    process: subprocess.Popen = field(init=False)
    lines: int = 0
    _journal: object = None

    def __post_init__(self):
        self.said = self.destination.with_name(f"{self.destination.name}.txt")
        line = [sys.executable, "-m", "i2i", "translate", "--plugin", "enlarger", "--set", "model.scale=2"]
        line += ["--src", str(self.source), "--dst", str(self.destination)]
        with self.said.open("w") as said:
            self.began = time.monotonic()
            self.process = subprocess.Popen(line, env=self.environment, stdout=said, stderr=subprocess.STDOUT)

    def is_alive(self):
        return self.process.poll() is None

    def done(self):
        """How many files it has written or given up."""
        if self._journal is None:
            journals = self.destination / ".i2i-manifest.journals"
            for path in journals.glob(f"*-{self.process.pid}-*.jsonl"):
                self._journal = path.open("rb")
        if self._journal is not None:
            self.lines += self._journal.read().count(b"\n")
        return self.lines

    def resident(self):
        """Bytes; None where it is gone."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(found[0].split()[1]) * 1024 if found else None

    def kill(self):
        """Whether it was still there to be killed."""
        self.process.send_signal(signal.SIGKILL)
        return self.process.wait() == -signal.SIGKILL

    def end(self):
        """(exit code, all lines it said, seconds)"""
        code = self.process.wait()
        return code, self.said.read_text().splitlines(), time.monotonic() - self.began


def drawn(number):
    """A picture of about 32×32 pixels that no other one is."""
    chance = numpy.random.default_rng(number)
    width, height = chance.integers(24, 41, 2)
    mode, suffix = KINDS[number % len(KINDS)]
    across, down = numpy.meshgrid(numpy.linspace(0, 1, width), numpy.linspace(0, 1, height))
    slopes = chance.uniform(-120, 120, (4, 2))
    planes = [128 + slope[0] * (across - 0.5) + slope[1] * (down - 0.5) for slope in slopes]
    levels = numpy.stack(planes, 2) + chance.normal(0, 4, (height, width, 4))
    picture = Image.fromarray(levels.clip(16, 255).astype(numpy.uint8), "RGBA")
    if mode == "P":
        return picture.convert("RGB").quantize(32), suffix
    return picture if mode == "RGBA" else picture.convert(mode), suffix


def broken(content, number):
    """What a disk or a download may make of a file."""
    chance = random.Random(number)
    middle = len(content) // 2
    bit = content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]
    ways = (
        b"",
        content[:middle],
        content[: 9 * len(content) // 10],
        bit if content.startswith(b"\x89PNG") else content[:20],
        b"<html><body>404 Not Found</body></html>",
        chance.randbytes(len(content)),
        bytes(len(content)),
        content[:16] + b"\x00\x0f\xff\xff\x00\x0f\xff\xff" + content[24:],
        chance.randbytes(64) + content[64:],
    )
    return ways[number % len(ways)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """(folder, names of the broken ones)."""
    folder, failing = tmp_path_factory.mktemp("ten-thousand") / "in", []
    ill = set(random.Random(0).sample(range(FILES), BROKEN))
    for number in range(FILES):
        picture, suffix = drawn(number)
        path = folder / f"{number // 500:02d}" / f"{'deep/' * (number % 3)}{number:05d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path, quality=90)
        if number in ill:
            path.write_bytes(broken(path.read_bytes(), number))
            failing.append(path.relative_to(folder).as_posix())
    return folder, sorted(failing)


@pytest.fixture(scope="module")
def environment(tmp_path_factory, install_plugin):
    site = tmp_path_factory.mktemp("site")
    install_plugin(Path(__file__).parents[1] / "plugins" / "enlarger", site)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


@dataclass(frozen=True)
class Undisturbed:
    destination: Path
    code: int
    said: list
    resident: dict
    """How many were done → bytes in memory then."""
    until_first: float
    """Seconds."""
    working: float
    """Seconds from the first to the last file."""


@pytest.fixture(scope="module")
def undisturbed(pictures, environment):
    command = Command(pictures[0], pictures[0].with_name("undisturbed"), environment)
    resident, until_first = {}, 0.0
    while command.is_alive():
        done = command.done()
        if done and (now := command.resident()) is not None:
            resident.setdefault(done, now)
            until_first = until_first or time.monotonic() - command.began
        time.sleep(0.01)
    code, said, seconds = command.end()
    return Undisturbed(command.destination, code, said, resident, until_first, seconds - until_first)


def files_in(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def hashes(folder):
    """Of all files there, of our own ones by name alone, as those tell of times."""
    return {
        path.relative_to(folder).as_posix(): None
        if path.name.startswith(".i2i")
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_in(folder)
    }


def newest(folder):
    """The manifest's newest line of each target; every line must be whole."""
    lines = {}
    for line in (folder / MANIFEST).read_text().splitlines():
        record = json.loads(line)
        if record["order"] >= lines.get(record["target"], record)["order"]:
            lines[record["target"]] = record
    return lines


def assert_failures_are_listed(said, failing):
    listed = [line.removeprefix("not translated: ") for line in said if line.startswith("not translated: ")]
    assert len(listed) == len(failing)
    assert sorted(name for line in listed for name in failing if f"/{name}: " in line) == failing


def assert_enlarged(source, target):
    with Image.open(source) as small, Image.open(target) as large:
        assert small.format == large.format
        mode = {"P": "RGB"}.get(small.mode, small.mode)
        assert large.mode == mode
        wanted = numpy.asarray(small.convert(mode)).repeat(2, 0).repeat(2, 1).astype(int)
        difference = numpy.abs(numpy.asarray(large) - wanted)
    assert difference.max() == 0 if target.suffix == ".png" else difference.mean() < 4, target


def test_an_undisturbed_run_translates_all_that_can_be_and_lists_the_rest(pictures, undisturbed, figure):
    folder, failing = pictures
    assert undisturbed.code == 3, undisturbed.said
    assert f"{FILES - BROKEN} of {FILES} pictures translated into {undisturbed.destination}" in undisturbed.said
    assert_failures_are_listed(undisturbed.said, failing)
    sources = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(hashes(undisturbed.destination)) == sources - set(failing) | {MANIFEST}
    for name in sources - set(failing):
        assert_enlarged(folder / name, undisturbed.destination / name)
    each = 1000 * undisturbed.working / FILES
    figure(f"{FILES} files, {BROKEN} broken: {undisturbed.working:.0f} s, {each:.1f} ms a file, listed {len(failing)}")


def test_memory_does_not_grow_with_the_number_of_files(undisturbed, figure):
    early = min(done for done in undisturbed.resident if done >= FILES // 10)
    late = max(undisturbed.resident)
    assert late > 0.99 * FILES
    before, after = undisturbed.resident[early], undisturbed.resident[late]
    figure(
        f"resident memory: {before / 2**20:.1f} MiB after {early} files, {after / 2**20:.1f} MiB after {late}: "
        f"{(after / before - 1):+.2%}"
    )
    assert after <= 1.03 * before


def test_a_run_that_is_killed_again_and_again_loses_nothing_and_leaves_nothing(
    pictures, undisturbed, environment, figure
):
    """A fifth of the kills come while a run is starting, which is when it merges what the one before left behind."""
    (folder, failing), chance = pictures, random.Random(1)
    destination, kept = folder.with_name("killed"), []
    for kill in range(KILLS):
        command = Command(folder, destination, environment)
        if kill % 5 == 4:
            time.sleep(chance.uniform(0.2, 1) * undisturbed.until_first)
        else:
            while command.is_alive() and not command.done():
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 1.2) * undisturbed.working / KILLS)
        assert command.kill(), f"kill {kill} came too late: {command.end()}"
        kept.append(sum(".i2i" not in str(path.relative_to(destination)) for path in files_in(destination)))
        drafts = list(destination.rglob(".i2i-*.part"))
        print(f"kill {kill + 1}: {command.done()} done by it, {kept[-1]} there, drafts {len(drafts)}")
    assert kept == sorted(kept)
    code, said, _ = Command(folder, destination, environment).end()
    assert code == 3, said
    assert_failures_are_listed(said, failing)
    there = hashes(destination)
    assert there == hashes(undisturbed.destination)
    lines = newest(destination)
    assert sorted(name for name, line in lines.items() if line["status"] == "failed") == failing
    assert {name: line["target_file"]["sha256"] for name, line in lines.items() if line["status"] == "done"} == {
        name: sha256 for name, sha256 in there.items() if sha256 is not None
    }
    figure(f"killed {KILLS} times, with {', '.join(map(str, kept))} files there, then run to its end: no byte differs")

    for number, name in enumerate(failing):
        if number % 2:
            (folder / name).unlink()
        else:
            picture, _ = drawn(int(Path(name).stem))
            picture.save(folder / name)
    mended, total = len(failing[::2]), FILES - len(failing[1::2])
    code, said, _ = Command(folder, destination, environment).end()
    assert code == 0, said
    told = f"{mended} of {total} pictures translated into {destination}; {total - mended} were done before"
    assert told in said
    after = hashes(destination)
    assert after.items() > there.items()
    assert set(after) - set(there) == set(failing[::2])
    code, said, seconds = Command(folder, destination, environment).end()
    assert (code, said[-1]) == (0, f"nothing to do: all {total} pictures are translated in {destination}")
    assert hashes(destination) == after
    figure(f"the run that finds nothing to do among {total} files: {seconds:.1f} s")
