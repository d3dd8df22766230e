"""Makes runs of schedules whose time has come: hides that their jobs may not be usable any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from config.errors import CatalogUnavailableError
from ingest.catalog.schedules import Fired, Schedule
from ingest.events import RunEnded

log = structlog.get_logger(__name__)


class Fires(Protocol):
    """What is due, and firing it. `worker.service.Service` is one."""

    async def due(self) -> list[Schedule]: ...

    async def fire(self, schedule: Schedule) -> Fired | None: ...


class Scheduler:
    """Looks for schedules that are due; each sweeper has one, and they may look at the same time."""

    def __init__(self, schedules: Fires, *, run_ended: Callable[[RunEnded], None]) -> None:
        self._schedules, self._run_ended = schedules, run_ended

    async def fire(self) -> int:
        """Make the runs that are due. Returns how many shards they have. Raises CatalogUnavailableError."""
        shards = 0
        for schedule in await self._schedules.due():
            with structlog.contextvars.bound_contextvars(schedule=schedule.name):
                try:
                    fired = await self._schedules.fire(schedule)
                except CatalogUnavailableError:
                    raise
                except Exception:
                    log.exception("a schedule broke; the others go on, and it is looked at again")
                    continue
                if fired is not None:
                    shards += self._tell(fired)
        return shards

    def _tell(self, fired: Fired) -> int:
        run, missed = fired.run, fired.schedule.missed
        if not fired.new:
            log.warning("a time passed without a run: the one before it still waits", run=run.id, missed=missed)
            return 0
        if missed:
            log.warning("times passed while nobody looked; one run stands for all", run=run.id, missed=missed)
        if run.ended:
            log.error("run failed", run=run.id, code=run.error_code, reason=run.error, paused=fired.schedule.paused)
            self._run_ended(RunEnded(connection="", state=run.state, seconds=0.0))
            return 0
        log.info("schedule made a run", run=run.id, connection=run.connection)
        return len(run.sources)
