"""How long work waits for a catalog that is away: hides the pauses, what is told meanwhile, and that nothing expires after an outage."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa

from config.database import Database
from config.errors import CatalogUnavailableError
from config.limits import Limits
from credentials.clock import Clock, SystemClock
from ingest.events import CatalogAway, CatalogBack, Observe, ignore

T = TypeVar("T")

_REMIND_S = 30.0


class Patience:
    """One for each process and catalog. Work that meets a full disk, a lock or a database that is down waits here, and goes on by
    itself; whoever watches is told once that it waits, again every 30 s, and when the catalog is back.
    """

    def __init__(self, *, limits: Limits, clock: Clock | None = None, observe: Observe = ignore) -> None:
        self._limits, self._observe = limits, observe
        self.clock = clock or SystemClock()
        self._ended = asyncio.Event()
        self._waiting = 0
        self._reason: str | None = None
        self._lost_at = 0.0
        self._told_at: float | None = None
        self._back_at: float | None = None

    @property
    def waiting(self) -> int:
        """Pieces of work that wait now."""
        return self._waiting

    @property
    def reason(self) -> str | None:
        """Why the catalog is away; None while it is not."""
        return self._reason

    @property
    def away_s(self) -> float:
        """For how long it has been away."""
        return 0.0 if self._reason is None else self.clock.monotonic() - self._lost_at

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """The work was told to stop: what waits gives up now, and what fails later does so at once."""
        self._ended.set()

    async def through(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run `attempt`, again and again while the catalog is away. It must bear being repeated after a COMMIT of unknown outcome.

        Raises CatalogUnavailableError only once the work was told to stop; anything else at once.
        """
        try:
            return await attempt()
        except CatalogUnavailableError as error:
            trouble = error
        if self.ended:
            raise trouble
        self._waits(trouble)
        self._waiting += 1
        answered, began = False, 0.0
        try:
            pause_s = self._limits.catalog_pause_first_s
            while not await self._told_to_stop(random.uniform(0.5, 1) * pause_s):  # noqa: S311 - jitter
                began = self.clock.monotonic()
                try:
                    result = await attempt()
                except CatalogUnavailableError as error:
                    self._waits(error)
                    trouble = error
                except Exception:
                    answered = True
                    raise
                else:
                    answered = True
                    return result
                pause_s = min(self._limits.catalog_pause_most_s, 2 * pause_s)
            raise trouble
        finally:
            self._waiting -= 1
            if answered:
                self.found(began)

    def watching(self, database: Database) -> Database:
        """The same database; what it says of being away is noted here."""
        return _Watched(database, self)

    def may_expire(self, began: float) -> bool:
        """Whether silence of others may be held against them. `began`: when this transaction was asked for, by `clock.monotonic`.

        Nobody could renew while the catalog was away, or stood still for about as long as a lease lasts.
        """
        if self._reason is not None or self._stood_still(began):
            return False
        return self._back_at is None or self.clock.monotonic() - self._back_at >= self._limits.lease_s

    def _stood_still(self, began: float) -> bool:
        return self.clock.monotonic() - began >= self._limits.lease_s - self._limits.heartbeat_s

    async def _told_to_stop(self, seconds: float) -> bool:
        """Wait so long at most."""
        if self._ended.is_set():
            return True
        nap, ended = asyncio.ensure_future(self.clock.sleep(seconds)), asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({nap, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            ended.cancel()
        return self._ended.is_set()

    def lost(self, error: CatalogUnavailableError) -> None:
        """The catalog is away."""
        if self._reason is None:
            self._lost_at = self.clock.monotonic()
        self._reason = error.message

    def _waits(self, error: CatalogUnavailableError) -> None:
        """And work waits for it."""
        self.lost(error)
        now = self.clock.monotonic()
        if self._told_at is None or now - self._told_at >= _REMIND_S:
            self._observe(
                CatalogAway(reason=error.message, seconds=now - self._lost_at, again=self._told_at is not None)
            )
            self._told_at = now

    def found(self, began: float) -> None:
        """The catalog took something that was asked for at `began`. While others still wait it is not back: a full disk can be read,
        and takes what writes nothing.
        """
        if self._stood_still(began):
            self._back_at = self.clock.monotonic()
        if self._reason is None or self._waiting:
            return
        self._back_at = self.clock.monotonic()
        self._reason = None
        if self._told_at is not None:
            self._told_at = None
            self._observe(CatalogBack(seconds=self._back_at - self._lost_at))

    @contextmanager
    def listening(self) -> Generator[None]:
        """An answer that does not come is told like a refusal: a server that stands still, or a network that swallows all, says nothing."""
        silence, heard = _Silence(self, self._limits.catalog_silent_s), False
        try:
            yield
            heard = True
        finally:
            if silence.end():
                self._waiting -= 1
                if heard:
                    self.found(silence.began)

    def silent(self, seconds: float, *, first: bool) -> None:
        """Something has had no answer for so long."""
        self._waiting += first
        self._waits(CatalogUnavailableError(f"the catalog has not answered for {seconds:.0f} s"))


class _Silence:
    """Speaks up again and again, until it ends."""

    def __init__(self, patience: Patience, every_s: float) -> None:
        self._patience, self._every_s, self._times = patience, every_s, 0
        self.began = patience.clock.monotonic()
        self._timer = asyncio.get_running_loop().call_later(every_s, self._speak)

    def _speak(self) -> None:
        self._times += 1
        self._patience.silent(self._times * self._every_s, first=self._times == 1)
        self._timer = asyncio.get_running_loop().call_later(self._every_s, self._speak)

    def end(self) -> bool:
        """Whether it had to speak."""
        self._timer.cancel()
        return self._times > 0


class _Watched:
    """See `config.database.Database`."""

    def __init__(self, database: Database, patience: Patience) -> None:
        self._database, self._patience = database, patience

    async def transaction(self, work: Callable[[sa.Connection], T]) -> T:
        began = self._patience.clock.monotonic()
        try:
            with self._patience.listening():
                result = await self._database.transaction(work)
        except CatalogUnavailableError as error:
            self._patience.lost(error)
            raise
        self._patience.found(began)
        return result

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            with self._patience.listening():
                return await self._database.read(work)
        except CatalogUnavailableError as error:
            self._patience.lost(error)
            raise

    async def aclose(self) -> None:
        await self._database.aclose()
