"""What a request brings, taken in piece by piece: never more than is allowed, nor for longer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from i2i.images.limits import amount
from i2i.serving.bounds import Bounds
from i2i.serving.refusals import Gone, Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def pieces_of_body(receive: Receive, most: int, bounds: Bounds) -> AsyncIterator[bytes]:
    """The body as it comes. Raises `Refused` for one of more than `most` bytes or one that is too slow, `Gone` where
    it ends before its end."""
    size, end = 0, time.monotonic() + bounds.body_seconds
    while True:
        try:
            async with asyncio.timeout(min(bounds.quiet_seconds, max(0.0, end - time.monotonic()))):
                message = await receive()
        except TimeoutError as error:
            raise Refused(408, "the request took too long to arrive") from error
        if message["type"] != "http.request":
            raise Gone
        size += len(message.get("body", b""))
        if size > most:
            raise Refused(413, f"the request is too large; up to {amount(most)} are taken")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def whole_body(receive: Receive, most: int, bounds: Bounds) -> bytes:
    """All of a small one. Raises as `pieces_of_body`."""
    return b"".join([piece async for piece in pieces_of_body(receive, most, bounds)])
