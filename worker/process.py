"""What one worker process consists of beside arq: slots, sweeper, bell, metrics. Opened and closed as one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import structlog

from config.settings import Settings
from credentials.clock import SystemClock
from credentials.events import Event as CredentialEvent
from ingest.catalog.patience import Patience
from ingest.events import CatalogAway, CatalogBack, Purged
from ingest.events import Event as IngestEvent
from worker.health import Health, serve
from worker.purger import Purger
from worker.queue import Bell, open_bell
from worker.ringing import Ringer
from worker.scheduling import Scheduler
from worker.service import ObserveAll, Service, open_service
from worker.slots import Slots
from worker.sweeper import Sweeper
from worker.tasks import Context
from worker.telemetry import Telemetry

log = structlog.get_logger(__name__)

_SILENT_S = 30.0
"""A sweep may wait for a busy catalog; longer than this, and somebody should look."""


@asynccontextmanager
async def open_process(settings: Settings, *, redis_up: Callable[[], bool]) -> AsyncGenerator[Context]:
    """Build the process; at the end, drain the slots first, so that every shard is given back. Works without Redis.

    Raises SettingsError or CatalogError.
    """
    telemetry = Telemetry(version=version("longshore"))
    limits = settings.limits
    ringer = Ringer()
    async with (
        open_service(settings, observe=_observer(telemetry), ring=ringer.ring) as service,
        open_bell(settings) as bell,
    ):
        patience = service.catalog.patience
        slots = Slots(worker=service.worker, limits=limits, stopped=patience.end)
        sweeper, purger = _lookers(service, bell, slots, telemetry)
        telemetry.watch(slots_busy=lambda: slots.busy, redis_up=redis_up, catalog_waiting=lambda: patience.waiting)

        def health() -> Health:
            return _health(service.worker.owner, slots, sweeper, patience, redis_up=redis_up(), sweep_s=limits.sweep_s)

        async with serve(
            host=settings.metrics_host, port=settings.metrics_port, render=telemetry.render, health=health
        ) as port:
            log.info(
                "worker started",
                worker=service.worker.owner,
                workspace=settings.workspace,
                queue=settings.queue,
                metrics=f"http://{settings.metrics_host}:{port}/metrics",
            )
            for concern in await bell.concerns():
                log.warning("jobs on the queue may be lost before a worker accepts them", concern=concern)
            helpers = [asyncio.create_task(helping) for helping in (sweeper.run(), purger.run(), ringer.run(bell))]
            try:
                yield Context(intake=service, bell=bell, slots=slots, limits=limits, run_ended=telemetry.observe)
            finally:
                try:
                    await slots.drain(limits.drain_s)
                    await service.worker.stops()
                finally:
                    for helper in helpers:
                        helper.cancel()
                    await asyncio.gather(*helpers, return_exceptions=True)
                    log.info("worker ended", worker=service.worker.owner)


def _health(
    owner: str, slots: Slots, sweeper: Sweeper, patience: Patience, *, redis_up: bool, sweep_s: float
) -> Health:
    quiet_s, most_s = sweeper.quiet_s, _SILENT_S + 3 * sweep_s
    if slots.stopping:
        problem = "the worker is stopping"
    elif quiet_s is None:
        problem = "the catalog has not answered yet"
    elif quiet_s > most_s:
        problem = f"the catalog has not answered for {quiet_s:.0f} s"
    elif patience.away_s > most_s:  # what writes nothing may well be answered when the disk is full
        problem = f"work waits for the catalog since {patience.away_s:.0f} s: {patience.reason}"
    else:
        problem = None
    # Redis is told and does not decide: work goes on without it, and a restart of this process would not bring it back.
    return Health(
        problem=problem,
        details={
            "worker": owner,
            "slots_busy": slots.busy,
            "redis": redis_up,
            "swept_seconds_ago": quiet_s,
            "catalog_waiting": patience.waiting,
            "catalog_away": patience.reason,
        },
    )


def _lookers(service: Service, bell: Bell, slots: Slots, telemetry: Telemetry) -> tuple[Sweeper, Purger]:
    """What looks at the catalog by itself, again and again."""
    settings, clock = service.settings, SystemClock()
    sweeper = Sweeper(
        worker=service.worker,
        catalog=service.catalog,
        scheduler=Scheduler(service, run_ended=telemetry.observe),
        bell=bell,
        slots=slots,
        telemetry=telemetry,
        limits=settings.limits,
        clock=clock,
    )
    purger = Purger(
        retention=service.retention,
        registry=service.registry,
        workspace=settings.workspace,
        limits=settings.limits,
        clock=clock,
    )
    return sweeper, purger


def _observer(telemetry: Telemetry) -> ObserveAll:
    def observe(event: IngestEvent | CredentialEvent) -> None:
        telemetry.observe(event)
        _log(event)

    return observe


def _log(event: IngestEvent | CredentialEvent) -> None:
    """What an operator must know though nothing failed."""
    if isinstance(event, CatalogAway):
        waits = "the catalog is out of reach; work waits, and goes on by itself"
        log.warning(waits, reason=event.reason, seconds=round(event.seconds, 1))
    elif isinstance(event, CatalogBack):
        log.info("the catalog is back; work goes on", seconds=round(event.seconds, 1))
    elif isinstance(event, Purged):
        log.info("purged what was kept for long enough", table=event.table, rows=event.rows)
