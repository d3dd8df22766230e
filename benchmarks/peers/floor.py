"""The floor: a client that asks for what it knows is there and reads the bytes without looking. No real client can be faster."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import uvloop

from benchmarks.peers.process import Asked, run
from benchmarks.shapes import SHAPES
from benchmarks.wire import token_for


class _Reader(asyncio.Protocol):
    """Sends one request after the other and counts off the body of each answer."""

    def __init__(self, asked: Asked, targets: list[bytes], done: asyncio.Future[None]) -> None:
        self._method = b"HEAD" if asked.work == "head" else b"GET"
        self._targets, self._done = targets, done
        self._head, self._left = b"", 0
        self.read = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass of it
        self._next()

    def _next(self) -> None:
        if not self._targets:
            if not self._done.done():
                self._done.set_result(None)
            return
        self._transport.write(b"%s %s HTTP/1.1\r\nHost: floor\r\n\r\n" % (self._method, self._targets.pop()))

    def data_received(self, data: bytes) -> None:
        self.read += len(data)
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            if not self._head.startswith(b"HTTP/1.1 200"):
                self._done.set_exception(RuntimeError(self._head[:200].decode()))
                return
            if self._method == b"GET":
                at = self._head.index(b"Content-Length: ") + 16
                self._left = int(self._head[at : self._head.index(b"\r", at)]) - (len(self._head) - end)
            self._head = b""
        if not self._left:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the server hung up"))


async def _work(asked: Asked) -> int:
    count = asked.most
    if asked.work == "head":
        keys = SHAPES[asked.shape](asked.keys).keys(0, count)
        targets = [b"/%s/%s" % (asked.bucket.encode(), key) for key in keys]
    else:
        form = f"/{asked.bucket}?list-type=2&encoding-type=url&prefix=&continuation-token="
        targets = [(form + token_for(index)).encode() for index in range(0, count, 1000)]
    loop, where = asyncio.get_running_loop(), urlsplit(asked.endpoint)
    assert where.hostname is not None
    assert where.port is not None
    waits: list[asyncio.Future[None]] = [loop.create_future() for _ in range(min(asked.streams, len(targets)))]
    for done in waits:
        await loop.create_connection(partial(_Reader, asked, targets, done), where.hostname, where.port)
    await asyncio.gather(*waits)
    return count


if __name__ == "__main__":
    run(lambda asked: uvloop.run(_work(asked)))
