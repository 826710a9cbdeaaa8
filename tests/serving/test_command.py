"""`i2i serve` as a process: its messages, its exit codes, what it leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from i2i.disk.locking import OCCUPIED, Occupation
from i2i.errors import I2IError, UsageError
from i2i.serving.folder import own_folder
from i2i.serving.server import listening

SNAIL = Path(__file__).parent / "snail"
NO_RUNS = "no runs in runs/; --runs DIR offers those of another folder, --weights FILE a weights file\n"
WITHOUT = """
import sys
for name in ("fastapi", "starlette", "uvicorn", "python_multipart"):
    sys.modules[name] = None
from i2i.cli import main
main()
"""


@pytest.fixture
def environment(install_plugin, tmp_path: Path) -> dict[str, str]:
    install_plugin(SNAIL, tmp_path / "site")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "I2I_PLUGINS": "snail"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_though_a_picture_is_at_work_and_nothing_is_left(
    number, environment, picture, tmp_path, python
) -> None:
    folder = tmp_path / "kept"
    command = [python, "-m", "i2i", "serve", "--port", "0", "--folder", folder]
    server = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    line = server.stdout.readline()
    assert re.fullmatch(r"1 model at http://127\.0\.0\.1:\d+/ \(stop with Ctrl-C\)\n", line)
    address = line.split()[3]
    head = b"--x\r\nContent-Disposition: form-data; name="
    form = head + b'"settings"\r\n\r\n{"model": "snail", "options": {"seconds": 30}}\r\n'
    form += head + b'"pictures"; filename="a.png"\r\n\r\n' + picture() + b"\r\n--x--\r\n"
    request = urllib.request.Request(f"{address}api/jobs", form, {"Content-Type": "multipart/form-data; boundary=x"})
    job = json.load(urllib.request.urlopen(request))["id"]
    while json.load(urllib.request.urlopen(f"{address}api/jobs/{job}"))["fraction"] == 0:
        pass
    assert len(list(folder.glob("i2i-serve-*/job-*/in/*"))) == 1
    port = int(address.rpartition(":")[2].strip("/"))
    with closing(socket.create_connection(("127.0.0.1", port))) as sender:
        if number == signal.SIGINT:  # a request that is cut off is no news
            kind = "Host: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 999"
            sender.sendall(f"POST /api/jobs HTTP/1.1\r\n{kind}\r\n\r\n".encode() + head)
            while json.load(urllib.request.urlopen(f"{address}api/health"))["busy"] < 2:
                pass
        server.send_signal(number)
        assert server.communicate(timeout=30) == ("", f"{NO_RUNS}Error: stopped\n")
    assert server.returncode == 128 + number
    assert list(folder.iterdir()) == []


def test_what_is_wrong_is_told_in_one_line(environment, tmp_path: Path, python: str) -> None:
    for arguments, error in {
        ("--runs", "nowhere"): "--runs nowhere: no such folder",
        ("--port", "0", "--weights", "none.safetensors"): "none.safetensors: no such weights file",
    }.items():
        command = [python, "-m", "i2i", "serve", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"Error: {error}\n")


def test_an_address_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"^--port {port}: taken by another process; --port 0 takes a free one$"):
            listening("127.0.0.1", port)
    with pytest.raises(UsageError, match=r"^--host 192\.0\.2\.1: cannot be bound \(.+\)$"):
        listening("192.0.2.1", 0)
    (tmp_path / "file").touch()
    with pytest.raises(I2IError, match=r"file: cannot be written to \(.+\)$"), own_folder(tmp_path / "file"):
        pass


def test_what_a_killed_server_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    with own_folder(tmp_path) as living:
        for name in ("i2i-serve-dead", "i2i-serve-else"):
            (tmp_path / name / "job").mkdir(parents=True)
        (tmp_path / "i2i-serve-dead" / ".occupied").write_text("999999999 on nowhere\n")
        (tmp_path / "i2i-serve-link").symlink_to(tmp_path / "i2i-serve-dead")
        with own_folder(tmp_path) as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            there = {path.name for path in tmp_path.iterdir()}
            assert there == {living.name, folder.name, "i2i-serve-else", "i2i-serve-link"}
    assert {path.name for path in tmp_path.iterdir()} == {"i2i-serve-else", "i2i-serve-link"}


def test_a_folder_stays_marked_until_it_is_empty(tmp_path: Path, monkeypatch) -> None:
    left = []
    monkeypatch.setattr(Occupation, "end", lambda occupation: left.extend(path.name for path in folder.iterdir()))
    with own_folder(tmp_path) as folder:
        (folder / "job" / "in").mkdir(parents=True)
        (folder / "more").touch()
    assert left == [OCCUPIED]


def test_runs_that_are_not_offered_are_told() -> None:
    from i2i.cli.serve import _left_out

    many = {f"run{number}": "stopped at step 5 of 10" for number in range(12)}
    told = list(_left_out(many, Path("runs"), True))
    assert told[0] == "not offered: run run0 (stopped at step 5 of 10)"
    assert told[10:] == ["not offered: 2 more runs; i2i runs lists them"]
    assert list(_left_out({}, Path("mine"), False)) == [NO_RUNS.replace("runs/", "mine/").strip()]
    assert list(_left_out({}, Path("mine"), True)) == []


def test_the_example_of_the_guide_works(client, picture, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl")
    (tmp_path / "photo.jpg").write_bytes(picture(form="JPEG"))
    page = (Path(__file__).parents[2] / "docs" / "guide" / "serve.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)

    def run(line: str, **given: str) -> str:
        line = line.replace("127.0.0.1:8000", f"127.0.0.1:{client.port}").replace('"srgan"', '"snail"')
        line = line.replace("run:faces", "weights:dots")
        environment = {**os.environ, **given}
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, check=True)
        return done.stdout.decode()

    job = json.loads(run(blocks[0]))["id"]
    look, *fetch, remove = blocks[1].splitlines()
    assert json.loads(run(look, ID=job))["state"] == "done"
    for line in fetch:
        run(line, ID=job)
    assert {path.name for path in tmp_path.iterdir()} >= {"large.jpg", "all.zip"}
    assert json.loads(run(remove, ID=job))["state"] == "forgotten"
    assert json.loads(run(blocks[-1]))["total"] == 8


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT, "serve", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    done = run()
    assert done.returncode == 2
    assert done.stderr.startswith("Error: i2i serve needs the extra: pip install 'i2i[serve]'")
    assert done.stderr.count("\n") == 1
    assert run("--help").returncode == 0


def test_other_machines_are_let_in_with_a_warning() -> None:
    from i2i.cli.serve import _opened_to

    assert _opened_to("127.0.0.1") is _opened_to("localhost") is _opened_to("::1") is None
    assert "there is no password" in _opened_to("0.0.0.0")
