"""What is kept, and for how long: nothing is remembered wrongly, whatever was purged before, and nothing is half gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.database import Database, db_now
from config.errors import ConnectionRuleError, UnknownConnectionError
from config.limits import Limits
from credentials.tables import audit, connections
from credentials.tombstones import Tombstones
from ingest.catalog import purging
from ingest.catalog.catalog import Catalog
from ingest.catalog.purging import Gone
from ingest.catalog.retention import Retention
from ingest.catalog.tables import assets, runs, schedules, shards, spans
from ingest.events import Event, Purged
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, confirmed, new_run, work_all

DAY = 86_400_000
LIMITS = Limits(
    page_keys=4,
    span_probes=4,
    known_rows=5,
    list_streams=3,
    removals_min=10_000,
    heartbeat_s=60,
    lease_s=600,
    keep_spans_days=10,
    keep_removed_days=20,
    keep_runs_days=30,
    purge_rows=3,
)


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> str:
    run_id = await new_run(catalog, **job)
    await work_all(catalog, bucket, LIMITS, run_id)
    return run_id


class Bench:
    def __init__(self, catalog: Catalog, database: Database) -> None:
        self.catalog, self.database = catalog, database
        self.told: list[Event] = []
        self.retention = self.keeping(LIMITS)
        self.tombstones = Tombstones(database=database, workspace="main")

    def keeping(self, limits: Limits) -> Retention:
        return Retention(database=self.database, workspace="main", limits=limits, observe=self.told.append)

    async def days_pass(self, days: float) -> None:
        """By making all that there is older."""
        ms = round(days * DAY)

        def age(tx: sa.Connection) -> None:
            tx.execute(sa.update(runs).values(finished_at=runs.c.finished_at - ms))
            tx.execute(sa.update(assets).values(changed_at=assets.c.changed_at - ms))
            tx.execute(sa.text("UPDATE chores SET due_at = due_at - :ms"), {"ms": ms})

        await self.database.transaction(age)

    async def totals_kept(self) -> None:
        """As a run's end does."""
        kept = sa.update(runs).where(runs.c.finished_at.is_not(None)).values(totals=json.dumps({}))
        await self.database.transaction(lambda tx: tx.execute(kept))

    async def set(self, run_id: str, **values: Any) -> None:
        await self.database.transaction(
            lambda tx: tx.execute(sa.update(runs).where(runs.c.id == run_id).values(values))
        )

    async def count(self, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        query = sa.select(sa.func.count()).select_from(table).where(*where)
        return await self.database.read(lambda tx: tx.execute(query).scalar_one())

    async def with_spans(self, run_ids: Sequence[str]) -> list[str]:
        query = sa.select(spans.c.run_id).distinct()
        found = await self.database.read(lambda tx: set(tx.execute(query).scalars()))
        return [run_id for run_id in run_ids if run_id in found]

    async def connect(self, *, removed: bool = True) -> None:
        row = {"id": "c", "workspace": "main", "name": "acme", "kind": "aws_role", "spec": "{}", "version": 1}
        whole = sa.insert(connections).values(
            **row, created_at=db_now(), updated_at=db_now(), removed_at=db_now() if removed else None
        )
        await self.database.transaction(lambda tx: tx.execute(whole))

    async def revive(self, *, removed: bool = False) -> None:
        change = sa.update(connections).values(removed_at=db_now() if removed else None)
        await self.database.transaction(lambda tx: tx.execute(change))


@asynccontextmanager
async def benched(folder: Path | str) -> AsyncGenerator[Bench]:
    async with a_catalog(folder, LIMITS) as (catalog, database):
        yield Bench(catalog, database)


@pytest.fixture(name="bench")
async def _bench(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with benched(tmp_path) as bench:
        yield bench


def a_bucket(count: int = 23) -> FakeBucket:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for number in range(count):
        bucket.put(b"k%03d" % number)
    return bucket


KEYS = st.sampled_from([*(b"%s%d" % (folder, number) for folder in (b"", b"a/", b"b") for number in range(7)), b"a/"])
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from(["one", "two", "gone"])), max_size=6)
JOBS = st.fixed_dictionaries(
    {"uris": st.sampled_from([["s3://bucket-a"], ["s3://bucket-a/a/"], ["s3://bucket-a/a/", "s3://bucket-a/b"]])}
)
PURGES = st.tuples(
    st.floats(0, 40), st.none() | st.integers(0, 6), st.sets(st.integers(0, 5), max_size=2), st.booleans()
)
"""Days that pass, transactions that are made, runs that may not be purged yet, whether what was removed goes at all."""
STEPS = st.lists(st.tuples(CHANGES, JOBS, PURGES), min_size=1, max_size=7)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_was_purged_in_between_the_catalog_is_what_the_last_run_saw(steps: list[Any]) -> None:
    async def follow() -> None:
        with TemporaryDirectory() as folder:
            async with benched(folder) as bench:
                await _follow(bench, steps)

    asyncio.run(follow())


