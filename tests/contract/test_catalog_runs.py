"""Runs on each database that may hold a catalog: odd keys, several writers at once, and commits of which nothing is heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.database import Database, open_database
from config.errors import FencedError
from config.limits import Limits
from ingest.catalog.assets import Asset, Place, records_of
from ingest.catalog.catalog import Catalog
from ingest.catalog.shards import Shard, Usage
from ingest.catalog.spans import Span
from ingest.catalog.tables import runs, shards
from ingest.compare import Merged
from ingest.model import Range
from tests.fakes.bucket import FakeBucket
from tests.fakes.postgres_wire import Loss, wire
from tests.fakes.running import a_catalog, a_slice, claimed, closed, expire_leases, new_run
from tests.postgres import Kind, catalog_url

LIMITS = Limits(catalog_pause_first_s=0.01, page_keys=7, span_probes=5, heartbeat_s=60, lease_s=600)
PLACE = Place("c", "bucket-a")
ODD = sorted(
    {
        b"\0",
        b"a\0b",
        b"\xff\xfe",
        b"\x80not utf-8",
        "\ufffe".encode(),
        "\uffff".encode(),
        b"k" * 1024,
        b"Case",
        b"case",
        b"CASE",
        "caf\u00e9".encode(),
        "cafe\u0301".encode(),
        b"100%",
        b"100%_x",
        b"back\\slash",
        b"back\\\\slash",
        b"\\x41",
        b"a-b",
        b"ab",
        b"a_b",
        b"a/b",
        b"a/",
        b"a",
        b'it\'s "quoted"',
        b"new\nline",
        b"\x1f",
        b"\x1f\x1f",
        b"$1",
        b"?",
        b":name",
        "\U0001f600".encode() * 200,
    }
)


@pytest.fixture(name="here")
async def _here(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


@pytest.fixture(name="catalog")
def _catalog(here: tuple[Catalog, Database]) -> Catalog:
    return here[0]


@pytest.fixture(name="other")
async def _other(here: tuple[Catalog, Database], tmp_path: Path, kind: Kind) -> AsyncGenerator[Catalog]:
    """Another process's view of the same catalog."""
    async with a_catalog(tmp_path, LIMITS, kind=kind) as (catalog, _):
        yield catalog


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> Counter[str]:
    run_id = await new_run(catalog, **job)
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, LIMITS).work()
    await closed(catalog, run_id)
    return Counter((await catalog.run(run_id))[1].outcomes) + Counter()


@pytest.mark.parametrize("depth", ["list", "head"])
async def test_odd_keys_are_compared_committed_ordered_and_found(catalog: Catalog, depth: str) -> None:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for key in ODD:
        bucket.put(key)
    assert await ingest(catalog, bucket, depth=depth) == {"added": len(ODD)}
    assert await ingest(catalog, bucket, depth=depth) == {"unchanged": len(ODD)}
    for key in ODD[::3]:
        bucket.put(key, etag="another")
    assert await ingest(catalog, bucket, depth=depth) == {
        "changed": len(ODD[::3]),
        "unchanged": len(ODD) - len(ODD[::3]),
    }
    gone = ODD[1::5]
    for key in gone:
        del bucket.objects[key]
    await ingest(catalog, bucket, depth=depth)
    removed = await catalog.find_assets(["c"], state="removed")
    assert [row["key"] for row in removed] == gone
    present = await catalog.find_assets(["c"], state="present")
    assert [row["key"] for row in present] == [key for key in ODD if key not in gone]
    for key in gone:
        bucket.put(key)
    assert (await ingest(catalog, bucket, depth=depth))["added"] == len(gone)


