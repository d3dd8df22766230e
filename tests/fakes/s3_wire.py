"""A very small HTTP/1.1 server that hides nothing: the request target as it was sent, and answers that may lie or break off."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Literal, Self
from urllib.parse import unquote_to_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came over the wire."""

    method: str
    target: str
    """Path and query, undecoded."""
    headers: list[tuple[str, str]]
    """Names in lower case, in the order sent."""
    body: bytes = b""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def raw_query(self) -> list[tuple[str, str]]:
        """Pairs, still percent-encoded."""
        text = self.target.partition("?")[2]
        return [(name, value) for name, _, value in (part.partition("=") for part in text.split("&") if part)]

    @property
    def query(self) -> dict[str, bytes]:
        """Decoded once; S3 takes `+` in a query for a space."""
        return {
            unquote_to_bytes(name).decode(): unquote_to_bytes(value.replace("+", " ")) for name, value in self.raw_query
        }

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)


@dataclass(slots=True, kw_only=True)
class Answer:
    """What goes back; the fields below `body` make it a bad one."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    """Content-Length to claim; None: the truth."""
    cut: int | None = None
    """Send only so many bytes of the body, then end the connection."""
    end: Literal["keep", "close", "reset"] = "keep"
    chunked: bool = False
    unterminated: bool = False
    """A chunked body without its last chunk."""
    extra: bytes = b""
    """Bytes after the body that belong to nothing."""
    raw: bytes | None = None
    """Instead of an HTTP answer: exactly these bytes."""
    wait: Callable[[], Awaitable[object]] | None = None
    """Awaited before the answer begins."""
    stall_at: int | None = None
    """Send so many bytes of the body, then await `stall` before the rest."""
    stall: Callable[[], Awaitable[object]] | None = None


Handler = Callable[[Request], Awaitable[Answer]]

_REASONS = {200: "OK", 206: "Partial Content", 301: "Moved Permanently", 400: "Bad Request", 403: "Forbidden"}


class WireServer:
    """Serves `handler` on a port of 127.0.0.1 while entered as an async context."""

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self._handler = handler
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=1 << 20)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        return self._port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await _read_request(reader, writer)) is not None:
                answer = await self._handler(request)
                if not await _send(writer, request, answer):
                    break
        except (asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
            pass  # the client hung up, or the server is stopping
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head[:-4].decode("utf-8", "surrogateescape").split("\r\n")
    method, target, _version = first.split(" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = int(next((value for name, value in headers if name == "content-length"), "0"))
    if any(name == "expect" for name, _ in headers):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = await reader.readexactly(length) if length else b""
    return Request(method=method, target=target, headers=headers, body=body)


async def _send(writer: asyncio.StreamWriter, request: Request, answer: Answer) -> bool:
    """Send; True if the connection may be used again."""
    if answer.wait is not None:
        await answer.wait()
    if answer.raw is not None:
        writer.write(answer.raw)
    elif answer.end != "reset" or answer.cut is not None:
        await _send_answer(writer, request, answer)
    if answer.end == "reset":
        with contextlib.suppress(OSError, ConnectionError):
            await writer.drain()
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close sends RST
        writer.transport.abort()
        return False
    await writer.drain()
    return answer.end == "keep" and answer.cut is None and answer.raw is None and not answer.unterminated


async def _send_answer(writer: asyncio.StreamWriter, request: Request, answer: Answer) -> None:
    headers = {"Date": formatdate(usegmt=True), "Server": "FakeS3", **answer.headers}
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers["Content-Length"] = str(len(answer.body) if answer.length is None else answer.length)
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape"))
    if request.method == "HEAD":
        return
    body = answer.body if answer.cut is None else answer.body[: answer.cut]
    if answer.chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _halves(body))
        body += b"" if answer.unterminated else b"0\r\n\r\n"
    if answer.stall_at is not None and answer.stall is not None:
        writer.write(body[: answer.stall_at])
        await writer.drain()
        await answer.stall()
        body = body[answer.stall_at :]
    writer.write(body + answer.extra)


def _halves(body: bytes) -> list[bytes]:
    middle = len(body) // 2
    return [part for part in (body[:middle], body[middle:]) if part]
