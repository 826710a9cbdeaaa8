"""One process at a time works in a run folder."""

import os
import platform
import subprocess
import sys
import time

import pytest

from i2i.disk.locking import OCCUPIED, Occupation, Occupied
from i2i.errors import I2IError


def test_the_second_is_refused_by_name_and_let_in_when_the_first_has_ended(tmp_path):
    first = Occupation(tmp_path)
    with pytest.raises(Occupied) as refused:
        Occupation(tmp_path)
    assert str(refused.value) == (
        f"{tmp_path}: process {os.getpid()} on {platform.node()} works on it; wait until that has ended, or stop it"
    )
    first.end()
    assert list(tmp_path.iterdir()) == []
    Occupation(tmp_path).end()


def test_what_a_killed_process_left_is_nobodys(tmp_path):
    code = "import sys, time; from pathlib import Path; from i2i.disk.locking import Occupation\n"
    code += "held = Occupation(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(Occupied, match=f"process {process.pid} on "):
        Occupation(tmp_path)
    process.kill()
    process.wait()
    assert (tmp_path / OCCUPIED).read_text() == f"{process.pid} on {platform.node()}\n"
    Occupation(tmp_path).end()


def test_where_files_cannot_be_locked_a_living_process_of_this_machine_is_believed(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i.disk.locking.try_lock", lambda descriptor: None)
    for who, is_let_in in ((f"{os.getppid()} on {platform.node()}", False), ("1 on elsewhere", True), ("", True)):
        (tmp_path / OCCUPIED).write_text(who)
        if is_let_in:
            Occupation(tmp_path).end()
        else:
            with pytest.raises(Occupied):
                Occupation(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="folders of another kind")
def test_a_folder_that_is_none_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(I2IError, match="file: cannot be written to: Not a directory"):
        Occupation(tmp_path / "file")


def test_as_many_as_want_in_come_in_one_after_another(tmp_path):
    code = """
import sys, time
from pathlib import Path
from i2i.disk.locking import Occupation, Occupied
folder = Path(sys.argv[1])
for _ in range(40):
    while True:
        try:
            held = Occupation(folder)
        except Occupied:
            time.sleep(0.001)
            continue
        break
    (folder / "inside").touch(exist_ok=False)
    time.sleep(0.0005)
    (folder / "inside").unlink()
    held.end()
"""
    began = time.monotonic()
    processes = [subprocess.Popen([sys.executable, "-c", code, tmp_path]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert time.monotonic() - began < 60
