"""A server that says exactly what a test tells it to, byte by byte, and knows nothing of HTTP but where a request ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Talk:
    """One connection, seen from the server."""

    number: int
    """Counted from 1."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes]
    """What came over all connections."""

    async def request(self) -> bytes:
        """The next request. Raises IncompleteReadError when the client hung up."""
        self.requests.append(await self.reader.readuntil(b"\r\n\r\n"))
        return self.requests[-1]

    async def say(self, *pieces: bytes) -> None:
        """Each piece by itself, as far as a socket allows."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Until the client hangs up."""
        with contextlib.suppress(OSError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Talk], Awaitable[None]]


@dataclass(slots=True)
class Server:
    """One that runs."""

    port: int
    scheme: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    """Connections at the moment."""
    most: int = 0
    """... and at most."""

    @property
    def origin(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@asynccontextmanager
async def scripted(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Server]:
    """`script` is run for each connection, which is closed when it returns."""
    tasks: set[asyncio.Task[None]] = set()
    running = Server(port=0, scheme="https" if tls else "http")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.connections += 1
        running.open += 1
        running.most = max(running.most, running.open)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await script(Talk(running.connections, reader, writer, running.requests))
        except (asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass  # the client hung up, or the test is over
        finally:
            tasks.discard(task)
            running.open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def always(*pieces: bytes) -> Script:
    """Every request is answered by these pieces."""

    async def script(talk: Talk) -> None:
        while True:
            await talk.request()
            await talk.say(*pieces)

    return script
