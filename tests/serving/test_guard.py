"""Who is let in, and what is refused in words; a quick version of tests/prove/test_serving.py."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from i2i.serving.bounds import Bounds

OPTION = {"model": "snail"}


def raw(client, text: bytes, pause: float = 0, more: bytes = b"") -> bytes:
    """What comes back for these bytes, until the server hangs up or is silent for a while."""
    with closing(socket.create_connection(("127.0.0.1", client.port), timeout=10)) as connection:
        connection.sendall(text)
        if more:
            time.sleep(pause)
            connection.sendall(more)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
        return answer


def head(path: str = "/api/health", host: str = "localhost", *lines: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines, "", ""]).encode()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int = 60000, height: int = 60000) -> bytes:
    """A PNG of a few bytes that says it is that large."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = zlib.compress(bytes(2**20))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]", "LocalHost", "my.box"])
def test_the_server_answers_to_its_names(start, name: str) -> None:
    client = start(names=("my.box",))
    assert client.get("/api/health", Host=f"{name}:{client.port}").status == 200


@pytest.mark.parametrize("name", ["evil.example", "localhost.evil.example", "127.0.0.2", "10.0.0.1:80", "[::2]"])
def test_another_name_is_refused(client, name: str) -> None:
    for path in ("/", "/api/models", "/assets/serve.js"):
        answer = client.get(path, Host=name)
        assert answer.status == 403
        assert "--allow-host" in answer.error


