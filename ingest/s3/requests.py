"""Requests to one bucket: hides that each is tried again, and mended where its session or its region is at fault."""

from __future__ import annotations

import asyncio
import random as randomness
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from config.errors import SessionExpiredError
from config.limits import Limits
from credentials.session import Access
from ingest.events import Observe, ignore
from ingest.gate import Gates
from ingest.s3.address import Location
from ingest.s3.exchange import Call, Exchange
from ingest.s3.retry import Retry
from ingest.s3.route import Route, still_refused
from ingest.s3.transport import Transport

T = TypeVar("T")


class Requests:
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
        """`http` comes from `open_http` and stays the caller's; `gates` are the process's. `share`: what all
        clients of one connection may have in flight together; None: this one's own. `clock` gives Unix time, `random` numbers in [0, 1).

        Raises RequestRefusedError, RegionError or SettingsError for a location that can't be.
        """
        self._location = location
        self._limits = limits
        share = share or asyncio.Semaphore(limits.requests_per_connection)
        self._exchange = Exchange(
            http=http, gates=gates, access=access, share=share, limits=limits, observe=observe, clock=clock
        )
        self._route = Route(location, access=access, exchange=self._exchange)
        self._retry = Retry(limits, monotonic=monotonic, sleep=sleep, random=random)

    @property
    def region(self) -> str:
        """Where the bucket is, as far as is known."""
        return self._route.address.region

    async def _run(self, call: Call, attempt: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self._retry.run(attempt, repair=lambda error: self._route.repair(call, error))
        except SessionExpiredError as error:
            raise still_refused(call, error) from None
