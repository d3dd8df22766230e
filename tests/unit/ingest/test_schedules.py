"""Schedules: who fires, how often, what is coalesced, and what becomes of a job that can't be used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.database import Database, db_now
from config.errors import ScheduleError, UnknownConnectionError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.schedules import Schedule, Schedules
from ingest.catalog.tables import schedules as table
from ingest.cron import Cron
from ingest.job import IngestJob
from tests.fakes.running import a_catalog, claimed

JOB = IngestJob(connection="c", uris=["s3://bucket-a", "s3://bucket-b/x/"])
HOURLY = Cron.read("0 * * * *")
HOUR = 3_600_000


@dataclass
class Bench:
    catalog: Catalog
    database: Database
    schedules: Schedules

    async def late(self, name: str, hours: float) -> Schedule:
        """As if so much of the schedule's time had passed since it was due; always just after a full hour."""
        due = (db_now() / HOUR) * HOUR - int(hours * HOUR)
        change = sa.update(table).where(table.c.name == name).values(due_at=due)
        await self.database.transaction(lambda tx: tx.execute(change))
        return (await self.schedules.get(name))[0]

    async def now(self) -> int:
        return await self.database.read(lambda tx: tx.execute(sa.select(db_now())).scalar_one())

    async def runs(self) -> list[Run]:
        return [run for run, _ in await self.catalog.newest_runs(100)]


@pytest.fixture(name="bench")
async def _bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    limits = Limits(schedules=3, heartbeat_s=60, lease_s=600)
    async with a_catalog(tmp_path, limits) as (catalog, database):
        yield Bench(catalog, database, Schedules(database=database, workspace="main", limits=limits))


async def test_a_schedule_is_due_at_its_next_time_and_not_before(bench: Bench) -> None:
    added = await bench.schedules.add("hourly", JOB, HOURLY)
    assert 0 < added.due_at - await bench.now() <= HOUR
    assert added.due_at % HOUR == 0
    assert await bench.schedules.due() == []
    assert await bench.schedules.fire(added, "c") is None
    assert await bench.runs() == []


async def test_a_time_makes_one_run_however_many_look(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    late = await bench.late("hourly", 0)
    assert await bench.schedules.due() == [late]
    fired = await asyncio.gather(*(bench.schedules.fire(late, "c") for _ in range(8)))
    (only,) = (one for one in fired if one is not None)
    (run,) = await bench.runs()
    assert (only.run, only.new, only.schedule.missed) == (run, True, 0)
    assert (run.state, run.origin, run.schedule, run.job_id, run.job) == ("queued", "queue", "hourly", None, JOB)
    assert (await bench.schedules.get("hourly"))[1] == run
    assert only.schedule.due_at > await bench.now()
    assert await bench.schedules.due() == []


async def test_times_that_nobody_saw_are_made_up_for_by_one_run(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    fired = await bench.schedules.fire(await bench.late("hourly", 5), "c")
    assert fired is not None
    assert (fired.new, fired.schedule.missed) == (True, 5)
    assert len(await bench.runs()) == 1
    assert fired.schedule.due_at - await bench.now() <= HOUR


async def test_there_is_no_second_run_while_one_waits_and_one_beside_a_run_that_is_worked_on(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    first = await bench.schedules.fire(await bench.late("hourly", 0), "c")
    again = await bench.schedules.fire(await bench.late("hourly", 1), "c")
    assert first is not None
    assert again is not None
    assert (again.new, again.run.id, again.schedule.missed) == (False, first.run.id, 2)
    by_hand = await bench.schedules.run_now("hourly", "c")
    assert (by_hand.new, by_hand.run.id) == (False, first.run.id)
    await claimed(bench.catalog)
    third = await bench.schedules.fire(await bench.late("hourly", 0), "c")
    assert third is not None
    assert (third.new, third.schedule.missed, len(await bench.runs())) == (True, 0, 2)
    assert await bench.catalog.waits_for(third.run.id) == [first.run.id]


async def test_a_job_that_is_refused_is_a_failed_run_once_for_each_time(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    error = UnknownConnectionError("there is no connection 'c'")
    late = await bench.late("hourly", 0)
    fired = await asyncio.gather(*(bench.schedules.fire(late, error) for _ in range(3)))
    assert sum(one is not None for one in fired) == 1
    (run,) = await bench.runs()
    assert (run.state, run.error_code, run.schedule, run.connection) == ("failed", "UnknownConnection", "hourly", "c")
    assert (await bench.schedules.all())[0][1] == run
    again = await bench.schedules.fire(await bench.late("hourly", 0), "c")
    assert again is not None
    assert again.run.state == "queued"


async def test_a_cron_line_that_this_machine_can_not_read_pauses_its_schedule_and_says_why(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    change = sa.update(table).values(timezone="Mars/Olympus")
    await bench.database.transaction(lambda tx: tx.execute(change))
    fired = await bench.schedules.fire(await bench.late("hourly", 0), "c")
    assert fired is not None
    assert fired.schedule.paused
    assert "Mars/Olympus" in (fired.run.error or "")
    assert await bench.schedules.due() == []


async def test_a_paused_schedule_makes_no_runs_but_by_hand_and_makes_up_for_nothing(bench: Bench) -> None:
    await bench.schedules.add("hourly", JOB, HOURLY)
    late = await bench.late("hourly", 3)
    assert (await bench.schedules.pause("hourly")).paused
    assert await bench.schedules.due() == []
    assert await bench.schedules.fire(late, "c") is None
    assert (await bench.schedules.run_now("hourly", "c")).new
    resumed = await bench.schedules.resume("hourly")
    assert not resumed.paused
    assert resumed.due_at > await bench.now()
    assert (await bench.schedules.resume("hourly")).due_at == resumed.due_at


async def test_a_removed_schedules_runs_stay_and_its_name_may_come_again(bench: Bench) -> None:
    first = await bench.schedules.add("hourly", JOB, HOURLY)
    run = (await bench.schedules.run_now("hourly", "c")).run
    await bench.schedules.remove("hourly")
    assert await bench.schedules.fire(first, "c") is None
    assert (await bench.catalog.run(run.id))[0].schedule == "hourly"
    second = await bench.schedules.add("hourly", JOB, HOURLY)
    assert second.id != first.id
    assert (await bench.schedules.get("hourly"))[1] is None


async def test_names_and_numbers_have_bounds(bench: Bench, tmp_path: Path) -> None:
    for name in ("", "-x", "Über", "x" * 64):
        with pytest.raises(ScheduleError, match="no name for a schedule"):
            await bench.schedules.add(name, JOB, HOURLY)
    for name in ("a", "b", "c"):
        await bench.schedules.add(name, JOB, HOURLY)
    with pytest.raises(ScheduleError, match="already"):
        await bench.schedules.add("a", JOB, HOURLY)
    with pytest.raises(ScheduleError, match="LONGSHORE_LIMITS__SCHEDULES"):
        await bench.schedules.add("d", JOB, HOURLY)
    for use in (bench.schedules.get, bench.schedules.pause, bench.schedules.resume, bench.schedules.remove):
        with pytest.raises(ScheduleError, match="there is no schedule 'z'"):
            await use("z")
    other = Schedules(database=bench.database, workspace="other", limits=Limits())
    assert await other.all() == []
    with pytest.raises(ScheduleError):
        await other.get("a")
