"""Asks one bucket for what is answered by a small document. Hides attempts, what mends them, and that an answer of 200 may be an error."""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from xml.etree.ElementTree import Element

from config.errors import ProtocolError, SessionExpiredError
from config.limits import Limits
from credentials.session import Access
from ingest.events import Observe, ignore
from ingest.gate import Gates
from ingest.s3.address import Location
from ingest.s3.errors import explained
from ingest.s3.exchange import Answered, Call, Exchange
from ingest.s3.retry import Retry
from ingest.s3.route import Route, still_refused
from ingest.s3.transport import Transport
from ingest.s3.xml import is_error, read_document

T = TypeVar("T")


class Asker:
    """One bucket through one Access. Safe to share between tasks; holds no socket of its own."""

    def __init__(
        self,
        *,
        http: Transport,
        gates: Gates,
        access: Access,
        location: Location,
        limits: Limits,
        share: asyncio.Semaphore | None = None,
        observe: Observe = ignore,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = randomness.random,
    ) -> None:
        """As `S3Client`."""
        share = share or asyncio.Semaphore(limits.requests_per_connection)
        self.location, self.limits = location, limits
        self._exchange = Exchange(
            http=http, gates=gates, access=access, share=share, limits=limits, observe=observe, clock=clock
        )
        self._route = Route(location, access=access, exchange=self._exchange)
        self._retry = Retry(limits, monotonic=monotonic, sleep=sleep, random=random)

    async def ask(
        self, call: Call, read: Callable[[Element], T], *, check: Callable[[Answered], None] | None = None
    ) -> T:
        """What `read` makes of the answer's document; `check` looks at its headers first. Raises SourceError, CredentialError.

        White space may stand before the document: that keeps a connection open while a copy takes long.
        """

        async def once() -> T:
            with await self._exchange.attempt(call, self._route.address) as answered:
                body = (await answered.all(most=self.limits.error_body_bytes)).lstrip(b" \t\r\n")
                if check is not None:
                    check(answered)
                try:
                    root = read_document(body)
                    if not is_error(root):
                        return read(root)
                except ProtocolError as error:
                    raise explained(ProtocolError, call.subject, error.message, status=200) from None
                raise self._exchange.refusal(call, answered, body)

        return await self._run(call, once)

    async def tell(self, call: Call) -> Mapping[str, str]:
        """Ask for what is answered without a document: its headers, names in lower case. Raises as `ask`."""

        async def once() -> Mapping[str, str]:
            with await self._exchange.attempt(call, self._route.address) as answered:
                return answered.headers

        return await self._run(call, once)

    async def _run(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._retry.run(attempt, repair=lambda error: self._route.repair(call, error))
        except SessionExpiredError as error:
            raise still_refused(call, error) from None
