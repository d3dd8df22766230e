"""What a worker process says of itself while its catalog is away."""

from __future__ import annotations

import pytest

from config.errors import CatalogUnavailableError
from config.limits import Limits
from ingest.catalog.patience import Patience
from tests.fakes.clock import ManualClock
from tests.fakes.shifts import FakeBell, FakeWorker, NoSchedules
from worker.process import _health
from worker.slots import Slots
from worker.sweeper import Sweeper
from worker.telemetry import Telemetry


@pytest.mark.parametrize(("seconds", "problem"), [(10, False), (60, True)])
async def test_work_that_waits_for_a_full_disk_is_told_and_after_a_while_a_problem(
    seconds: int, *, problem: bool
) -> None:
    """The sweeper may well be answered meanwhile, since it writes nothing."""
    clock, limits, worker = ManualClock(), Limits(), FakeWorker()
    slots = Slots(worker=worker, limits=limits)
    sweeper = Sweeper(
        worker=worker,
        catalog=worker,
        scheduler=NoSchedules(),
        bell=FakeBell(),
        slots=slots,
        telemetry=Telemetry(version="1"),
        limits=limits,
        clock=clock,
    )
    patience = Patience(limits=limits, clock=clock)
    patience.lost(CatalogUnavailableError("database or disk is full"))
    clock.advance(seconds)
    await sweeper.tick()
    health = _health("w", slots, sweeper, patience, redis_up=True, sweep_s=2.0)
    assert health.details["catalog_away"] == "database or disk is full"
    assert ("disk is full" in str(health.problem)) is problem
