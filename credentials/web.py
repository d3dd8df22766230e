"""What an HTTPS server is shown of a connection: hides which kind says it how, and that a secret kept elsewhere may be replaced."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from credentials.kinds import BasicSpec, BearerSpec
from credentials.session import Renewing


class WebAccess(Renewing, Protocol):
    """One connection's way to the headers that show who asks."""

    @property
    def version(self) -> int:
        """Rises when they change."""
        ...

    def headers(self) -> Mapping[str, str]: ...

    async def refused(self, version: int) -> bool:
        """The server does not accept those of this version: read the secret anew. Whether there are others now."""
        ...


def login(spec: BasicSpec | BearerSpec, secret: str) -> Mapping[str, str]:
    """As RFC 7617 and RFC 6750 write it."""
    if isinstance(spec, BearerSpec):
        return {"authorization": f"Bearer {secret}"}
    pair = base64.b64encode(f"{spec.username}:{secret}".encode()).decode()
    return {"authorization": f"Basic {pair}"}


class Login:
    """A user and a password, or a token. Its repr shows none of them."""

    def __init__(self, spec: BasicSpec | BearerSpec, secret: str, *, again: Callable[[], Awaitable[str]]) -> None:
        """`again` reads the secret anew; it is asked no more once it had nothing new."""
        self._spec, self._again = spec, again
        self._headers = login(spec, secret)
        self.version = 1
        self._futile = False
        self._one_at_a_time = asyncio.Lock()

    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renew(self) -> None:
        async with self._one_at_a_time:
            await self._read()

    async def refused(self, version: int) -> bool:
        async with self._one_at_a_time:
            if version == self.version:
                await self._read()
            return version != self.version

    async def _read(self) -> None:
        if not self._futile:
            before, self._headers = self._headers, login(self._spec, await self._again())
            self._futile = before == self._headers
            self.version += not self._futile


class Nobody:
    """Without credentials."""

    version = 1

    def headers(self) -> Mapping[str, str]:
        return {}

    async def renew(self) -> None:
        """There is nothing to be renewed."""

    async def refused(self, version: int) -> bool:  # noqa: ARG002 - nothing was shown
        return False