async def _follow(bench: Bench, steps: list[Any]) -> None:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    truth: dict[bytes, str] = {}
    run_ids: list[str] = []
    for changes, job, (days, chunks, stuck, removals) in steps:
        for key, etag in changes:
            if etag == "gone":
                bucket.objects.pop(key, None)
            else:
                bucket.put(key, etag=etag)
        run_ids.append(await ingest(bench.catalog, bucket, depth="list", **job))
        if (await bench.catalog.run(run_ids[-1]))[0].state == "needs_confirmation":  # nothing at all is left
            await confirmed(bench.catalog, run_ids[-1])
        prefixes = tuple(uri.removeprefix("s3://bucket-a").lstrip("/").encode() for uri in job["uris"])
        truth = {key: etag for key, etag in truth.items() if not key.startswith(prefixes)}
        truth |= {key: entry[1] for key, entry in bucket.objects.items() if key.startswith(prefixes)}
        rows = await bench.catalog.find_assets(["c"])
        assert {row["key"]: row["etag"] for row in rows if row["state"] == "present"} == truth
        await bench.totals_kept()
        for number in stuck & set(range(len(run_ids))):
            await bench.set(run_ids[number], totals=None)
        await bench.days_pass(days)
        await bench.retention.purge(["c"] if removals else [], chunks=chunks)
        left = await bench.with_spans(run_ids)
        assert left == run_ids[len(run_ids) - len(left) :]  # never a later one's before an earlier one's


async def test_spans_go_by_the_age_of_their_run_and_its_totals_must_be_kept(bench: Bench) -> None:
    bucket = a_bucket()
    first, second = [await ingest(bench.catalog, bucket, depth="list") for _ in range(2)]
    for run_id in (first, second):
        await bench.set(run_id, totals=None)
    await bench.days_pass(11)
    assert await bench.retention.purge(["c"]) == (Gone(), False)
    await bench.totals_kept()
    there = await bench.count(spans)
    assert await bench.retention.old(["c"]) == Gone(spans=there)
    third = await ingest(bench.catalog, bucket, depth="list")
    gone, more = await bench.retention.purge(["c"])
    assert (gone, more) == (Gone(spans=there), False)
    assert await bench.with_spans([first, second, third]) == [third]
    assert bench.told == [Purged(table="spans", rows=there)]


@pytest.mark.parametrize("state", ["queued", "running", "needs_confirmation"])
async def test_a_run_that_may_go_on_keeps_its_spans_and_those_of_later_ones(bench: Bench, state: str) -> None:
    run_ids = [await ingest(bench.catalog, a_bucket(), depth="list") for _ in range(3)]
    await bench.totals_kept()
    await bench.days_pass(100)
    await bench.set(run_ids[1], state=state)
    gone = await bench.retention.old(["c"])
    assert (await bench.retention.purge(["c"]))[0] == gone
    assert gone.runs == 1
    assert await bench.with_spans(run_ids) == run_ids[1:]


