"""The server: its socket, its folder, its threads."""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import logger

from i2i.errors import I2IError, UsageError
from i2i.serving.application import Serving, application
from i2i.serving.guard import HEADERS, bracketed, error_body
from i2i.serving.shelf import Shelf
from i2i.serving.worker import work

HEAD_SECONDS = 15.0
"""In which the head of a request has to arrive."""
CONNECTIONS = 256
END_SECONDS = 3
SILENT = 100
"""Above all levels of messages."""
QUIET = {"version": 1, "disable_existing_loggers": False, "loggers": {"python_multipart": {"level": "CRITICAL"}}}
"""What the form's parser has to say is told to the client."""
WILDCARDS = ("0.0.0.0", "::")


class Patient(H11Protocol):
    """HTTP that waits for the head of a request no longer than it should, and complains in JSON."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """One connection more, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS:
            transport.close()
            return
        self._late = self.loop.call_later(HEAD_SECONDS, self._end)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._forgive()
        elif self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self._end)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forgive()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        body = error_body(msg)
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length), (b"connection", b"close")]
        headers += HEADERS.items()
        try:
            self.transport.write(self.conn.send(h11.Response(status_code=400, headers=headers, reason=b"Bad Request")))
            self.transport.write(self.conn.send(h11.Data(data=body)))
            self.transport.write(self.conn.send(h11.EndOfMessage()))
        except h11.LocalProtocolError:  # an answer is on its way already
            pass
        self.transport.close()

    def _forgive(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 is any free one. Raises `UsageError` where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(f"--host {host}: not an address of this machine ({error.strerror})") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(f"--port {port}: taken by another process; --port 0 takes a free one") from error
        if error.errno == errno.EACCES:
            raise UsageError(f"--port {port}: not allowed; take one from 1024 on") from error
        raise UsageError(f"--host {host}: cannot be bound ({error.strerror})") from error
    return listener


def address_of(listener: socket.socket, host: str) -> str:
    """What a browser on this machine opens."""
    name = "127.0.0.1" if host in WILDCARDS else bracketed(host)
    return f"http://{name}:{listener.getsockname()[1]}/"


def serve(
    serving: Serving, shelf: Shelf, listener: socket.socket, names: tuple[str, ...], begun: Callable[[], object]
) -> None:
    """Answer requests in a thread and compute in this one, until it is interrupted.

    `begun` is called once requests are answered. Raises `I2IError` where the server ends by itself.
    """
    with answering(serving, listener, names), closing(serving.queue):
        begun()
        work(serving.queue, shelf)
    raise I2IError("the server has ended by itself; its messages above tell why")


@contextmanager
def answering(serving: Serving, listener: socket.socket, names: tuple[str, ...]) -> Iterator[None]:
    """Answer requests in a thread while the block runs; whoever takes jobs out of the queue computes them."""
    settings: dict[str, Any] = {
        "http": Patient,
        "ws": "none",
        "loop": "asyncio",
        "lifespan": "off",
        "log_config": QUIET,
        "log_level": "error",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": END_SECONDS,
        "h11_max_incomplete_event_size": 2**15,
    }
    server = uvicorn.Server(uvicorn.Config(application(serving, names), **settings))

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            serving.queue.close()

    thread = threading.Thread(target=run, name="i2i-serve", daemon=True)
    thread.start()
    try:
        _wait_for(server, thread)
        yield
    finally:
        logger.setLevel(SILENT)  # that requests are cut off is no news
        server.should_exit = True
        thread.join(2 * END_SECONDS + 2)
        listener.close()


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    """Until it answers, or has ended by itself."""
    while not server.started and thread.is_alive():
        time.sleep(0.01)
