"""A run is closed by steps: whoever dies, stops or loses the lease, each row is removed once, and only if it may be."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import AccessDeniedError, FencedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Usage
from ingest.catalog.tables import assets, runs, shards, spans
from ingest.closing import Closing
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import (
    a_catalog,
    a_closing,
    a_slice,
    claimed,
    closed,
    confirmed,
    expire_leases,
    new_run,
    rejected,
    work_all,
)

LIMITS = Limits(
    removals_most=50, removals_share=0.5, removals_min=5, removals_per_commit=2, heartbeat_s=60, lease_s=600
)


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


@pytest.fixture(name="catalog")
def _catalog(here: tuple[Catalog, Database]) -> Catalog:
    return here[0]


def holding(count: int, *, bucket: str = "k") -> FakeBucket:
    held = FakeBucket()
    for number in range(count):
        held.put(f"{bucket}{number:03}".encode())
    return held


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> Run:
    return await work_all(catalog, bucket, LIMITS, await new_run(catalog, **{"depth": "list", **job}))


async def listed(catalog: Catalog, bucket: FakeBucket, **job: object) -> str:
    run_id = await new_run(catalog, **{"depth": "list", **job})
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, LIMITS).work()
    return run_id


async def states(catalog: Catalog) -> list[str]:
    return [row["state"] for row in await catalog.find_assets(["c"])]


async def test_what_closes_a_run_waits_until_all_of_it_is_listed(catalog: Catalog) -> None:
    run_id = await new_run(catalog, depth="list", uris=["s3://bucket-a", "s3://bucket-b"])
    first, run = await claimed(catalog, run_id=run_id)
    second, _ = await claimed(catalog, run_id=run_id)
    assert {first.kind, second.kind} == {"list"}
    assert (await catalog.waiting())[0] == 0
    await a_slice(catalog, first, run, holding(2), LIMITS).work()
    assert await catalog.claim(owner="another") is None
    await a_slice(catalog, second, run, holding(2), LIMITS).work()
    assert (await catalog.waiting())[0] == 1
    assert (await closed(catalog, run_id)).state == "complete"


async def test_a_closing_that_stops_or_dies_between_two_steps_goes_on_where_it_was(
    here: tuple[Catalog, Database],
) -> None:
    """Two rows a step: nine missing take five, and each turn does one."""
    catalog, database = here
    await ingest(catalog, holding(20))
    run_id = await listed(catalog, holding(11))
    ended, removed = None, list[int]()
    for turn in range(20):
        shard, run = await claimed(catalog, run_id=run_id)
        asked = itertools.count()
        closing = a_closing(catalog, shard, run, stop=lambda asked=asked: next(asked) >= 2)  # type: ignore[misc]  # a default argument
        ended = await closing.work()
        removed.append((await catalog.run(run_id))[1].removed)
        if ended is not None:
            break
        if turn % 2:
            await catalog.give_back(closing.shard, usage=Usage())
        else:
            await expire_leases(database)
    assert ended is not None
    assert (ended.state, removed) == ("complete", [2, 6, 9])
    assert (await states(catalog)).count("removed") == 9
    assert ended.certificate is not None
    assert (ended.certificate["missing"], ended.certificate["removed"]) == (9, 9)


@pytest.mark.acceptance("LS-02")
@pytest.mark.parametrize("ends", ["expired", "cancelled"])
async def test_a_closing_that_lost_its_lease_removes_nothing_more(here: tuple[Catalog, Database], ends: str) -> None:
    catalog, database = here
    await ingest(catalog, holding(20))
    run_id = await listed(catalog, holding(11))
    shard, run = await claimed(catalog, run_id=run_id)
    closing = a_closing(catalog, shard, run)
    remove = catalog.closings.remove

    async def one_step(held: object) -> object:
        step = await remove(held)  # type: ignore[arg-type]  # a shard
        if ends == "expired":
            await expire_leases(database)
            await catalog.sweep()
        else:
            await catalog.cancel(run_id)
        return step

    catalog.closings.remove = one_step  # type: ignore[method-assign, assignment]  # as slow as a worker that sleeps
    with pytest.raises(FencedError):
        await closing.work()
    assert (await states(catalog)).count("removed") == 2
    found, totals = await catalog.run(run_id)
    assert (found.state, totals.removed) == ("cancelled" if ends == "cancelled" else "running", 2)
    assert totals.missing == 9


async def test_a_lease_that_is_lost_ends_a_closing_at_the_next_beat(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    run_id = await listed(catalog, holding(3))
    shard, run = await claimed(catalog, run_id=run_id)
    await expire_leases(database)
    await catalog.sweep()

    async def hangs(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    catalog.closings.recounted = hangs  # type: ignore[method-assign, assignment]  # reads for ever
    closing = Closing(
        shard=shard, run=run, closings=catalog.closings, renew=catalog.renew, heartbeat_s=0.01, stop=lambda: False
    )
    with pytest.raises(FencedError):
        await closing.work()


@pytest.mark.acceptance("LS-05")
async def test_a_decision_waits_for_whoever_lists_the_same_place(catalog: Catalog) -> None:
    """And applies to what still stands: what the other run found is that one's to judge."""
    await ingest(catalog, holding(20))
    asked = await ingest(catalog, holding(4))
    assert asked.state == "needs_confirmation"
    other = await new_run(catalog, depth="list", uris=["s3://bucket-a/k01"])
    shard, run = await claimed(catalog, run_id=other)
    decided = await catalog.closings.confirm(asked.id)
    assert (decided.state, decided.decision, decided.finished_at, decided.error) == ("queued", "confirmed", None, None)
    assert await catalog.claim(owner="another", run_id=asked.id) is None
    await a_slice(catalog, shard, run, holding(20), LIMITS).work()  # all of k010 to k019 are back
    assert (await closed(catalog, other)).state == "complete"
    ended = await closed(catalog, asked.id)
    assert (ended.state, ended.started_at) == ("complete", asked.started_at)
    assert ended.finished_at is not None
    assert (await catalog.run(asked.id))[1].removed == 6  # k004 to k009
    assert (await states(catalog)).count("present") == 14