async def test_runs_go_with_all_they_have_and_what_refers_to_them_is_told(bench: Bench) -> None:
    old, new = [await ingest(bench.catalog, a_bucket(), depth="list") for _ in range(2)]
    names = {"id": "s", "workspace": "main", "name": "s", "connection": "c", "job": "{}", "cron": "", "timezone": "UTC"}
    schedule = sa.insert(schedules).values(**names, due_at=0, created_at=0, last_run_id=old)
    await bench.database.transaction(lambda tx: tx.execute(schedule))
    await bench.days_pass(31)
    await bench.set(new, finished_at=db_now(), parent_id=old)
    there = await bench.count(spans, spans.c.run_id == old)
    assert await bench.retention.old(["c"]) == Gone(spans=there, runs=1)
    assert (await bench.retention.purge(["c"]))[0] == Gone(spans=there, runs=1)
    assert await bench.count(shards, shards.c.run_id == old) == 0
    assert [run.id for run, _ in await bench.catalog.newest_runs(9)] == [new]
    assert (await bench.catalog.run(new))[0].parent_id is None
    assert await bench.count(schedules, schedules.c.last_run_id.is_(None)) == 1
    assert await bench.count(assets) == 23


async def test_records_of_removed_objects_go_after_a_while_and_no_others(bench: Bench) -> None:
    bucket = a_bucket()
    await ingest(bench.catalog, bucket, depth="list")
    for number in range(7):
        bucket.objects.pop(b"k%03d" % number)
    await ingest(bench.catalog, bucket, depth="list")
    await bench.days_pass(19)
    assert (await bench.retention.purge(["c"]))[0].assets == 0
    await bench.days_pass(2)
    assert (await bench.retention.purge(["another"]))[0].assets == 0
    assert (await bench.retention.old(["c"])).assets == 7
    assert (await bench.retention.purge(["c"]))[0].assets == 7
    assert await bench.count(assets) == 16


async def test_what_is_kept_for_ever_stays(bench: Bench) -> None:
    bucket = a_bucket()
    await ingest(bench.catalog, bucket, depth="list")
    bucket.objects.pop(b"k003")
    await ingest(bench.catalog, bucket, depth="list")
    await bench.totals_kept()
    await bench.days_pass(10_000)
    for_ever = LIMITS.model_copy(update={"keep_spans_days": 0, "keep_removed_days": 0, "keep_runs_days": 0})
    assert (await bench.keeping(for_ever).purge(["c"]))[0] == Gone()


async def test_no_transaction_deletes_more_than_it_may_and_no_purge_makes_more_than_it_may(bench: Bench) -> None:
    await ingest(bench.catalog, a_bucket(), depth="list")
    await bench.totals_kept()
    await bench.days_pass(11)
    there = await bench.count(spans)
    assert there > 2 * LIMITS.purge_rows
    gone, more = await bench.retention.purge(["c"], chunks=2)
    assert (gone, more) == (Gone(spans=2 * LIMITS.purge_rows), True)
    assert (await bench.retention.purge(["c"]))[0] == Gone(spans=there - 2 * LIMITS.purge_rows)


async def test_of_several_processes_one_purges_and_any_goes_on(bench: Bench) -> None:
    other = bench.keeping(LIMITS)
    assert [await one.take_turn() for one in (bench.retention, other, bench.retention)] == [True, False, False]
    await bench.retention.more_is_due()
    assert [await one.take_turn() for one in (other, bench.retention)] == [True, False]
    await bench.days_pass(1)
    assert await bench.database.transaction(lambda tx: purging.take_turn(tx, "purge:main", again_s=1))


async def test_a_removed_connections_records_go_on_request(bench: Bench) -> None:
    await bench.connect()
    await ingest(bench.catalog, a_bucket(), depth="list")
    await ingest(bench.catalog, a_bucket(), depth="list")
    (tombstone,) = await bench.tombstones.find("acme")
    left = await bench.retention.left(tombstone.id, kept_id="c")
    assert (left.assets, left.runs) == (23, 2)
    assert await bench.retention.forget(tombstone.id, kept_id="c") == left
    assert [await bench.count(table) for table in (spans, assets, shards, runs)] == [0, 0, 0, 0]
    assert await bench.retention.forget(tombstone.id, kept_id="c") == Gone()
    await bench.tombstones.note(tombstone, "purged", actor="cli:me", assets=23)
    line = await bench.database.read(lambda tx: tx.execute(sa.select(audit)).one())
    assert (line.action, line.object, line.workspace) == ("purged", "connection:acme", "main")
    assert json.loads(line.detail) == {"kind": "aws_role", "assets": 23}


