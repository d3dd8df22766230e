"""The HTTP session that every S3 client shares: hides sockets, time-outs, and all that aiohttp would do unasked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import aiohttp

from config.settings import Limits

if TYPE_CHECKING:
    from aiohttp.client import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


class Pool(aiohttp.TCPConnector):
    """Sockets to every host, so many to each, and a place for whoever will use one."""

    def __init__(self, connections_per_host: int) -> None:
        super().__init__(limit=0, limit_per_host=connections_per_host, ttl_dns_cache=60)
        self._each = connections_per_host
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def places(self, origin: str) -> asyncio.Semaphore:
        """One of these is held from before a request is signed until its answer is read: none waits for a socket once signed."""
        places = self._places.get(origin)
        if places is None:
            places = self._places[origin] = asyncio.Semaphore(self._each)
        return places

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


def open_http(limits: Limits) -> aiohttp.ClientSession:
    """A session without redirects, cookies, proxies from the environment or decompression. The caller closes it.

    Times: `connect_s` with TLS, `first_byte_s` of silence. The whole of an attempt, waiting for a free socket included, and
    the pauses in a body are bounded in exchange.py. One repetition is aiohttp's own: a request on a kept-alive connection that
    turns out to be closed is sent once more, as it was signed.
    """
    return aiohttp.ClientSession(
        connector=Pool(limits.connections_per_host),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=limits.connect_s, sock_read=limits.first_byte_s
        ),
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