async def test_assets_are_found_in_the_order_of_bytes_page_by_page(catalog: Catalog) -> None:
    """By connection, bucket and key, whatever language the database was made for."""
    buckets = ["a-c0", "a.b0", "ab0", "b00"]
    for name in buckets:
        bucket = FakeBucket(page_keys=LIMITS.page_keys)
        for key in ODD:
            bucket.put(key)
        await ingest(catalog, bucket, depth="list", uris=[f"s3://{name}"])
    found: list[tuple[str, str, bytes]] = []
    after = None
    while rows := await catalog.find_assets(["c", "none"], after=after, limit=11):
        found += [(row["connection_id"], row["bucket"], row["key"]) for row in rows]
        after = found[-1]
    assert found == [("c", name, key) for name in buckets for key in ODD]
    some = await catalog.find_assets(["c"], bucket="ab0", prefix=b"a", limit=1000)
    assert [row["key"] for row in some] == [key for key in ODD if key.startswith(b"a")]


async def test_runs_that_are_written_at_once_have_numbers_of_their_own(catalog: Catalog, other: Catalog) -> None:
    await asyncio.gather(*(new_run(one) for _ in range(10) for one in (catalog, other)))
    query = sa.select(runs.c.number).order_by(runs.c.number)
    found = await catalog._database.read(lambda tx: list(tx.execute(query).scalars()))
    assert found == list(range(1, 21))


async def test_of_those_that_claim_at_once_no_two_have_the_same_shard(catalog: Catalog, other: Catalog) -> None:
    for number in range(12):
        await new_run(catalog, uris=[f"s3://bucket-{number:02}"])
    ways = [(one, f"{name}-{number}") for number in range(8) for name, one in (("one", catalog), ("other", other))]
    taken = await asyncio.gather(*(one.claim(owner=owner) for one, owner in ways))
    found = [one[0].id for one in taken if one is not None]
    assert len(found) == len(set(found)) == min(12, LIMITS.shards_per_connection)


async def test_a_job_that_comes_twice_at_once_is_one_run(catalog: Catalog, other: Catalog) -> None:
    job = (await catalog.run(await new_run(catalog)))[0].job
    assert job is not None
    made = await asyncio.gather(
        *(one.create_run(job, connection_id="c", origin="queue", job_id="mine") for one in (catalog, other) * 4)
    )
    assert len({run.id for run, _ in made}) == 1
    assert sum(new for _, new in made) == 1


async def test_what_a_job_says_for_downstream_is_kept_as_it_came(catalog: Catalog, other: Catalog) -> None:
    said = {"nested": {"list": [1, 2.5, None, True, "é \u0000 \U0001f600"], "": {}}, "n": 2**53}
    run, _ = await other.run(await new_run(catalog, options=said))
    assert run.job is not None
    assert run.job.options == said


def spans_of(shard: Shard, first: int, count: int, *, page: int = 50) -> list[Span]:
    """The next spans of a shard that has one range: pages of generated keys, all new."""
    found = []
    for number in range(first, first + count):
        keys = [b"%08d" % key for key in range(number * page, (number + 1) * page)]
        low = None if number == 0 else b"%08d" % (number * page - 1)
        merged = Merged(within=Range(low, keys[-1]), listed=page)
        records = records_of([Asset(key, 1, "e", "t", "STANDARD", "", "present", "list") for key in keys])
        found.append(Span(source=shard.todo[0][0], merged=merged, records=records, outcomes={"added": page}))
    return found


async def counted(database: Database) -> tuple[int, int]:
    """Rows, and what the spans say that was listed."""
    query = sa.text("SELECT (SELECT count(*) FROM assets), (SELECT coalesce(sum(listed), 0) FROM spans)")
    rows, listed = await database.read(lambda tx: tx.execute(query).one())
    return int(rows), int(listed)


