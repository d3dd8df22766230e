"""The lean transport: HTTP/1.1 on bare sockets, as fast as the loop goes. Hides the pool, and the race of keep-alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from config.limits import Limits
from ingest.s3.dial import Dialer
from ingest.s3.http1 import Head, write_request
from ingest.s3.outbox import Outbox
from ingest.s3.transport import Places, TransportError
from ingest.s3.wire import Wire

_PORTS = {"http": 80, "https": 443}
_CLOSING_S = 5.0
"""More than the loop takes to tell of sockets that were closed at once."""


class _Origin:
    """One server, and the sockets to it that nobody uses, the last used on top. Forgotten with its last socket."""

    def __init__(self, text: str, limits: Limits, lost: Callable[[Wire], None]) -> None:
        parts = urlsplit(text)
        self.scheme, self.host = parts.scheme, parts.hostname or ""
        self.port = parts.port or _PORTS[parts.scheme]
        self.idle: list[Wire] = []
        self._lost = lost
        self._most = limits.connections_per_host

    def take(self) -> Wire | None:
        while self.idle:
            wire = self.idle.pop()
            if wire.usable:
                return wire
            wire.abort()
        return None

    def give(self, wire: Wire) -> None:
        if len(self.idle) < self._most:
            self.idle.append(wire)
        else:
            wire.abort()

    def lost(self, wire: Wire) -> None:
        if wire in self.idle:
            self.idle.remove(wire)
        self._lost(wire)


class LeanAnswer:
    """See `transport.Answer`."""

    __slots__ = ("_origin", "_wire", "bytes_read", "headers", "status")

    def __init__(self, wire: Wire, origin: _Origin, head: Head) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self.bytes_read = 0
        self._wire: Wire | None = wire
        self._origin = origin

    async def some(self) -> bytes:
        part = await self._open().some()
        self.bytes_read += len(part)
        return part

    async def all(self, most: int) -> bytes:
        body = await self._open().all(most)
        self.bytes_read += len(body)
        return body

    def _open(self) -> Wire:
        if self._wire is None:
            raise TransportError("BodyIncomplete", "the answer was left")
        return self._wire

    def leave(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None and wire.leave():
            self._origin.give(wire)


class LeanTransport:
    """See `transport.Transport`. Make it where a loop runs, and close it there."""

    def __init__(self, limits: Limits, dialer: Dialer) -> None:
        self.places = Places(limits.connections_per_host)
        self._limits = limits
        self._dialer = dialer
        self._outbox = Outbox()
        self._origins: WeakValueDictionary[str, _Origin] = WeakValueDictionary()
        self._open: set[Wire] = set()
        self._lost_one = asyncio.Event()
        self._closed = False

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        patience_s: float | None = None,
        fresh: bool = False,
    ) -> LeanAnswer:
        request = write_request(method, target, headers, body)
        server = self._origin(origin)
        kept = None if fresh else server.take()
        wire = kept or await self._connect(server)
        try:
            head = await wire.ask(request, bodiless=method == "HEAD", patience_s=patience_s)
            return LeanAnswer(wire, server, head)
        except TransportError as error:
            # what is no answer on a kept socket may be the rest of an earlier one, or of what nobody asked for
            lost = wire.untouched and error.code == "ConnectionLost"
            error.stale = wire is kept and (lost or error.code == "NotHttp")
            raise

    async def _connect(self, server: _Origin) -> Wire:
        wire = await self._dialer.dial(
            server.scheme, server.host, server.port, lambda: Wire(self._limits, self._outbox, server.lost)
        )
        # not in connection_made: uvloop forgets to tell a protocol of its end when the dialling is cancelled just then
        if wire.open:
            self._open.add(wire)
        if self._closed:
            wire.abort()
        return wire

    async def aclose(self) -> None:
        """Close every socket, and wait until they are."""
        self._closed = True
        for wire in list(self._open):
            wire.abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                while self._open:
                    self._lost_one.clear()
                    await self._lost_one.wait()

    def _origin(self, text: str) -> _Origin:
        origin = self._origins.get(text)
        if origin is not None:
            return origin
        try:
            origin = self._origins[text] = _Origin(text, self._limits, self._lost)
        except (ValueError, KeyError):
            pass
        else:
            return origin
        raise TransportError("RequestInvalid", "the server's address can't be read")

    def _lost(self, wire: Wire) -> None:
        self._open.discard(wire)
        self._lost_one.set()