@pytest.mark.parametrize("name", ["", "a b", "localhost:8000:1", "user@localhost", "localhost/", "[", "ä"])
def test_what_is_no_name_is_refused(client, name: str) -> None:
    assert b" 400 " in raw(client, head(host=name)).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "ftp://127.0.0.1:{port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Origin": "http://[::1"},
        {"Referer": "http://evil.example/127.0.0.1:{port}/"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_sites_page_can_change_nothing(client, picture, headers: dict[str, str]) -> None:
    given = {name: value.format(port=client.port) for name, value in headers.items()}
    for answer in (
        client.send(OPTION, ("pictures", "a.png", picture()), **given),
        client.ask("DELETE", "/api/jobs/x", **given),
    ):
        assert answer.status == 403
        assert answer.error.startswith("requests from other sites' pages are refused")
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_page_can_be_it_behind_a_proxy_that_encrypts(client, picture, scheme: str) -> None:
    given = {"Origin": f"{scheme}://127.0.0.1:{client.port}", "Sec_Fetch_Site": "same-origin"}
    assert client.send(OPTION, ("pictures", "a.png", picture()), **given).status == 201


def test_a_link_of_another_page_may_open_the_page_and_nothing_else(client) -> None:
    assert client.get("/", Sec_Fetch_Site="cross-site").status == 200
    assert client.get("/api/models", Sec_Fetch_Site="cross-site").status == 403


@pytest.mark.parametrize("path", ["/", "/api/models", "/assets/serve.js", "/nothing", "/api/jobs/none"])
def test_every_answer_has_the_headers_that_keep_it_apart(client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert (headers["cross-origin-resource-policy"], headers["cache-control"]) == ("same-origin", "no-store")
    assert "server" not in headers


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"model": "none"}, "model: there is no 'none'; there are: weights:dots, "),
        ({"model": "/etc/passwd"}, "model: there is no '/etc/passwd'; there are: "),
        ({"model": "weights:dots"}, "weights:dots: makes pictures out of nothing; ask for them as application/json"),
        ({}, "settings.model: Field required"),
        (["model"], "settings: Input should be an object"),
        (b"{", "settings: Invalid JSON: "),
        (b"[" * 60000, "settings: Invalid JSON: "),
        (b'{"model": "snail", "seed": ' + b"9" * 6000 + b"}", "settings: Invalid JSON: number out of range"),
        (b'{"model": "snail", "seed": NaN}', "settings"),
        (b"\xff\xfe", "settings: Invalid JSON: "),
        (OPTION | {"weights": "/etc/passwd"}, "settings.weights: Extra inputs are not permitted"),
        (OPTION | {"seed": -1}, "settings.seed: "),
        (OPTION | {"seed": "1"}, "settings.seed: "),
        (OPTION | {"format": "exe"}, "settings.format: "),
        (OPTION | {"quality": 101}, "settings.quality: "),
        (OPTION | {"options": {"secret": "/etc/passwd"}}, "options.secret: this model has no such option; it has "),
        (OPTION | {"options": {"several": 1}}, "options.several: this model has no such option"),
        (OPTION | {"options": {"seconds": 1e9}}, "options.seconds: "),
        (OPTION | {"options": {"tint": "blue"}}, "options.tint: "),
        (OPTION | {"options": {"word": "../x"}}, "options.word: a word of at most 200 letters, without / \\ ~, not a"),
        (OPTION | {"options": {"word": {"a": 1}}}, "settings.options.word: true, false, a finite number, a word or"),
        (b'{"model": "snail", "options": {"seconds": NaN}}', "settings.options.seconds: true, false, a finite number"),
        (OPTION | {"options": {"a\nb": 1}}, "options.a?b: this model has no such option; it has seconds"),
        (None, "settings: missing; a form has a part settings"),
    ],
)
def test_settings_that_are_wrong_are_refused_in_words(client, picture, settings, error: str) -> None:
    answer = client.send(settings, ("pictures", "a.png", picture()))
    assert answer.status == 422
    assert answer.error.startswith(error)
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"model": "snail", "count": 1}, "snail: translates pictures and makes no new ones; send some as multipart"),
        ({"model": "weights:dots", "count": 401}, "count: 401 pictures are too many; up to 400 are made at once"),
        ({"model": "weights:dots", "count": 50, "interpolate": 50}, "count: 2500 pictures are too many"),
        ({"model": "weights:dots", "count": 1, "interpolate": 5}, "interpolate: a walk goes from picture to picture"),
        ({"model": "weights:dots", "count": 0}, "settings.count: "),
        ({"model": "weights:dots", "count": True}, "settings.count: "),
        ({"model": "weights:dots", "count": int("9" * 4000)}, "settings.count: Input should be less than or equal to"),
        (
            {"model": "weights:dots", "count": 2, "interpolate": int("9" * 4000)},
            "settings.interpolate: Input should be",
        ),
        ({"model": "weights:dots"}, "settings.count: Field required"),
    ],
)
def test_wishes_that_are_wrong_are_refused_in_words(client, settings, error: str) -> None:
    answer = client.wish(settings)
    assert answer.status == 422
    assert answer.error.startswith(error)


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"])
def test_what_a_form_of_any_site_can_post_is_refused(client, kind: str) -> None:
    headers = {"Content_Type": kind} if kind else {}
    answer = client.ask("POST", "/api/jobs", b'{"model": "weights:dots", "count": 1}', **headers)
    assert answer.status == 415
    assert answer.error.startswith("a job comes as multipart/form-data or application/json; found ")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=", b"x"),
        ("multipart/form-data; boundary=" + "x" * 200, b"x"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"--y\r\n\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="settings"\r\n\r\n{}'),
        ("multipart/form-data; boundary=x", b"--x\r\nno header\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A: b\r\n" * 99 + b"\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: " + b"b" * 99999 + b"\r\n\r\n\r\n--x--\r\n"),
    ],
)
def test_a_broken_form_is_refused(client, kind: str, body: bytes) -> None:
    answer = client.ask("POST", "/api/jobs", body, Content_Type=kind)
    assert answer.status == 400
    assert answer.error.startswith("the form is broken: ")
    assert list(client.folder.iterdir()) == []


def test_a_form_with_other_parts_is_refused(client, picture) -> None:
    answer = client.send(OPTION, ("upload", "a.png", picture()))
    assert (answer.status, answer.error) == (422, "a form has the parts settings, pictures and masks; found 'upload'")
    assert client.send(OPTION).error == "pictures: none came; a form has a part pictures for each"
    assert client.send(OPTION, ("settings", "", b"{}")).error == "a form has one part settings; found another one"


