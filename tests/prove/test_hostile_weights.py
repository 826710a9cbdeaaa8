"""Proof: hostile files of weights are refused in one line each, stay without effect and leave no process."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from hostile_files import HOSTILE

pytestmark = pytest.mark.prove
ENDLESS = "a hash of 2⁶⁴ steps"


def left(folder):
    """Command lines of processes that were started for files in this folder, which their import path names."""
    found = [one.info["cmdline"] or [] for one in psutil.process_iter(["cmdline"])]
    return [words for words in found if any(str(folder) in word for word in words)]


def gone(folder, seconds=10):
    """Whether none is left, within so many seconds."""
    end = time.monotonic() + seconds
    while left(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not left(folder)


@pytest.mark.timeout(3600)
def test_no_hostile_file_has_an_effect(run_i2i, fresh_reader, tmp_path, figure):
    """`i2i import` of each; the process that opens pickles is started as for users."""
    assert len(HOSTILE) >= 40
    wrong, seconds = {}, {}
    for place, (name, made) in enumerate(HOSTILE.items()):
        folder = tmp_path / str(place)
        (folder / "given").mkdir(parents=True)
        file, canary = made(folder / "given", folder / "canary"), folder / "canary"
        begun = time.monotonic()
        done = run_i2i("import", file, "--out", folder / "w.safetensors", site=folder)
        seconds[name] = time.monotonic() - begun
        lines = done.stderr.splitlines()
        refused = done.returncode in (1, 2) and len(lines) == 1 and lines[0].startswith(f"Error: {file}: ")
        made_anything = canary.exists() or sorted(path.name for path in folder.iterdir()) != ["given"]
        if not refused or done.stdout or made_anything or left(folder):
            wrong[name] = (done.returncode, done.stdout, done.stderr, made_anything, left(folder))
        print(f"{seconds[name]:6.1f} s  {name}: {done.stderr.strip().replace(str(file), file.name)}")
    slowest = max(seconds, key=lambda name: seconds[name])
    figure(
        f"{len(HOSTILE) - len(wrong)} of {len(HOSTILE)} hostile files refused in one line, no canary, no process left; "
        f"slowest {seconds[slowest]:.0f} s ({slowest})"
    )
    assert wrong == {}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)])
def test_who_stops_an_import_stops_its_reader(tmp_path, number, code):
    """Also where the command has no time to see to it."""
    file = HOSTILE[ENDLESS](tmp_path, tmp_path / "canary")
    words = [sys.executable, "-m", "i2i", "import", file, "--out", tmp_path / "w.safetensors"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    while not any("i2i.foreign.inside" in word for words in left(tmp_path) for word in words):
        time.sleep(0.05)
    time.sleep(1)
    command.send_signal(number)
    said = command.communicate(timeout=60)[1]
    assert command.returncode == code
    assert said.strip() == ("Error: stopped" if number == signal.SIGINT else "")
    assert gone(tmp_path)
