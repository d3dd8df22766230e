"""A catalog that is away: work waits, says so, goes on by itself; and nobody's silence is held against them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from config import sqlite
from config.errors import CatalogUnavailableError, FencedError, UnknownRunError
from config.limits import Limits
from ingest.catalog.assets import Place
from ingest.catalog.catalog import Catalog
from ingest.catalog.patience import Patience
from ingest.catalog.shards import Usage
from ingest.catalog.spans import Span
from ingest.catalog.tables import spans
from ingest.compare import Merged
from ingest.events import CatalogAway, CatalogBack, Event
from ingest.model import Range
from ingest.wanted import Wanted
from tests.fakes.bucket import FakeBucket
from tests.fakes.clock import ManualClock
from tests.fakes.database import FlakyDatabase
from tests.fakes.running import a_catalog, a_slice, claimed, closed, expire_leases, new_run
from tests.fakes.shifts import until

LIMITS = Limits(lease_s=10, heartbeat_s=2.5)


@dataclass
class Bench:
    """A catalog behind a database that fails on command, and a clock that is turned by hand."""

    folder: Path
    catalog: Catalog
    database: FlakyDatabase
    clock: ManualClock
    told: list[Event] = field(default_factory=list)

    @property
    def patience(self) -> Patience:
        return self.catalog.patience

    async def waits(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin something, and return once it waits for the catalog."""
        before = self.patience.waiting
        task = asyncio.create_task(work)
        await until(lambda: self.patience.waiting > before or task.done())
        await until(lambda: self.clock.sleepers > 0 or task.done())
        assert not task.done()
        return task

    async def pass_time(self, seconds: float) -> None:
        """In small steps; whoever wakes tries again, and sleeps or ends before the next one."""
        for _ in range(round(seconds * 4)):
            attempts, sleepers = self.database.attempts, self.clock.sleepers
            self.clock.advance(0.25)
            woken = sleepers - self.clock.sleepers
            await until(lambda attempts=attempts, woken=woken: self.database.attempts >= attempts + woken)  # type: ignore[misc]  # a default
            await until(lambda: self.clock.sleepers >= self.patience.waiting)


@pytest.fixture(name="bench")
async def _bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with a_catalog(tmp_path, LIMITS) as (_, database):
        flaky, clock, told = FlakyDatabase(database), ManualClock(), list[Event]()
        patience = Patience(limits=LIMITS, clock=clock, observe=told.append)
        catalog = Catalog(database=flaky, workspace="main", limits=LIMITS, patience=patience)
        yield Bench(tmp_path, catalog, flaky, clock, told)


def a_span(lo: bytes | None, hi: bytes | None, listed: int = 7) -> Span:
    return Span(source=0, merged=Merged(Range(lo, hi), listed=listed, unchanged=listed))


PLACE = Place("c", "bucket-a")


async def test_a_commit_waits_for_as_long_as_it_takes_and_says_so(bench: Bench) -> None:
    run_id = await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    bench.database.full = "database or disk is full"
    commit = await bench.waits(bench.catalog.commit(shard, [a_span(None, b"m")], place=PLACE, usage=Usage()))
    assert bench.told == [CatalogAway(reason="database or disk is full", seconds=0, again=False)]
    await bench.pass_time(65)
    assert not commit.done()
    reminders = [event for event in bench.told if isinstance(event, CatalogAway) and event.again]
    assert [round(event.seconds, -1) for event in reminders] == [30, 60]
    bench.database.full = None
    await bench.pass_time(3)
    assert (await commit).seq == 1
    back = bench.told[-1]
    assert isinstance(back, CatalogBack)
    assert 65 <= back.seconds <= 68
    assert (await bench.catalog.run(run_id))[1].listed == 7


async def test_pauses_grow_to_their_bound(bench: Bench) -> None:
    bench.database.away = "connection refused"
    claim = await bench.waits(bench.catalog.claim(owner="w"))
    await bench.pass_time(60)
    assert 30 <= bench.database.attempts <= 75
    claim.cancel()


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_commit_whose_answer_was_lost_is_not_done_twice(bench: Bench, lost: int) -> None:
    run_id = await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    bench.database.lose_commits = lost
    committing = await bench.waits(bench.catalog.commit(shard, [a_span(None, b"m")], place=PLACE, usage=Usage(list=1)))
    await bench.pass_time(2)
    moved = await committing
    assert (moved.seq, moved.todo) == (1, ((0, Range(b"m", None)),))
    _, totals = await bench.catalog.run(run_id)
    assert (totals.listed, totals.requests["list"]) == (7, 1)
    bench.database.lose_commits = 0
    assert (await bench.catalog.commit(moved, [a_span(b"m", None)], place=PLACE, usage=Usage())).todo == ()