def test_bodies_files_and_jobs_are_no_larger_than_allowed(start, picture) -> None:
    client = start(Bounds(body_bytes=200_000, picture_bytes=50_000, pictures=3))
    large = client.send(OPTION, ("pictures", "large.png", bytes(60_000)))
    assert (large.status, large.error) == (413, "large.png: too large; files of up to 48.8 KiB are taken")
    many = client.send(OPTION, *[("pictures", "a.png", picture())] * 4)
    assert (many.status, many.error) == (413, "too many pictures: a job takes up to 3")
    whole = client.ask("POST", "/api/jobs", bytes(300_000), Content_Type="application/json")
    assert (whole.status, whole.error) == (413, "the request is too large")
    pieces = (bytes(40_000) for _ in range(20))
    start_of = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a"\r\n\r\n'
    chunked = client.ask(
        "POST", "/api/jobs", (start_of + piece for piece in pieces), Content_Type="multipart/form-data; boundary=x"
    )
    assert chunked.status == 413
    settings = client.send(b"x" * 70_000, ("pictures", "a.png", picture()))
    assert (settings.status, settings.error) == (413, "settings: too large; up to 64 KiB are taken")
    assert list(client.folder.iterdir()) == []


def test_a_body_that_does_not_come_is_not_waited_for(start) -> None:
    client = start(Bounds(quiet_seconds=0.2))
    kind = "Content-Type: multipart/form-data; boundary=x"
    answer = raw(client, head("/api/jobs", "localhost", kind, "Content-Length: 1000", method="POST") + b"--x\r\n")
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"the request took too long to arrive" in answer
    assert client.get("/api/health").told["busy"] == 0


def test_a_body_that_trickles_is_not_waited_for_for_ever(start) -> None:
    client = start(Bounds(quiet_seconds=5, body_seconds=0.3))
    kind = "Content-Type: multipart/form-data; boundary=x"
    text = head("/api/jobs", "localhost", kind, "Content-Length: 1000", method="POST")
    assert b" 408 " in raw(client, text + b"--x\r\n", 0.2, b"Conte").split(b"\r\n")[0]


