"""One request to an HTTPS server: shown who asks, at the origin's pace, told to whoever watches. Hides gates, shares and events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Literal

from config.errors import AccessDeniedError, SourceError
from credentials.web import WebAccess
from ingest.events import Observe, RequestMade
from ingest.gate import Gate, Gates, verdict
from ingest.https import Conditions, Fetched, Fetcher, Follows
from ingest.https_body import Extent
from ingest.pace import Verdict

Request = Literal["head", "get"]
_LOGIN: Final = "login"
"""The field of an error that says by which version of the login it was refused."""


class WebAsking:
    """Of one origin through one connection."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        gates: Gates,
        share: asyncio.Semaphore,
        access: WebAccess,
        follows: Follows,
        origin: str,
        label: str,
        observe: Observe,
    ) -> None:
        """`origin`: `https://host[:port]`; `label`: what metrics call it. `share`: what may be in flight to it together."""
        self._fetcher, self._gates, self._share, self._access = fetcher, gates, share, access
        self._follows, self._origin, self._label, self._observe = follows, origin, label, observe
        self.heads = True
        """Whether the server takes HEADs, as far as is known."""

    @asynccontextmanager
    async def ask(self, request: Request, key: bytes, extent: Extent, asked: Conditions) -> AsyncGenerator[Fetched]:
        """An answer; its end is told once, and each redirect on the way there, whatever comes of it. Nothing is tried again. Raises SourceError."""
        headers, version = self._access.headers(), self._access.version
        async with self._share, self._turn() as (gate, admitted):
            began, outcome, received = time.perf_counter(), "Cancelled", 0
            status: object = None
            try:
                async with self._fetcher.fetch(
                    f"{self._origin}{key.decode()}",
                    method="HEAD" if request == "head" else "GET",
                    credentials=lambda _address: headers,
                    first=extent.first,
                    last=extent.last,
                    conditions=asked,
                    follows=self._follows,
                    hopped=lambda: self._observe(
                        RequestMade(self._label, request, "Redirected", seconds=0.0, bytes_read=0)
                    ),
                ) as fetched:
                    status = fetched.status
                    gate.saw(verdict(fetched.status), admitted=admitted, seconds=time.perf_counter() - began)
                    try:
                        yield fetched
                    finally:
                        received = fetched.body.bytes_received
                outcome = "ok"
            except SourceError as error:
                outcome = error.code
                if status is None and isinstance(status := error.fields.get("status"), int):
                    gate.saw(_load(status), admitted=admitted, seconds=time.perf_counter() - began)
                    error.fields[_LOGIN] = version
                raise
            finally:
                spent = time.perf_counter() - began
                self._observe(RequestMade(self._label, request, outcome, seconds=spent, bytes_read=received))

    async def repair(self, error: SourceError) -> bool:
        """Whether the login was refused, and is kept elsewhere and was replaced there."""
        version = error.fields.get(_LOGIN)
        refused = isinstance(error, AccessDeniedError) and error.fields.get("status") == 401
        return refused and isinstance(version, int) and await self._access.refused(version)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[tuple[Gate, float]]:
        gate = self._gates.of(self._origin, self._label, "read")
        admitted = await gate.enter()
        try:
            yield gate, admitted
        finally:
            gate.leave()


def _load(status: int) -> Verdict:
    """That a method is not known says nothing of it."""
    return "ok" if status == 501 else verdict(status)