async def test_a_lease_that_was_lost_meanwhile_is_fenced(bench: Bench) -> None:
    await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    bench.database.away = "gone"
    committing = await bench.waits(bench.catalog.commit(shard, [a_span(None, b"m")], place=PLACE, usage=Usage()))
    await expire_leases(bench.database._database)
    other = Catalog(database=bench.database._database, workspace="main", limits=LIMITS)
    assert await other.claim(owner="another") is not None
    bench.database.away = None
    await bench.pass_time(3)
    with pytest.raises(FencedError):
        await committing


WAITING: list[Callable[[Catalog, Any, Any], Awaitable[Any]]] = [
    lambda catalog, _shard, _run: catalog.claim(owner="w"),
    lambda catalog, _shard, _run: catalog.sweep(),
    lambda catalog, shard, _run: catalog.renew(shard),
    lambda catalog, shard, _run: catalog.give_back(shard, usage=Usage()),
    lambda catalog, shard, _run: catalog.fail(shard, UnknownRunError("why"), usage=Usage()),
    lambda catalog, _shard, run: catalog.remembered(run, 0),
    lambda catalog, _shard, _run: catalog.known(PLACE, prefix=b"", within=Range(), wanted=Wanted("list"), limit=9),
]


@pytest.mark.parametrize("number", range(len(WAITING)))
async def test_whatever_work_needs_waits_goes_on_and_ends_when_told_to_stop(bench: Bench, number: int) -> None:
    await new_run(bench.catalog)
    shard, run = await claimed(bench.catalog)
    bench.database.away = "connection refused"

    async def work() -> None:
        await WAITING[number](bench.catalog, shard, run)

    first = await bench.waits(work())
    bench.database.away = None
    await bench.pass_time(1)
    await first
    bench.database.away = "connection refused"
    if number in (3, 4):  # not its any more
        return
    second = await bench.waits(work())
    bench.patience.end()
    with pytest.raises(CatalogUnavailableError):
        await second
    with pytest.raises(CatalogUnavailableError):  # at once, from now on
        await work()


@pytest.mark.parametrize("ask", [lambda catalog: catalog.newest_runs(1), lambda catalog: catalog.find_assets(["c"])])
async def test_what_people_ask_for_fails_at_once(bench: Bench, ask: Callable[[Catalog], Awaitable[Any]]) -> None:
    bench.database.away = "connection refused"
    with pytest.raises(CatalogUnavailableError, match="connection refused"):
        await ask(bench.catalog)
    assert bench.told == []


async def test_a_full_disk_that_takes_what_writes_nothing_is_not_back(bench: Bench) -> None:
    await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    bench.database.full = "full"
    committing = await bench.waits(bench.catalog.commit(shard, [a_span(None, b"m")], place=PLACE, usage=Usage()))
    bench.database.full = None
    await bench.catalog.newest_runs(1)
    await bench.catalog.create_run((await bench.catalog.newest_runs(1))[0][0].job, connection_id="d", origin="x")  # type: ignore[arg-type]  # it has one
    assert bench.patience.reason == "full"
    await bench.pass_time(1)
    await committing
    assert bench.patience.reason is None


async def test_nothing_expires_for_one_lease_after_an_outage(bench: Bench) -> None:
    await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    bench.database.away = "restarting"
    sweeping = await bench.waits(bench.catalog.sweep())
    await expire_leases(bench.database._database)
    bench.database.away = None
    await bench.pass_time(2)
    await sweeping
    assert await bench.catalog.claim(owner="another") is None
    await bench.pass_time(7)
    await bench.catalog.sweep()
    await bench.catalog.renew(shard)  # it is still its owner's
    await expire_leases(bench.database._database)
    bench.clock.advance(LIMITS.lease_s)
    assert await bench.catalog.claim(owner="another") is not None


