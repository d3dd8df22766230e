"""Keeps aiobotocore where it was sent: it would follow redirects to any host, with our session token on board."""

from __future__ import annotations

from typing import Any

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession


class StayingSession(AIOHTTPSession):  # type: ignore[misc]  # aiobotocore ships no types
    """Follows no redirect; what we ask has no reason to send any."""

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        return _Staying(session)


class _Staying:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, method: str, **options: Any) -> aiohttp.ClientResponse:
        return await self._session.request(method, **options, allow_redirects=False)