async def test_who_lost_the_shard_writes_nothing(here: tuple[Catalog, Database], other: Catalog) -> None:
    catalog, database = here
    await new_run(catalog)
    shard, _ = await claimed(catalog)
    shard = await catalog.commit(shard, spans_of(shard, 0, 2), place=PLACE, usage=Usage())
    await catalog.renew(shard)
    await expire_leases(database)
    await other.sweep()
    with pytest.raises(FencedError):
        await catalog.commit(shard, spans_of(shard, 2, 1), place=PLACE, usage=Usage())
    with pytest.raises(FencedError):
        await catalog.renew(shard)
    with pytest.raises(FencedError):
        await catalog.give_back(shard, usage=Usage())
    taken = await other.claim(owner="other")
    assert taken is not None
    assert (taken[0].seq, taken[0].todo) == (2, ((0, Range(b"00000099", None)),))
    await other.commit(taken[0], spans_of(taken[0], 2, 1), place=PLACE, usage=Usage())
    assert await counted(database) == (150, 150)


async def test_commits_and_sweeps_go_on_beside_each_other(here: tuple[Catalog, Database], other: Catalog) -> None:
    """Leases run out at any time; whoever takes a shard over goes on where the last commit ended."""
    catalog, database = here
    await new_run(catalog)
    pages = 12

    async def work(one: Catalog, owner: str) -> None:
        while True:
            taken = await one.claim(owner=owner)
            shard = taken[0] if taken is not None else None
            with contextlib.suppress(FencedError):
                while shard is not None and shard.seq < pages:
                    shard = await one.commit(shard, spans_of(shard, shard.seq, 1), place=PLACE, usage=Usage())
            await asyncio.sleep(0.002)

    workers = [asyncio.ensure_future(work(one, owner)) for owner, one in (("one", catalog), ("two", other))]
    try:
        async with asyncio.timeout(30):
            while (await counted(database))[0] < pages * 50:
                await expire_leases(database)
                await other.sweep()
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    assert await counted(database) == (pages * 50, pages * 50)


@pytest.mark.parametrize("lose", ["request", "answer"])
@pytest.mark.acceptance("LS-03")
async def test_a_commit_of_which_nothing_is_heard_is_done_once(tmp_path: Path, lose: Loss) -> None:
    async with a_catalog(tmp_path, LIMITS, kind="postgres") as (near, database):
        await new_run(near)
        shard, _ = await claimed(near)
        async with wire(catalog_url("postgres", tmp_path)) as (between, url), open_database(url) as far:
            catalog = Catalog(database=far, workspace="main", limits=LIMITS)
            for number in range(3):
                between.lose = lose
                shard = await catalog.commit(shard, spans_of(shard, number * 2, 2), place=PLACE, usage=Usage(list=2))
            assert between.lost == 3
        assert shard.seq == 6
        assert await counted(database) == (300, 300)
        await near.renew(shard)
        query = sa.select(shards.c.requests_list).where(shards.c.id == shard.id)
        assert await database.read(lambda tx: tx.execute(query).scalar_one()) == 6


@pytest.mark.acceptance("LS-02")
async def test_who_has_given_a_shard_back_is_fenced_though_no_lease_ran_out(catalog: Catalog, other: Catalog) -> None:
    """A commit that was under way comes late, or the give-back itself is repeated: the next holder is not touched by either."""
    await new_run(catalog, depth="list")
    former, _ = await claimed(catalog)
    await catalog.give_back(former, usage=Usage())
    holder, _ = await claimed(other)
    assert holder.owner == former.owner
    with pytest.raises(FencedError):
        await catalog.commit(former, spans_of(former, 0, 1), place=PLACE, usage=Usage())
    with pytest.raises(FencedError):
        await catalog.give_back(former, usage=Usage())
    moved = await other.commit(holder, spans_of(holder, 0, 1), place=PLACE, usage=Usage())
    assert moved.seq == holder.seq + 1


async def test_of_a_run_with_many_shards_the_one_that_waits_longest_is_next(catalog: Catalog) -> None:
    await new_run(catalog, uris=[f"s3://bucket-a/{number}/" for number in range(5)])
    taken = []
    for _ in range(5):
        shard, _ = await claimed(catalog)
        taken.append(shard.id)
    assert len(set(taken)) == 5
    assert await catalog.claim(owner="worker") is None
