"""The sweeper: what it finds, what it survives, what it tells."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from config.errors import CatalogUnavailableError
from config.limits import Limits
from tests.fakes.clock import ManualClock
from tests.fakes.shifts import FakeWorker, until
from worker.slots import Slots
from worker.sweeper import Sweeper
from worker.telemetry import Telemetry


@dataclass
class Bench:
    worker: FakeWorker
    clock: ManualClock = field(default_factory=ManualClock)
    limits: Limits = field(default_factory=lambda: Limits(slices_at_once=2, sweep_s=2.0))
    telemetry: Telemetry = field(default_factory=lambda: Telemetry(version="1"))
    due: int = 0
    """Shards of runs whose time has come."""
    rung: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = Slots(worker=self.worker, limits=self.limits)
        self.sweeper = Sweeper(
            worker=self.worker,
            catalog=self.worker,
            scheduler=self,
            bell=self,
            slots=self.slots,
            telemetry=self.telemetry,
            limits=self.limits,
            clock=self.clock,
        )

    async def fire(self) -> int:
        due, self.due = self.due, 0
        self.worker.shards += due
        return due

    async def ring(self, times: int = 1) -> bool:
        self.rung.append(times)
        return True

    def metric(self, line: str) -> bool:
        return f"\n{line}\n" in self.telemetry.render().decode()


async def test_shards_that_nobody_was_told_of_fill_free_slots() -> None:
    bench = Bench(FakeWorker(shards=5))
    await bench.sweeper.tick()
    assert bench.slots.busy == 2
    bench.worker.release()
    await until(lambda: not bench.slots.busy)
    assert bench.worker.done == 5


async def test_what_is_due_fills_slots_and_rings_for_the_rest() -> None:
    bench = Bench(FakeWorker(), due=3)
    await bench.sweeper.tick()
    assert (bench.slots.busy, bench.rung) == (2, [1])
    bench.worker.release()
    await until(lambda: not bench.slots.busy)
    await bench.sweeper.tick()
    assert (bench.worker.done, bench.rung) == (3, [1])


async def test_it_tells_how_many_shards_wait_and_for_how_long() -> None:
    bench = Bench(FakeWorker(shards=1))
    bench.worker.release()
    await bench.sweeper.tick()
    assert bench.metric("longshore_queue_depth 1.0")
    assert bench.metric("longshore_queue_age_seconds 7.5")
    await bench.slots.drain(5)


@pytest.mark.parametrize("trouble", [CatalogUnavailableError("locked"), ZeroDivisionError("a bug")])
async def test_trouble_is_told_and_survived(trouble: Exception) -> None:
    bench = Bench(FakeWorker())
    bench.worker.sweep_trouble = [trouble]
    await bench.sweeper.tick()
    silent = bench.sweeper.quiet_s
    assert silent is None
    assert bench.metric('longshore_sweeps_total{outcome="failed"} 1.0')
    await bench.sweeper.tick()
    assert bench.sweeper.quiet_s == 0
    assert bench.metric('longshore_sweeps_total{outcome="ok"} 1.0')


async def test_it_looks_again_and_again_whatever_goes_wrong() -> None:
    bench = Bench(FakeWorker())
    bench.worker.sweep_trouble = [ZeroDivisionError(), CatalogUnavailableError()]
    sweeping = asyncio.create_task(bench.sweeper.run())
    for sweeps in range(1, 5):
        await until(lambda: bench.clock.sleepers == 1)
        assert bench.worker.swept == sweeps
        bench.clock.advance(2.0)
        await asyncio.sleep(0)
    sweeping.cancel()
    await asyncio.gather(sweeping, return_exceptions=True)
    assert sweeping.cancelled()


async def test_silence_is_measured_from_the_last_answer() -> None:
    bench = Bench(FakeWorker())
    await bench.sweeper.tick()
    bench.clock.advance(40)
    bench.worker.sweep_trouble = [CatalogUnavailableError()]
    await bench.sweeper.tick()
    assert bench.sweeper.quiet_s == 40


async def test_a_process_with_nothing_to_do_looks_all_the_same() -> None:
    """So it says again that it is idle; one that works does not ask for what is not there."""
    bench = Bench(FakeWorker(shards=1))
    bench.worker.shards = 0
    await bench.sweeper.tick()
    assert bench.slots.busy == 1
    await until(lambda: not bench.slots.busy)
    bench.worker.shards = 1
    bench.slots.wake()
    await until(lambda: bench.worker.working == 1)
    await bench.sweeper.tick()
    assert bench.slots.busy == 1
    bench.worker.release()
    await bench.slots.drain(5)
