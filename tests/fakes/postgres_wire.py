"""Stands between longshore and its PostgreSQL, and loses what it is told to lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

Loss = Literal["request", "answer"]


class Wire:
    """A connection through it is cut at the next COMMIT: before the server hears of it, or before its answer is heard."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self.lose: Loss | None = None
        self.lost = 0

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, asks = await asyncio.open_connection(*self._to)
        cut = asyncio.Event()  # the answer to a COMMIT that was let through is not to come back
        back = asyncio.ensure_future(self._answers(answers, writer, cut))
        try:
            while data := await reader.read(65536):
                commits = b"COMMIT" in data
                if commits and self.lose == "request":
                    self._lost()
                    break
                if commits and self.lose == "answer":
                    cut.set()
                asks.write(data)
                await asks.drain()
                if cut.is_set():
                    await back
                    self._lost()
                    break
        except ConnectionError:
            pass
        finally:
            back.cancel()
            for end in (asks, writer):
                end.close()

    async def _answers(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, cut: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await answers.read(65536):
                if cut.is_set():
                    return
                writer.write(data)
                await writer.drain()
        writer.close()

    def _lost(self) -> None:
        self.lose, self.lost = None, self.lost + 1


@asynccontextmanager
async def wire(url: str) -> AsyncGenerator[tuple[Wire, str]]:
    """The wire, and the URL that leads through it."""
    there = urlsplit(url)
    between = Wire(there.hostname or "", there.port or 5432)
    server = await asyncio.start_server(between.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    place = f"{there.username}:{there.password}@127.0.0.1:{port}"
    async with server:
        yield between, urlunsplit(there._replace(netloc=place))
