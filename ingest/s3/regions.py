"""Where buckets are, for whoever signs without sending anything: asked once, remembered for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from weakref import WeakValueDictionary

from config.errors import RegionError
from config.limits import Limits
from ingest.events import Observe, ignore
from ingest.gate import Gates
from ingest.s3.address import Address, Location, address_of
from ingest.s3.exchange import Exchange
from ingest.s3.route import look_up, moved
from ingest.s3.transport import Transport

_Asked = tuple[str | None, bool | None, str, str]


class Regions:
    """The addresses of buckets in one process, for all its connections: nothing about one is secret, and nothing is signed."""

    def __init__(
        self,
        *,
        gates: Gates,
        limits: Limits,
        observe: Observe = ignore,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gates, self._limits, self._observe, self._monotonic = gates, limits, observe, monotonic
        self._share = asyncio.Semaphore(limits.requests_per_connection)
        self._known: OrderedDict[_Asked, tuple[Address, float]] = OrderedDict()
        """With the time until which each is believed."""
        self._asking: WeakValueDictionary[_Asked, asyncio.Lock] = WeakValueDictionary()

    async def address(self, location: Location, http: Transport) -> Address:
        """Where requests for this bucket go; by the location's own region if the storage does not tell a better one over `http`.

        Raises what `address_of` raises for a location that can't be.
        """
        here = address_of(location, location.region)
        asked = (location.endpoint, location.path_style, location.region, location.bucket)
        known = self._believed(asked)
        if known is not None:
            return known
        lock = self._asking.get(asked)
        if lock is None:
            lock = self._asking[asked] = asyncio.Lock()
        async with lock:
            return self._believed(asked) or await self._ask(asked, location, here, http)

    def _believed(self, asked: _Asked) -> Address | None:
        known = self._known.get(asked)
        if known is None or self._monotonic() >= known[1]:
            return None
        self._known.move_to_end(asked)
        return known[0]

    async def _ask(self, asked: _Asked, location: Location, here: Address, http: Transport) -> Address:
        exchange = Exchange(
            http=http,
            gates=self._gates,
            access=None,
            share=self._share,
            limits=self._limits,
            observe=self._observe,
            clock=time.time,
        )
        region = await look_up(exchange, here, location.bucket)
        try:
            found = moved(location, here, region)
        except RegionError:  # what it told is no region
            region, found = "", None
        seconds = self._limits.bucket_region_s if region else self._limits.bucket_region_unknown_s
        self._known[asked] = (found or here, self._monotonic() + seconds)
        self._known.move_to_end(asked)
        if len(self._known) > self._limits.bucket_regions:
            self._known.popitem(last=False)
        return found or here
