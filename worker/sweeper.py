"""Looks at the catalog again and again: hides that rings get lost, workers die, and Redis forgets."""

from __future__ import annotations

from typing import Protocol

import structlog

from config.errors import CatalogUnavailableError
from config.limits import Limits
from credentials.clock import Clock
from worker.slots import Slots
from worker.telemetry import Telemetry

log = structlog.get_logger(__name__)


class Sweeps(Protocol):
    """Takes back what silent workers hold. `ingest.work.Worker` is one."""

    async def sweep(self) -> int: ...


class Waits(Protocol):
    """Tells what waits to be claimed. `ingest.catalog.catalog.Catalog` is one."""

    async def waiting(self) -> tuple[int, float]: ...


class FiresSchedules(Protocol):
    """Makes the runs that are due, and returns how many shards they have. `worker.scheduling.Scheduler` is one."""

    async def fire(self) -> int: ...


class Rings(Protocol):
    """Tells other workers. `worker.queue.Bell` is one."""

    async def ring(self, times: int = 1) -> bool: ...


class Sweeper:
    """Every `sweep_s`: expired leases, schedules that are due, and shards that nobody was told of.

    It fills this process's own free slots and needs no Redis for it: each process does so, hence an idle one finds what a
    busy one was rung for, and a run goes on when Redis is away or comes back empty.
    """

    def __init__(
        self,
        *,
        worker: Sweeps,
        catalog: Waits,
        scheduler: FiresSchedules,
        bell: Rings,
        slots: Slots,
        telemetry: Telemetry,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._worker, self._catalog, self._slots = worker, catalog, slots
        self._scheduler, self._bell = scheduler, bell
        self._telemetry, self._limits, self._clock = telemetry, limits, clock
        self._last_good: float | None = None

    @property
    def quiet_s(self) -> float | None:
        """Seconds since the catalog last answered; None if it never did."""
        return None if self._last_good is None else self._clock.monotonic() - self._last_good

    async def run(self) -> None:
        """Sweep until cancelled. Nothing that goes wrong ends it."""
        while True:
            await self.tick()
            await self._clock.sleep(self._limits.sweep_s)

    async def tick(self) -> None:
        """Look once."""
        try:
            await self._worker.sweep()
            due = await self._scheduler.fire()
            count, age_s = await self._catalog.waiting()
        except CatalogUnavailableError as error:
            self._telemetry.swept(ok=False)
            log.debug("the catalog is out of reach; looking again", reason=error.message)
            return
        except Exception:
            self._telemetry.swept(ok=False)
            log.exception("a sweep broke; looking again")
            return
        self._telemetry.queue(depth=count, age_s=age_s)
        self._telemetry.swept(ok=True)
        self._last_good = self._clock.monotonic()
        # A process with nothing to do looks all the same: so it says again that it is idle.
        started = self._slots.wake(count if self._slots.busy else max(count, 1))
        if started and count:
            log.debug("filled slots with shards that waited", slots=started, waiting=count)
        if due > started:
            await self._bell.ring(min(due - started, self._limits.rings))