def test_a_client_that_hangs_up_leaves_nothing(client) -> None:
    with closing(socket.create_connection(("127.0.0.1", client.port), timeout=10)) as connection:
        kind = "Content-Type: multipart/form-data; boundary=x"
        part = b'--x\r\nContent-Disposition: form-data; name="pictures"; filename="a"\r\n\r\nhalf'
        connection.sendall(head("/api/jobs", "localhost", kind, "Content-Length: 9999", method="POST") + part)
        end = time.monotonic() + 10
        while not list(client.folder.glob("*/in/*")) and time.monotonic() < end:
            time.sleep(0.01)
    while list(client.folder.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    assert list(client.folder.iterdir()) == []


@pytest.mark.parametrize("contents", [bomb(), bomb(1, 2**31 - 1), b"", b"PK\x03\x04" * 99, b"<svg/>", b"\0" * 5000])
def test_bombs_and_what_is_no_picture_fail_alone(client, picture, contents: bytes) -> None:
    job = client.over(client.send(OPTION, ("pictures", "b.png", contents), ("pictures", "a.png", picture())))
    assert [each["state"] for each in job["pictures"]] == ["failed", "done"]
    assert job["pictures"][0]["error"]
    assert client.get(job["pictures"][0]["original"]).status == 422


def test_pixels_are_bounded_by_what_the_answer_has(start, picture) -> None:
    client = start(Bounds(pixels=100))
    job = client.over(client.send({"model": "enlarger-x4"}, ("pictures", "a.png", picture((6, 5)))))
    assert job["error"] == "too large: 6 × 5 pixels are more than the 25 pixels that are read"
    assert client.over(client.send({"model": "enlarger-x4"}, ("pictures", "a.png", picture((5, 5)))))["done"] == 1


@pytest.mark.parametrize(
    ("sent", "label"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\\\..\\\\boot.png", "boot.png"),
        ("/etc/cron.d/x.png", "x.png"),
        ("....", "picture"),
        (".hidden.png", "hidden.png"),
        ("a\tb.png", "a_b.png"),
        ("x" * 4000 + ".png", "x" * 116 + ".png"),
        ("ß漢😀.png", "ß漢😀.png"),
        ("a%22b.png", "a_b.png"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("CON.png", "CON.png"),
    ],
)
def test_names_of_files_are_labels(start, picture, sent: str, label: str) -> None:
    client = start(works=False)
    answer = client.send(OPTION, ("pictures", sent, picture()))
    assert answer.status == 201
    assert answer.told["pictures"][0]["label"] == label
    assert sorted(path.name for path in client.folder.glob("*/in/*")) in (["00000.png"],)


PATHS = [
    "/../etc/passwd",
    "/assets/../page.py",
    "/assets/..%2f..%2fpage.py",
    "/assets/%2e%2e/base.css",
    "/assets/",
    "/assets/serve.html",
    "//etc/passwd",
    "/api/jobs/..",
    "/api/jobs/%2e%2e%2f",
    "/api/jobs/x/pictures/-1",
    "/api/jobs/x/pictures/1e9",
    "/api/jobs/x/original/" + "9" * 4000,
    "/api/jobs/\x00",
    "/api/jobs/%00/all.zip",
    "/api/jobs/%ff%fe",
    "/api/jobs/x?wait=nan",
    "/api/jobs/x?wait=-1",
    "/api/jobs/x?wait=inf",
    "/redoc",
]


@pytest.mark.parametrize("path", PATHS)
def test_other_addresses_hold_nothing(client, path: str) -> None:
    answer = raw(client, head(path))
    assert answer.split(b" ")[1] in (b"400", b"404", b"422")
    assert list(json.loads(answer.partition(b"\r\n\r\n")[2])) == ["error"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "HEAD", "BREW"])
def test_other_methods_are_refused(client, method: str) -> None:
    answer = raw(client, head("/api/jobs", method=method))
    assert answer.split(b" ")[1] in (b"400", b"405")


@pytest.mark.parametrize(
    "text",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA" + b"a" * 99999,
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /api/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://evil/ HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_json(client, text: bytes) -> None:
    first, _, rest = raw(client, text).partition(b"\r\n")
    assert first.split(b" ")[1][:1] == b"4"
    assert list(json.loads(rest.partition(b"\r\n\r\n")[2])) == ["error"]


def test_a_full_queue_says_when_to_come_again(start, picture) -> None:
    client = start(Bounds(jobs=2), works=False)
    answers = [client.send(OPTION, ("pictures", "a.png", picture())) for _ in range(3)]
    assert [answer.status for answer in answers] == [201, 201, 429]
    assert answers[2].error == "the queue is full (2 jobs); try again later"
    assert answers[2].headers["retry-after"] == "5"


def test_clients_at_once_are_answered_or_told_to_wait(start, picture) -> None:
    client = start(Bounds(jobs=4))
    contents, answered, waited = picture(), [], []

    def send(number: int) -> None:
        answer = client.send(OPTION, *[("pictures", f"{number}.png", contents)] * 3)
        while answer.status == 429:
            assert answer.error.startswith("the queue is full")
            waited.append(number)
            time.sleep(0.05)
            answer = client.send(OPTION, *[("pictures", f"{number}.png", contents)] * 3)
        answered.append(client.over(answer)["done"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(16)))
    assert answered == [3] * 16
    assert threading.active_count() < 100


def test_a_large_refused_body_is_still_answered(start) -> None:
    """A client that listens only when it has sent everything."""
    client = start(Bounds(jobs=0))
    with io.BytesIO(bytes(3_000_000)) as body:
        answer = client.ask("POST", "/api/jobs", body, Content_Type="multipart/form-data; boundary=x")
    assert answer.status == 429


def test_nothing_is_written_outside(client, picture, tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("sings")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if client.folder not in path.parents}
    for name in ("../canary", "..\\canary", "%2e%2e%2fcanary", str(tmp_path / "canary"), "canary\0.png"):
        client.send(OPTION, ("pictures", name, picture()))
    del before[client.folder]
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if client.folder not in path.parents}
    del after[client.folder]
    assert after == before