async def test_nothing_expires_by_a_transaction_that_stood_still(bench: Bench) -> None:
    """As when another process holds SQLite's lock for long: those who wait for it can't renew, and get no error either."""
    await new_run(bench.catalog)
    shard, _ = await claimed(bench.catalog)
    await expire_leases(bench.database._database)
    real, turned = bench.database._database, bench.clock

    class Slow:
        async def transaction(self, work: Callable[[sa.Connection], Any]) -> Any:
            turned.advance(12)
            return await real.transaction(work)

        async def read(self, work: Callable[[sa.Connection], Any]) -> Any:
            return await real.read(work)

        async def aclose(self) -> None: ...

    slow = Catalog(database=Slow(), workspace="main", limits=LIMITS, patience=bench.patience)
    assert await slow.claim(owner="another") is None
    assert await bench.catalog.claim(owner="another") is None
    await bench.catalog.renew(shard)


async def test_in_normal_times_silence_costs_the_shard_at_once(bench: Bench) -> None:
    await new_run(bench.catalog)
    await claimed(bench.catalog)
    await expire_leases(bench.database._database)
    assert await bench.catalog.claim(owner="another") is not None


@pytest.mark.parametrize("which", ["max_page_count", "locked"])
async def test_a_run_goes_on_exactly_once_the_disk_has_room_again(
    tmp_path: Path, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real file that may not grow, or that another process has locked, in the midst of a run."""
    limits = Limits(page_keys=4, span_probes=4, heartbeat_s=0.5, lease_s=2, catalog_pause_most_s=0.1)
    bucket = FakeBucket(page_keys=4)
    for number in range(2000):
        bucket.put(b"k%04d" % number)
    told: list[Event] = []
    async with a_catalog(tmp_path, limits) as (_, database):
        patience = Patience(limits=limits, observe=told.append)
        catalog = Catalog(database=database, workspace="main", limits=limits, patience=patience)
        run_id = await new_run(catalog, depth="list")
        shard, run = await claimed(catalog)
        working = asyncio.create_task(a_slice(catalog, shard, run, bucket, limits).work())
        count = sa.select(sa.func.count()).select_from(spans)
        async with asyncio.timeout(10):
            while not await database.read(lambda tx: tx.execute(count).scalar_one()):
                pass
        if which == "locked":
            monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 10)
            with closing(
                sqlite3.connect(tmp_path / "catalog.db", isolation_level=None, check_same_thread=False)
            ) as other:
                await asyncio.to_thread(_lock, other)
                await until(lambda: bool(told))
        else:
            await _limit(database, 1)  # as many pages as there are
            await until(lambda: bool(told) or working.done())
            assert patience.waiting
            await _limit(database, 1_000_000)
        async with asyncio.timeout(30):
            await working
        await closed(catalog, run_id)
        run, totals = await catalog.run(run_id)
        assert (run.state, totals.listed, totals.outcomes["added"]) == ("complete", 2000, 2000)
        assert len(await catalog.find_assets(["c"], limit=3000)) == 2000
        assert await database.read(lambda tx: tx.exec_driver_sql("PRAGMA integrity_check").scalar()) == "ok"
    assert isinstance(told[0], CatalogAway)
    assert isinstance(told[-1], CatalogBack)


def _lock(other: sqlite3.Connection) -> None:
    other.execute("PRAGMA busy_timeout = 5000")
    other.execute("BEGIN IMMEDIATE")


async def _limit(database: Any, pages: int) -> None:
    await database.transaction(lambda tx: tx.exec_driver_sql(f"PRAGMA max_page_count = {pages}"))


async def test_a_catalog_that_says_nothing_is_told_as_one_that_is_away_until_it_answers(tmp_path: Path) -> None:
    """A server that stands still refuses nothing."""
    told: list[Event] = []
    limits = LIMITS.model_copy(update={"catalog_silent_s": 0.02})
    patience = Patience(limits=limits, observe=told.append)
    answers = asyncio.Event()

    class Mute:
        async def transaction(self, _work: object) -> int:
            await answers.wait()
            return 1

        read = transaction

        async def aclose(self) -> None: ...

    watched = patience.watching(Mute())  # type: ignore[arg-type]  # it runs nothing
    asked = [asyncio.create_task(watched.read(lambda _: 1)), asyncio.create_task(watched.transaction(lambda _: 1))]
    await until(lambda: patience.waiting == 2)
    assert "has not answered" in str(patience.reason)
    assert not patience.may_expire(patience.clock.monotonic())
    answers.set()
    assert await asyncio.gather(*asked) == [1, 1]
    assert (patience.waiting, patience.reason) == (0, None)
    assert [type(event) for event in told] == [CatalogAway, CatalogBack]
