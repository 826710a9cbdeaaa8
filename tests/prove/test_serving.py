"""Proof: a server under many clients, many requests and hostile ones; its figures are printed."""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from PIL import Image

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]
CLIENTS, PICTURES, REQUESTS, HOSTILE = 8, 20, 200, 300
SHARE = 0.05
TEXT = "".join(map(chr, (0, 7, 27, 0x202E, 0xD7FF, 0xFFFE, 0x1F600))) + "é漢../..\\%2e%2e/'\";<>|"


class Server:
    """`i2i serve` as a process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "I2I_PLUGINS": "srgan"}
        command = [sys.executable, "-m", "i2i", "serve", "--port", "0", "--folder", str(folder / "kept"), *arguments]
        self.said = (folder / "said").open("w+")
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=self.said, text=True
        )
        self.port = int(re.search(r":(\d+)/", self.process.stdout.readline())[1])

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 130
        self.said.seek(0)
        said = self.said.read()
        assert re.fullmatch(r"no runs in runs/; .+\nError: stopped\n", said), (
            "nothing else was said: no traceback, no warning"
        )
        assert list((self.folder / "kept").iterdir()) == []

    @property
    def memory(self) -> int:
        """Bytes of its own in memory."""
        return psutil.Process(self.process.pid).memory_full_info().uss

    def ask(self, method: str, path: str, body=None, headers=None) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    def send(self, *files: tuple[str, bytes], settings=b'{"model": "srgan"}', headers=None):
        body, kind = form(("settings", None, settings), *(("pictures", *file) for file in files))
        return self.ask("POST", "/api/jobs", body, {"Content-Type": kind, **(headers or {})})

    def over(self, job: str) -> dict:
        while True:
            status, _, body = self.ask("GET", f"/api/jobs/{job}?wait=60")
            assert status == 200, body
            told = json.loads(body)
            if told["state"] in ("done", "failed", "cancelled"):
                return told

    def raw(self, data: bytes) -> bytes:
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as connection:
            answer = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(2**16):
                    answer += piece
            except OSError:
                pass
            return answer


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    body = b""
    for name, label, contents in parts:
        named = f'; filename="{label}"' if label is not None else ""
        head = f'--x0x0x\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        body += head.encode("utf-8", "replace") + contents + b"\r\n"
    return body + b"--x0x0x--\r\n", "multipart/form-data; boundary=x0x0x"


def picture(side: int = 32, seed: int = 0, file_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(seed).randbytes(3 * side * side)).save(stream, file_format)
    return stream.getvalue()


def test_many_clients_are_all_answered_or_told_to_come_again(tmp_path: Path) -> None:
    answers: Counter[int] = Counter()
    pictures = [(f"{number}.png", picture(seed=number)) for number in range(PICTURES)]

    def client(number: int, one_by_one: bool) -> int:
        jobs = [[file] for file in pictures] if one_by_one else [pictures]
        written = 0
        for job in jobs:
            while (answer := server.send(*job))[0] == 429:
                answers[429] += 1
                assert list(json.loads(answer[2])) == ["error"]
                time.sleep(min(0.5, int(answer[1]["retry-after"])))
            answers[answer[0]] += 1
            told = server.over(json.loads(answer[2])["id"])
            for piece in told["pictures"]:
                status, _, body = server.ask("GET", piece["result"])
                assert (status, Image.open(io.BytesIO(body)).size) == (200, (128, 128))
                written += 1
        return written

    with Server(tmp_path, "--max-jobs", "5") as server:
        began = time.monotonic()
        for one_by_one in (False, True):
            with ThreadPoolExecutor(CLIENTS) as pool:
                written = list(pool.map(lambda number: client(number, one_by_one), range(CLIENTS)))  # noqa: B023
            assert written == [PICTURES] * CLIENTS
        seconds = time.monotonic() - began
    assert set(answers) <= {201, 429}
    assert answers[429] > 0
    print(
        f"\n{CLIENTS} clients × {PICTURES} pictures, as one job each and one by one: all {2 * CLIENTS * PICTURES} "
        f"translated in {seconds:.0f} s; {answers[201]} requests taken, {answers[429]} answered by 429"
    )


def test_memory_stays_flat(tmp_path: Path) -> None:
    with Server(tmp_path, "--keep-bytes", str(4 * 2**20)) as server:

        def requests(count: int) -> None:
            for number in range(count):
                _, _, body = server.send((f"{number}.png", picture(32 + number % 40, number)))
                told = server.over(json.loads(body)["id"])
                server.ask("GET", told["pictures"][0]["preview"])
                server.ask("GET", told["all"])

        requests(30)
        before = server.memory
        requests(REQUESTS)
        after = server.memory
        kept = sum(path.stat().st_size for path in (tmp_path / "kept").rglob("*") if path.is_file())
    grown = after / before - 1
    print(
        f"\nmemory of its own: {before / 1e6:.1f} MB after 30 requests, {after / 1e6:.1f} MB after {REQUESTS} more "
        f"({grown:+.1%}); {kept / 1e6:.1f} MB on the disk of 4.2 MB allowed"
    )
    assert abs(grown) <= SHARE
    assert kept < 4.2 * 2**20


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bombs() -> list[bytes]:
    """Small files that would be large, or are something else."""
    made, packed = [], zlib.compress(bytes(20_000_000), 9)
    for width, height in ((60000, 60000), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (20000, 20000), (0, 0)):
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        made.append(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    small = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    made.append(b"\x89PNG\r\n\x1a\n" + small + chunk(b"zTXt", b"a\0\0" + packed) * 20 + chunk(b"IEND", b""))
    made.append(b"\x89PNG\r\n\x1a\n" + small + chunk(b"IDAT", packed) + chunk(b"IEND", b""))
    made.append(b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0" * 50)
    made.append(b"PK\x03\x04" + bytes(500) + packed)
    made += [
        b"",
        b"\0",
        b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
        b"push graphic-context\nimage over 0,0 0,0 'http://evil/'",
        b"%!PS\n(/etc/passwd) (r) file",
        os.urandom(4000),
    ]
    return [
        *made,
        *(
            picture(file_format=kind)[: 40 * (place + 3)]
            for place, kind in enumerate(("PNG", "JPEG", "WEBP", "GIF", "TIFF"))
        ),
    ]


def hostile(server: Server, chance: random.Random, job: str, outside: Path) -> list:
    """Requests that nobody in good faith sends: functions that give (status, body) or nothing."""
    good, found = ("a.png", picture()), []
    paths = [
        str(outside / "canary"),
        "../canary",
        "..\\canary",
        "../" * 30 + "etc/passwd",
        "%2e%2e%2fcanary",
        "C:\\boot.ini",
        "a\0.png",
        "\r\nX: y.png",
        "." * 200,
        "~/.ssh/id",
        "x" * 3000,
        "con",
        "|id",
        "$(id).png",
        "a/../../canary",
        TEXT,
    ]

    def asked(*arguments, **given):
        found.append(lambda: server.ask(*arguments, **given)[::2])

    def sent(*files, **given):
        found.append(lambda: server.send(*files, **given)[::2])

    def raw(data: bytes):
        found.append(lambda: answered(server.raw(data)))

    for path in paths:
        sent((path, good[1]))
        sent(good, settings=json.dumps({"model": path}).encode())
        sent(good, settings=json.dumps({"model": "srgan", "options": {path[:50]: path}}).encode())
        where = "".join(f"%{byte:02x}" for byte in path.encode("utf-8", "replace")[:300])
        for place in (f"/{where}", f"/assets/{where}", f"/api/jobs/{where}", f"/api/jobs/{job}/pictures/{where}"):
            asked("GET", place)
    for bomb in bombs():
        sent((chance.choice(paths)[:40], bomb), good)
    for origin in (
        "http://evil.example",
        "null",
        "file://",
        "http://127.0.0.1:1",
        "http://127.0.0.1.evil:80",
        "x" * 5000,
    ):
        sent(good, headers={"Origin": origin})
        asked("DELETE", f"/api/jobs/{job}", headers={"Origin": origin})
    for host in (
        "evil.example",
        "127.0.0.1.evil",
        "localhost@evil",
        "[::1",
        "",
        "localhost:99999999",
        "x" * 9000,
        "0x7f.1",
    ):
        asked("GET", "/api/models", headers={"Host": host})
        sent(good, headers={"Host": host})
    for site in ("cross-site", "same-site", "\x80"):
        sent(good, headers={"Sec-Fetch-Site": site})
    kinds = [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 9000,
        "multipart/form-data; boundary=\x80\x81",
        "application/json; charset=utf-7",
        "application/xml",
        "image/png",
    ]
    bodies = [
        b"",
        b"--",
        b"--x0x0x--",
        b"--x0x0x\r\n\r\n\r\n--x0x0x--\r\n",
        b"\0" * 500,
        b"[" * 60_000,
        b'{"model": 1}',
        b'{"model": "srgan", "count": 1e999}',
        b'{"model": "srgan", "count": ' + b"9" * 9000 + b"}",
        b"\xff" * 99,
    ]
    for kind in kinds:
        for body in chance.sample(bodies, 3):
            asked("POST", "/api/jobs", body=body, headers={"Content-Type": kind})
    for body in bodies:
        asked("POST", "/api/jobs", body=body, headers={"Content-Type": "multipart/form-data; boundary=x0x0x"})
        asked("POST", "/api/jobs", body=body, headers={"Content-Type": "application/json"})
        sent(good, settings=body)
    for _ in range(60):  # a good form with bytes of chance in it
        whole, kind = form(("settings", None, b'{"model": "srgan"}'), ("pictures", *good))
        broken = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        asked("POST", "/api/jobs", body=bytes(broken[: chance.randint(1, len(broken))]), headers={"Content-Type": kind})
    sent(*[good] * 120)
    sent(("large.png", bytes(3_000_000)))
    asked("POST", "/api/jobs", body=bytes(9_000_000), headers={"Content-Type": "multipart/form-data; boundary=x"})
    pieces = (b"--x0x0x\r\n" + bytes(100_000) for _ in range(100))
    asked("POST", "/api/jobs", body=pieces, headers={"Content-Type": "multipart/form-data; boundary=x0x0x"})
    top = b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    for lines in (
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 9" + b"9" * 40 + b"\r\n\r\n--x",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nx",
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n",
        b"X" * 70_000,
        b"A: b\r\n" * 9000 + b"\r\n",
        b"A:\0\r\n\r\n",
        b"Expect: magic\r\n\r\n",
        b"Content-Length: 999\r\n\r\n--x\r\n",
        b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    ):
        raw(top + lines)
    for text in (
        b"\x16\x03\x01\x02\0" + os.urandom(300),
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"\r\n" * 999,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET \xff HTTP/1.1\r\n\r\n",
    ):
        raw(text)
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        asked(method, "/api/jobs")
    for query in ("wait=nan", "wait=1e999", "wait=-1", "wait=" + "9" * 5000, "wait[]=1", "\x7f=1"):
        asked("GET", f"/api/jobs/{job}?{query.replace(chr(127), '%7f')}")
    chance.shuffle(found)
    return found


def answered(data: bytes) -> tuple[int, bytes]:
    """Status and body of a raw answer; (0, b"") where the server hung up."""
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 "):
        return 0, b""
    length = re.search(rb"content-length: (\d+)", head)
    return int(head.split(b" ")[1]), body[: int(length[1])] if length else body


def listing(folder: Path, but: Path) -> dict[str, tuple[int, int]]:
    there = (path for path in folder.rglob("*") if but not in (path, *path.parents))
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in there if path.name != "said"}


def test_hostile_requests_break_and_write_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "canary").write_text("sings")
    (home / "canary").write_text("sings")
    with Server(home, "--max-bytes", "2000000", "--max-body", "6000000", "--max-pixels", "4000000") as server:
        before = listing(tmp_path, home / "kept")
        job = json.loads(server.send(("good.png", picture()))[2])["id"]
        requests = hostile(server, random.Random(0), job, tmp_path)
        assert len(requests) >= HOSTILE
        statuses: Counter[int] = Counter()
        guard, jobs = threading.Lock(), []

        def ask(request) -> None:
            while True:
                try:
                    status, body = request()
                except (OSError, http.client.HTTPException, ValueError):  # not even our own client sends or takes that
                    status, body = 0, b""
                if status != 429:
                    break
                time.sleep(0.2)
            with guard:
                statuses[status] += 1
            if status >= 400:
                assert list(json.loads(body)) == ["error"], body
            elif status == 201:
                jobs.append(json.loads(body)["id"])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, requests))
        told = [server.over(each) for each in jobs]
        again = server.over(json.loads(server.send(("good.png", picture()))[2])["id"])
        assert again["state"] == "done", "and it still works"
        assert json.loads(server.ask("GET", "/api/health")[2])["status"] == "ok"
        assert listing(tmp_path, home / "kept") == before
        kept = {path.name for path in (home / "kept").rglob("*") if path.is_file()}
    assert all(
        re.fullmatch(r"\d{5}\.\w+|\.i2i-manifest\.jsonl|\.occupied|(in|out)-\d{5}\.webp", name) for name in kept
    ), kept
    assert [path.read_text() for path in (tmp_path / "canary", home / "canary")] == ["sings", "sings"]
    assert not any(status >= 500 for status in statuses)
    failed = sum(each["failed"] for each in told)
    print(
        f"\n{len(requests)} hostile requests: {dict(sorted(statuses.items()))} (0: hung up on, or unsendable); "
        f"{len(jobs)} made jobs, in which {failed} pictures were refused in words; nothing was written outside"
    )