async def test_only_a_removed_connection_of_which_nothing_goes_on_is_forgotten(bench: Bench) -> None:
    await bench.connect(removed=False)
    with pytest.raises(ConnectionRuleError, match="connections remove acme"):
        await bench.tombstones.find("acme")
    with pytest.raises(UnknownConnectionError, match="'other'"):
        await bench.tombstones.find("other")
    with pytest.raises(ConnectionRuleError, match="connections remove acme"):
        await bench.retention.forget("c", kept_id="c")
    await bench.revive(removed=True)
    run_id = await new_run(bench.catalog)
    with pytest.raises(ConnectionRuleError, match=f"runs cancel {run_id}"):
        await bench.retention.forget("c", kept_id="c")
    await bench.catalog.cancel(run_id)
    assert await bench.retention.forget("c", kept_id="c") == Gone(runs=1)


WHEN = st.tuples(CHANGES, st.integers(0, 30), st.booleans())
"""Changes, after how many transactions the purge is interrupted, whether a run comes then."""


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(WHEN, min_size=2, max_size=5))
def test_a_connection_that_is_revived_in_the_midst_of_it_remembers_nothing_wrong(steps: list[Any]) -> None:
    async def follow() -> None:
        with TemporaryDirectory() as folder:
            async with benched(folder) as bench:
                await _interrupted(bench, steps)

    asyncio.run(follow())


async def _interrupted(bench: Bench, steps: list[Any]) -> None:
    bucket = a_bucket(9)
    await bench.connect(removed=False)
    for changes, chunks, comes in steps:
        for key, etag in changes:
            if etag == "gone":
                bucket.objects.pop(key, None)
            else:
                bucket.put(key, etag=etag)
        if comes:
            run_id = await ingest(bench.catalog, bucket, depth="list")
            if (await bench.catalog.run(run_id))[0].state == "needs_confirmation":
                await confirmed(bench.catalog, run_id)
            rows = await bench.catalog.find_assets(["c"])
            present = {row["key"]: row["etag"] for row in rows if row["state"] == "present"}
            assert present == {key: entry[1] for key, entry in bucket.objects.items()}
        await bench.revive(removed=True)
        forgetting = _after(chunks, bench.revive)
        retention = Retention(database=_Counting(bench.database, forgetting), workspace="main", limits=LIMITS)
        with suppress(ConnectionRuleError):
            await retention.forget("c", kept_id="c")
        await bench.revive()


@pytest.mark.parametrize("chunks", range(1, 12))
@pytest.mark.parametrize("again", [False, True], ids=["as it was", "as before"])
async def test_wherever_forgetting_is_interrupted_nothing_is_believed_that_is_gone(
    bench: Bench, chunks: int, *, again: bool
) -> None:
    """The bucket stays as the second of two runs saw it, or comes to look as the first one did, and the catalog does not."""
    await bench.connect(removed=False)
    bucket = a_bucket(8)
    await ingest(bench.catalog, bucket, depth="list")
    before = dict(bucket.objects)
    for number in range(8):
        bucket.put(b"k%03d" % number, etag="two")
    await ingest(bench.catalog, bucket, depth="list")
    await bench.revive(removed=True)
    interrupted = _Counting(bench.database, _after(chunks, bench.revive))
    with suppress(ConnectionRuleError):
        await Retention(database=interrupted, workspace="main", limits=LIMITS).forget("c", kept_id="c")
    await bench.revive()
    bucket.objects = before if again else bucket.objects
    await ingest(bench.catalog, bucket, depth="list")
    rows = await bench.catalog.find_assets(["c"])
    assert {row["key"]: row["etag"] for row in rows} == {key: entry[1] for key, entry in bucket.objects.items()}


def _after(chunks: int, then: Callable[[], Any]) -> Callable[[], Any]:
    left = chunks

    async def count() -> None:
        nonlocal left
        if left == 0:
            await then()
        left -= 1

    return count


class _Counting:
    """Something happens before each transaction."""

    def __init__(self, database: Database, before: Callable[[], Any]) -> None:
        self._database, self._before = database, before

    async def transaction(self, work: Callable[[sa.Connection], Any]) -> Any:
        await self._before()
        return await self._database.transaction(work)

    async def read(self, work: Callable[[sa.Connection], Any]) -> Any:
        return await self._database.read(work)

    async def aclose(self) -> None: ...
