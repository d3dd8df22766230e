"""The slices that one process works on at once: hides that they outlive the rings that woke them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from config.errors import CatalogUnavailableError
from config.limits import Limits
from ingest.work import Outcome

log = structlog.get_logger(__name__)


class WorksShards(Protocol):
    """What a slot drives. `ingest.work.Worker` is one."""

    async def work_next(self, *, stop: Stop) -> Outcome | None: ...


class Stop(Protocol):
    def __call__(self) -> bool: ...


class Slots:
    """A slot works shard after shard until the catalog has none to claim. A ring fills one; there are `slices_at_once`.

    Slices are no arq jobs: a job of an hour would hold its ring for that hour, and arq would let a killed worker's ring lie for
    as long again. Rings end at once; what is worked on stands in the catalog, under a lease.
    """

    def __init__(self, *, worker: WorksShards, limits: Limits, stopped: Callable[[], None] = lambda: None) -> None:
        """`stopped` is called once nothing more is to be waited for."""
        self._worker, self._most, self._stopped = worker, limits.slices_at_once, stopped
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def busy(self) -> int:
        """Slots that work now."""
        return len(self._tasks)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def wake(self, wanted: int = 1) -> int:
        """Fill up to `wanted` free slots. Returns how many."""
        if self._stopping:
            return 0
        started = min(max(wanted, 0), self._most - len(self._tasks))
        for _ in range(started):
            task = asyncio.create_task(self._fill())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return started

    def stop(self) -> None:
        """Start nothing more; slices commit what is in flight and give their shards back."""
        self._stopping = True
        self._stopped()

    def cancel(self) -> None:
        """Stop without waiting for what is in flight; shards are still given back."""
        self.stop()
        for task in self._tasks:
            task.cancel()

    async def drain(self, seconds: float) -> bool:
        """Stop, and wait until every shard is given back. What is not done after `seconds` is cancelled, which also gives it back.

        Returns whether all ended by themselves. A cancelled caller cancels the slices too.
        """
        self.stop()
        tasks = set(self._tasks)
        if not tasks:
            return True
        log.info("finishing what is in flight", slices=len(tasks), seconds_at_most=seconds)
        late = tasks
        try:
            _, late = await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in late:
                task.cancel()
        if late:
            log.warning("slices did not finish in time; they give back what is not committed", slices=len(late))
            await asyncio.wait(late)
        return not late

    def _asked_to_stop(self) -> bool:
        return self._stopping

    async def _fill(self) -> None:
        try:
            while not self._stopping and await self._worker.work_next(stop=self._asked_to_stop) is not None:
                pass
        except CatalogUnavailableError as error:
            log.debug("the catalog is out of reach; this slot is empty", reason=error.message)
        except Exception:
            log.exception("a slot broke; the sweeper fills it again")
