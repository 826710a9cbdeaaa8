"""Who may ask: only whoever addresses this server by its name, and no page of another site."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from i2i.serving.refusals import Gone, Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content Security Policy, level 3; `unsafe-inline` of styles alone, which elements set for themselves."""
HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cache-control": b"no-store",
}
"""Of every answer that has none of that name."""
DRAINED_BYTES = 64 * 2**20
DRAINED_SECONDS = 5.0
"""What is still read of a request that is refused while it arrives, as many clients listen only when they have sent."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE)


class Guard:
    """Stands before an application: looks at who asks, and puts the headers on what is answered."""

    def __init__(self, app: App, names: Iterable[str] = ()) -> None:
        self.app, self.names = app, LOCAL | {bracketed(name.lower()) for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answering = _Answering(scope, receive, send)
        try:
            self.check(scope)
            await self.app(scope, answering.receive, answering.send)
        except Refused as refused:
            await answering.refuse(refused)
        except Gone:
            await answering.refuse(Refused(400, "the request ended before its end"))

    def check(self, scope: Scope) -> None:
        """Raises `Refused` where the request is not for this server, or comes from another site's page."""
        host = _sole(scope, b"host")
        found = _HOST.fullmatch(host)
        if found is None:
            raise Refused(400, "the header Host names no server")
        own = scope.get("server") or ("", 0)
        if found[1].lower() not in self.names and found[1].lower() != bracketed(str(own[0])):
            name = found[1].strip("[]")[:100]
            raise Refused(403, f"this server does not answer as '{name}'; --allow-host {name} lets it")
        is_page = scope["method"] in SAFE and not str(scope["path"]).startswith("/api")
        if (site := _sole(scope, b"sec-fetch-site")) not in ("", "same-origin", "none") and not is_page:
            raise Refused(403, f"requests from other sites' pages are refused (Sec-Fetch-Site: {site[:40]})")
        if scope["method"] in SAFE:
            return
        for name in (b"origin", b"referer"):
            address = _sole(scope, name)
            if address and not _is_of(address, host):
                raise Refused(403, f"requests from other sites' pages are refused ({name.decode().title()})")


class _Answering:
    """Knows whether all of the request was read, and what was answered."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        headers = dict(scope["headers"])
        self.is_read = b"content-length" not in headers and b"transfer-encoding" not in headers
        self.is_asked_first = b"expect" in headers
        self.has_begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body"):
            self.is_read = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            there = {name.lower() for name, _ in message["headers"]}
            more = [(name, value) for name, value in HEADERS.items() if name not in there]
            if not self.is_read and message["status"] != 408:  # what does not come is not waited for
                await self._drain()
            if not self.is_read:
                more.append((b"connection", b"close"))
            message = {**message, "headers": [*message["headers"], *more]}
        await self._send(message)

    async def refuse(self, refused: Refused) -> None:
        if self.has_begun:
            return
        contents = error_body(refused.text)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(contents)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in refused.headers.items()]
        await self.send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": contents})

    async def _drain(self) -> None:
        if self.is_asked_first:  # it has sent nothing yet
            return
        size = 0
        try:
            async with asyncio.timeout(DRAINED_SECONDS):
                while not self.is_read and size < DRAINED_BYTES:
                    size += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return


def error_body(text: str) -> bytes:
    """An error as it is always answered."""
    return json.dumps({"error": text}, ensure_ascii=False).encode("utf-8", "replace")


def bracketed(name: str) -> str:
    """A host as addresses write it: IPv6 in brackets."""
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def _sole(scope: Scope, wanted: bytes) -> str:
    """The value of a header; empty where it is missing, or where it is there twice, as nobody sends it."""
    found = [value for name, value in scope["headers"] if name.lower() == wanted]
    return found[0].decode("latin-1") if len(found) == 1 else ("" if not found else "twice")


def _is_of(address: str, host: str) -> bool:
    """Whether a page lies on this server, be it behind a proxy that encrypts."""
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
    except ValueError:
        return False