@pytest.mark.acceptance("LS-05")
async def test_what_was_confirmed_and_comes_back_is_added_again(catalog: Catalog) -> None:
    await ingest(catalog, holding(8))
    asked = await ingest(catalog, holding(0))
    await confirmed(catalog, asked.id)
    back = await ingest(catalog, holding(8))
    assert back.state == "complete"
    assert (await catalog.run(back.id))[1].outcomes["added"] == 8
    assert set(await states(catalog)) == {"present"}


@pytest.mark.acceptance("LS-05")
async def test_what_was_rejected_is_as_it_was_before(catalog: Catalog) -> None:
    bucket = holding(8)
    bucket.put(b"k001", storage="GLACIER")

    def deny(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"k002"):
            raise AccessDeniedError("no")

    bucket.before = deny
    await ingest(catalog, bucket, depth="head")
    before = await states(catalog)
    asked = await ingest(catalog, holding(0))
    assert set(await states(catalog)) == {"missing"}
    ended = await rejected(catalog, asked.id)
    assert await states(catalog) == before
    assert sorted(set(before)) == ["archived", "failed", "present"]
    assert (ended.state, ended.error_code, ended.decision) == ("complete", "RemovalsRejected", "rejected")
    assert "the removals were rejected" in str(ended.error)
    assert (await catalog.run(asked.id))[1].removed == 0
    again = await ingest(catalog, holding(0))
    assert again.state == "needs_confirmation"
    assert (await catalog.run(again.id))[1].missing == 8


async def test_a_decision_on_a_run_that_asks_for_none_changes_nothing(catalog: Catalog) -> None:
    run = await ingest(catalog, holding(3))
    assert await catalog.closings.confirm(run.id) == run
    assert await catalog.closings.reject(run.id) == run
    assert await catalog.claim(owner="another") is None


async def test_a_decided_run_may_be_cancelled_before_anybody_works_on_it(catalog: Catalog) -> None:
    await ingest(catalog, holding(8))
    asked = await ingest(catalog, holding(0))
    await catalog.closings.confirm(asked.id)
    assert (await catalog.cancel(asked.id)).state == "cancelled"
    assert await catalog.claim(owner="another") is None
    assert set(await states(catalog)) == {"missing"}


async def test_a_run_that_ended_under_an_older_version_can_be_decided_on(here: tuple[Catalog, Database]) -> None:
    """It has no certificate, and its counters are still those of its spans."""
    catalog, database = here
    await ingest(catalog, holding(8))
    asked = await ingest(catalog, holding(0))
    await database.transaction(lambda tx: tx.execute(sa.update(runs).values(certificate=None, totals=None)))
    ended = await confirmed(catalog, asked.id)
    assert (ended.state, ended.certificate) == ("complete", None)
    assert (await catalog.run(asked.id))[1].removed == 8


async def test_a_run_of_many_buckets_removes_in_each(catalog: Catalog) -> None:
    uris = ["s3://bucket-a", "s3://bucket-b"]
    await ingest(catalog, holding(9), uris=uris)
    run = await ingest(catalog, holding(6), uris=uris)
    assert run.state == "complete"
    assert (await states(catalog)).count("removed") == 6


async def test_a_page_that_jumps_over_many_known_keys_is_cut_at_every_nth(tmp_path: Path) -> None:
    """However many are gone, a span holds no more marks than rows may be compared at once."""
    few = {"known_rows": 50, "removals_per_commit": 500, "list_streams": 1, "remembered_spans": 0}
    limits = LIMITS.model_copy(update={**few, "removals_min": 10_000, "removals_most": 10_000})
    async with a_catalog(tmp_path, limits) as (catalog, database):
        bucket = holding(0)
        for number in range(3000):
            bucket.put(b"k%04d" % number)
        await work_all(catalog, bucket, limits, await new_run(catalog, depth="list"))
        bucket.objects = {b"a": bucket.objects[b"k0000"], b"z": bucket.objects[b"k0000"]}
        most = 0
        known = catalog.known

        async def watched(*args: object, **kwargs: object) -> object:
            nonlocal most
            found = await known(*args, **kwargs)  # type: ignore[arg-type]  # as they came
            most = max(most, found.count)
            return found

        catalog.known = watched  # type: ignore[method-assign, assignment]  # the same, and counts
        run = await work_all(catalog, bucket, limits, await new_run(catalog, depth="list"))
        assert run.state == "complete"
        assert (await catalog.run(run.id))[1].removed == 3000
        query = (
            sa.select(spans.c.missing, spans.c.hi).where(spans.c.run_id == run.id).order_by(spans.c.lo.nulls_first())
        )
        found = await database.read(lambda tx: [tuple(row) for row in tx.execute(query)])
        assert most == 50
        assert [tuple(row) for row in found[:60]] == [(50, b"k%04d" % (number * 50 + 49)) for number in range(60)]
        assert sum(missing for missing, _ in found[60:]) == 0
        gone = sa.select(sa.func.count()).where(assets.c.state == "removed")
        assert await database.read(lambda tx: tx.execute(gone).scalar()) == 3000
        steps = sa.select(shards.c.seq).where(shards.c.run_id == run.id, shards.c.kind == "close")
        assert await database.read(lambda tx: tx.execute(steps).scalar()) == 2 + 3000 // limits.removals_per_commit
