"""The HTTP session that every S3 client shares: hides sockets, time-outs, and all that aiohttp would do unasked."""

from __future__ import annotations

import aiohttp

from config.settings import Limits


def open_http(limits: Limits) -> aiohttp.ClientSession:
    """A session without redirects, cookies, proxies from the environment or decompression. The caller closes it.

    Times: `connect_s` with TLS, `first_byte_s` of silence. The whole of an attempt, waiting for a free socket included, and
    the pauses in a body are bounded in exchange.py. One repetition is aiohttp's own: a request on a kept-alive connection that
    turns out to be closed is sent once more, as it was signed.
    """
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=limits.connections_per_host, ttl_dns_cache=60)
    return aiohttp.ClientSession(
        connector=connector,
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
