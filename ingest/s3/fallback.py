"""The transport over aiohttp: hides its session, its errors, and all that it would do unasked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import ResolveResult
from yarl import URL

from config.limits import Limits
from ingest.s3.dial import Dialer, unreachable
from ingest.s3.transport import Code, Places, TransportError

if TYPE_CHECKING:
    from aiohttp.client import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_FAILURES = (aiohttp.ClientError, OSError)
"""What aiohttp and the sockets raise; TimeoutError is one of the latter."""
_CODES: tuple[tuple[type[Exception], Code], ...] = (
    (aiohttp.ClientPayloadError, "BodyIncomplete"),
    (TimeoutError, "TimedOut"),
    (aiohttp.ClientResponseError, "NotHttp"),
    (aiohttp.NonHttpUrlClientError, "RequestInvalid"),
    (ValueError, "RequestInvalid"),
)


class _Pool(aiohttp.TCPConnector):
    """Sockets to every host, so many to each, and only to addresses that the dialer permits."""

    def __init__(self, limits: Limits, dialer: Dialer) -> None:
        super().__init__(limit=0, limit_per_host=limits.connections_per_host, keepalive_timeout=limits.keep_alive_s)
        self._dialer = dialer
        self._each = limits.connections_per_host

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - so it is called by aiohttp
    ) -> Connection:
        """A connection on which nothing has come that nobody asked for: it would be taken for the answer to `req`.

        What comes still later can't be told from the answer.
        """
        for _ in range(self._each + 1):  # more than can lie in the pool
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()
        raise aiohttp.ServerDisconnectedError("the server speaks before it is asked")

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        """Unlike a resolver, this is asked about addresses too, and all that it names is what is connected to."""
        del traces
        return [
            {
                "hostname": host,
                "host": where.ip,
                "port": where.port,
                "family": where.family,
                "proto": 0,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for where in await self._dialer.wheres(host, port)
        ]


class AiohttpAnswer:
    """See `transport.Answer`."""

    def __init__(self, response: aiohttp.ClientResponse, limits: Limits, patience_s: float | None = None) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = {
            name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers
        }
        self.bytes_read = 0
        self._response = response
        self._idle_s, self._whole_s = limits.idle_s, limits.request_s
        if patience_s is not None:
            self._idle_s, self._whole_s = max(limits.idle_s, limits.first_byte_s), patience_s

    async def some(self) -> bytes:
        try:
            async with asyncio.timeout(self._idle_s):
                part = await self._response.content.readany()
        except _FAILURES as error:
            failure = _neutral(error)
        else:
            self.bytes_read += len(part)
            return part
        raise failure  # out here, so that aiohttp's error, which holds the request with its token, does not hang on ours

    async def all(self, most: int) -> bytes:
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._whole_s):
                while part := await self.some():
                    if self.bytes_read > most:
                        raise TransportError("AnswerTooLarge", f"the answer is larger than {most} bytes")
                    parts.append(part)
        except TimeoutError:
            raise TransportError("TimedOut") from None
        return b"".join(parts)

    def leave(self) -> None:
        self._response.release()


class AiohttpTransport:
    """See `transport.Transport`. Make it where a loop runs, and close it there."""

    def __init__(self, limits: Limits, dialer: Dialer) -> None:
        """A session without redirects, cookies, proxies from the environment or decompression."""
        self._limits = limits
        self._dialer = dialer
        self.places = Places(limits.connections_per_host)
        self._session = aiohttp.ClientSession(
            connector=_Pool(limits, dialer),
            timeout=self._timeout(limits.first_byte_s),
            max_line_size=limits.header_bytes,
            max_field_size=limits.header_bytes,
            max_headers=limits.headers,
            trust_env=False,
            auto_decompress=False,
            requote_redirect_url=False,
            raise_for_status=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "longshore", "Accept-Encoding": "identity"},
        )

    async def send(
        self,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        *,
        body: bytes = b"",
        patience_s: float | None = None,
        fresh: bool = False,  # noqa: ARG002 - aiohttp repeats by itself what a kept socket lost, and tells nobody
    ) -> AiohttpAnswer:
        trust = self._dialer.trust if origin.startswith("https:") else True
        try:
            url = URL(f"{origin}{target}", encoded=True)
            async with asyncio.timeout(patience_s or self._limits.request_s):
                response = await self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=body or None,
                    timeout=self._timeout(patience_s or self._limits.first_byte_s),
                    allow_redirects=False,
                    ssl=trust,
                )
        except (*_FAILURES, ValueError) as error:
            failure = _neutral(error)
        else:
            return AiohttpAnswer(response, self._limits, patience_s)
        raise failure

    def _timeout(self, first_byte_s: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=self._limits.connect_s, sock_read=first_byte_s
        )

    async def aclose(self) -> None:
        await self._session.close()


def _neutral(error: Exception) -> TransportError:
    """aiohttp's error without what hangs on it. Raise it outside of the `except`."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ServerFingerprintMismatch):
        why = f"the server's certificate is not good ({type(error).__name__})"
        return TransportError("CertificateInvalid", why)
    if isinstance(error, aiohttp.ClientConnectorError):
        return unreachable(error)
    for kind, code in _CODES:
        if isinstance(error, kind):
            return TransportError(code, dialling=isinstance(error, aiohttp.ConnectionTimeoutError))
    return TransportError("ConnectionLost", f"the connection was lost ({type(error).__name__})")
