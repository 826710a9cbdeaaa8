"""A web of one's own: a server that speaks https with a certificate that only these tests trust."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme


@dataclass
class Served:
    """What lies behind a path."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    breaks_after: list[int] = field(default_factory=list)
    """After how many bytes each of the next answers breaks off."""
    knows_ranges: bool = True

    @property
    def tag(self) -> str:
        return f'"{hashlib.md5(self.content).hexdigest()}"'


class Web(ThreadingHTTPServer):
    """`web.serve("/w.safetensors", b"…")`; what was asked for is in `asked`."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, Served] = {}
        self.asked: list[tuple[str, str | None]] = []
        """(path, the range asked for)."""

    def serve(self, path: str, content: bytes = b"", **how: Any) -> Served:
        self.files[path] = Served(content, **how)
        return self.files[path]

    def url(self, path: str) -> str:
        return f"https://localhost:{self.server_port}{path}"

    def handle_error(self, request: Any, address: Any) -> None:
        """Of those who hang up: nothing."""


class Handler(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        served = self.server.files.get(self.path)
        if served is None:
            self.send_error(404)
            return
        content, status, headers = served.content, served.status, {"ETag": served.tag, **served.headers}
        same = self.headers.get("If-Range", served.tag) == served.tag
        if status == 200 and wanted is not None and served.knows_ranges and same:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            status, headers["Content-Range"] = 206, f"bytes {begin}-{len(content) - 1}/{len(content)}"
            content = content[begin:]
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **headers}.items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        self.wfile.write(content[: served.breaks_after.pop(0)] if served.breaks_after else content)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is fetched and what is pinned goes here."""
    for name in ("cache", "config"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def web(authority: trustme.CA, homes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusted = homes / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with Web() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
