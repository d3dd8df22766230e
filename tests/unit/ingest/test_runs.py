"""Runs and shards: who gets what, when a run ends, and what must ask first."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import sqlalchemy as sa

from config.database import Database
from config.errors import FencedError, JobConflictError, LongshoreError, RoleDeniedError, UnknownRunError
from config.limits import Limits
from ingest.catalog.assets import asset_id, prefix_end
from ingest.catalog.catalog import Catalog
from ingest.catalog.endings import brake
from ingest.catalog.shards import Usage
from ingest.catalog.tables import runs
from ingest.certificate import SourceSums
from ingest.job import IngestJob
from ingest.model import Range
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_slice, claimed, closed, confirmed, expire_leases, new_run
from tests.postgres import Kind

LIMITS = Limits(removals_most=50, removals_share=0.5, removals_min=5, heartbeat_s=60, lease_s=600)


@pytest.fixture(name="here")
async def _here(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


@pytest.fixture(name="catalog")
def _catalog(here: tuple[Catalog, Database]) -> Catalog:
    return here[0]


async def ingest(catalog: Catalog, bucket: FakeBucket) -> str:
    run_id = await new_run(catalog, depth="list")
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, LIMITS).work()
    await closed(catalog, run_id)
    return run_id


def holding(count: int) -> FakeBucket:
    bucket = FakeBucket()
    for number in range(count):
        bucket.put(f"k{number:03}".encode())
    return bucket


@pytest.mark.parametrize(
    ("had", "has", "state", "removed"),
    [
        (3, 2, "complete", 1),
        (8, 3, "complete", 5),  # more than half, but few: a small bucket can be synced
        (8, 0, "needs_confirmation", 0),  # an empty bucket removes nothing
        (1, 0, "needs_confirmation", 0),
        (20, 8, "needs_confirmation", 0),  # 12 of 20, above the share
        (20, 10, "complete", 10),
        (200, 149, "needs_confirmation", 0),  # 51, above the number
        (200, 150, "complete", 50),
    ],
)
@pytest.mark.acceptance("LS-05")
async def test_a_mass_disappearance_stops_and_asks(
    catalog: Catalog, had: int, has: int, state: str, removed: int
) -> None:
    await ingest(catalog, holding(had))
    run, totals = await catalog.run(await ingest(catalog, holding(has)))
    assert (run.state, totals.removed, totals.missing) == (state, removed, had - has)
    if state == "needs_confirmation":
        assert run.error_code == "MassRemoval"
        assert (await confirmed(catalog, run.id)).state == "complete"
        assert (await catalog.run(run.id))[1].removed == had - has


async def test_what_was_missing_and_is_back_is_present_again(catalog: Catalog) -> None:
    await ingest(catalog, holding(8))
    asked = await ingest(catalog, holding(0))
    await ingest(catalog, holding(8))
    with pytest.raises(LongshoreError, match="nothing is left"):
        await catalog.closings.confirm(asked)
    assert Counter(row["state"] for row in await catalog.find_assets(["c"])) == {"present": 8}


async def test_a_run_whose_missing_keys_a_later_one_judged_anew_has_nothing_to_confirm(catalog: Catalog) -> None:
    """It removes nothing, so it must not end as if it had; the later run is named, since that one removes them."""
    await ingest(catalog, holding(8))
    asked = await ingest(catalog, holding(0))
    later = await ingest(catalog, holding(0))
    assert f"`longshore runs confirm {asked}`" in ((await catalog.run(asked))[0].error or "")
    with pytest.raises(LongshoreError, match=f"nothing is left for run {asked} .*run {later}.*runs confirm {later}`"):
        await catalog.closings.confirm(asked)
    assert (await catalog.run(asked))[0].state == "needs_confirmation"
    assert (await confirmed(catalog, later)).state == "complete"
    assert (await catalog.run(later))[1].removed == 8
    assert (await catalog.cancel(asked)).state == "cancelled"


async def test_a_run_waits_for_one_that_was_written_before_whatever_the_clock_says(
    catalog: Catalog,
) -> None:
    first, second = await new_run(catalog), await new_run(catalog)
    ahead = sa.update(runs).where(runs.c.id == first).values(created_at=runs.c.created_at + 10_000)
    await catalog._database.transaction(lambda tx: tx.execute(ahead))
    assert await catalog.claim(owner="worker", run_id=second) is None
    assert await catalog.claim(owner="worker", run_id=first) is not None
    assert await catalog.waits_for(second) == [first]


async def test_a_run_is_found_by_its_own_id_and_by_its_producers(catalog: Catalog) -> None:
    job = IngestJob.read({"uris": ["s3://bucket-a"]})
    mine, _ = await catalog.create_run(job, connection_id="c", origin="queue", job_id="mine")
    odd, _ = await catalog.create_run(job, connection_id="c", origin="queue", job_id=mine.id)
    assert (await catalog.find_run("mine"))[0] == mine
    assert (await catalog.find_run(mine.id))[0] == mine
    assert (await catalog.find_run(odd.id))[0] == odd
    with pytest.raises(UnknownRunError, match="no run and no job 'yours' in workspace"):
        await catalog.find_run("yours")


async def test_the_same_job_id_is_the_same_run_and_another_body_is_refused(catalog: Catalog) -> None:
    job = IngestJob.read({"uris": ["s3://bucket-a"]})
    first, new = await catalog.create_run(job, connection_id="c", origin="queue", job_id="mine")
    again, doubled = await catalog.create_run(job, connection_id="c", origin="queue", job_id="mine")
    assert (first.id, new, doubled) == (again.id, True, False)
    with pytest.raises(JobConflictError, match=first.id):
        await catalog.create_run(
            IngestJob.read({"uris": ["s3://bucket-b"]}), connection_id="c", origin="queue", job_id="mine"
        )


async def test_a_job_that_can_not_be_used_is_a_failed_run_with_the_reason(catalog: Catalog) -> None:
    run = await catalog.create_failed_run(
        LongshoreError("no such thing", code="BadJob"), connection="", origin="queue", job_id="bad"
    )
    again = await catalog.create_failed_run(LongshoreError("x"), connection="", origin="queue", job_id="bad")
    assert (run.state, run.error_code, run.error, run.job, again.id) == (
        "failed",
        "BadJob",
        "no such thing",
        None,
        run.id,
    )
    assert await catalog.claim(owner="w") is None


async def test_one_workspace_never_sees_anothers_runs(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    run_id = await new_run(catalog)
    other = Catalog(database=database, workspace="other", limits=LIMITS)
    with pytest.raises(UnknownRunError):
        await other.run(run_id)
    with pytest.raises(UnknownRunError):
        await other.cancel(run_id)
    assert await other.claim(owner="w") is None
    assert await other.newest_runs(10) == []


async def test_connections_take_turns(catalog: Catalog) -> None:
    """A connection with many shards does not hold up one with few."""
    job = {"uris": [f"s3://bucket-a/{number}/" for number in range(6)]}
    await catalog.create_run(IngestJob.read(job), connection_id="big", origin="queue")
    await catalog.create_run(IngestJob.read({"uris": ["s3://bucket-b"]}), connection_id="small", origin="queue")
    served = [(await claimed(catalog))[1].connection_id for _ in range(4)]
    assert served == ["big", "small", "big", "big"]


async def test_a_shard_goes_to_one_owner_until_its_lease_runs_out(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard, _ = await claimed(catalog)
    assert await catalog.claim(owner="second") is None
    await catalog.renew(shard)
    await expire_leases(database)
    taken, _ = await claimed(catalog)
    assert (taken.id, taken.epoch) == (shard.id, shard.epoch + 1)
    with pytest.raises(FencedError):
        await catalog.renew(shard)
    with pytest.raises(FencedError):
        await catalog.give_back(shard, usage=Usage())


async def test_a_shard_that_rests_is_claimed_when_its_rest_is_over(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    shard, _ = await claimed(catalog)
    await catalog.give_back(shard, usage=Usage(list=3, bytes=10), rest_s=60, failed=True)
    assert (await catalog.claim(owner="w"), (await catalog.waiting())[0]) == (None, 0)
    await database.transaction(lambda tx: tx.execute(sa.text("UPDATE shards SET rest_until = 1")))
    assert (await catalog.waiting())[0] == 1
    again, run = await claimed(catalog)
    assert (again.failures, again.todo) == (1, ((0, Range()),))
    assert (await catalog.run(run.id))[1].requests["list"] == 3


async def test_a_cancelled_run_takes_its_shards_from_whoever_works_on_them(catalog: Catalog) -> None:
    run_id = await new_run(catalog)
    shard, run = await claimed(catalog)
    assert (await catalog.cancel(run_id)).state == "cancelled"
    with pytest.raises(FencedError):
        await a_slice(catalog, shard, run, holding(3), LIMITS).work()
    assert await catalog.find_assets(["c"]) == []
    assert (await catalog.cancel(run_id)).state == "cancelled"


async def test_a_run_that_failed_stays_failed(catalog: Catalog) -> None:
    run_id = await new_run(catalog, uris=["s3://bucket-a", "s3://bucket-b"])
    shard, _ = await claimed(catalog)
    other, _ = await claimed(catalog)
    await catalog.fail(shard, RoleDeniedError("the role refuses us", code="AccessDenied"), usage=Usage(list=1))
    with pytest.raises(FencedError):
        await catalog.fail(other, LongshoreError("later"), usage=Usage())
    assert await catalog.claim(owner="another") is None
    run, totals = await catalog.run(run_id)
    assert (run.state, run.error_code, run.error) == ("failed", "AccessDenied", "the role refuses us")
    assert totals.requests["list"] == 1


async def test_a_worker_that_lost_its_lease_can_not_fail_the_run(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    run_id = await new_run(catalog)
    shard, _ = await claimed(catalog)
    await expire_leases(database)
    await claimed(catalog)
    with pytest.raises(FencedError):
        await catalog.fail(shard, RoleDeniedError("it was asleep"), usage=Usage())
    assert (await catalog.run(run_id))[0].state == "running"


async def test_each_source_has_a_brake_of_its_own(catalog: Catalog) -> None:
    """A bucket that is emptied does not hide behind another that is whole."""

    async def ingest_both(first: FakeBucket, second: FakeBucket) -> str:
        run_id = await new_run(catalog, depth="list", uris=["s3://bucket-a", "s3://bucket-b"])
        for _ in range(2):
            shard, run = await claimed(catalog, run_id=run_id)
            held = first if run.sources[shard.todo[0][0]].bucket == "bucket-a" else second
            await a_slice(catalog, shard, run, held, LIMITS).work()
        await closed(catalog, run_id)
        return run_id

    await ingest_both(holding(100), holding(10))
    run, totals = await catalog.run(await ingest_both(holding(100), holding(0)))
    assert (run.state, totals.removed) == ("needs_confirmation", 0)


async def test_runs_of_one_place_wait_for_each_other(catalog: Catalog) -> None:
    """Each would judge by what it saw of the other: a page from before the other's commit takes new objects for removed."""
    first = await new_run(catalog, uris=["s3://bucket-a/x/"])
    await new_run(catalog, uris=["s3://bucket-a"])
    elsewhere = await new_run(catalog, uris=["s3://bucket-a/y/", "s3://bucket-b"])
    shard, run = await claimed(catalog)
    assert run.id == first
    assert await catalog.claim(owner="w") is None  # the second intersects the first, and the third the second
    await a_slice(catalog, shard, run, holding(0), LIMITS).work()
    await closed(catalog, first)
    shard, run = await claimed(catalog)
    await catalog.cancel(run.id)
    assert {(await claimed(catalog))[1].id for _ in range(2)} == {elsewhere}


async def test_a_shard_that_ends_every_worker_does_not_go_round_for_ever(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    await new_run(catalog)
    for killed in range(3):
        assert (await claimed(catalog))[0].failures == killed
        await expire_leases(database)


async def test_a_job_that_another_version_wrote_holds_up_nobody(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    newer = await new_run(catalog)
    unreadable = await new_run(catalog, uris=["s3://bucket-b"])
    rewrite = "UPDATE runs SET job = :job WHERE id = :run"
    added = {"job": '{"uris": ["s3://bucket-a"], "colour": "blue"}', "run": newer}
    await database.transaction(lambda tx: tx.execute(sa.text(rewrite), added))
    await database.transaction(lambda tx: tx.execute(sa.text(rewrite), {"job": '{"uris": 7}', "run": unreadable}))
    assert {run.id: run.job is None for run, _ in await catalog.newest_runs(5)} == {newer: False, unreadable: True}
    assert {(await claimed(catalog))[1].id for _ in range(2)} == {newer, unreadable}


def test_an_assets_name_depends_on_all_that_names_it_and_on_nothing_else() -> None:
    names = {"workspace": "w", "connection": "c", "bucket": "b", "key": b"k", "version_id": "v"}
    whole = asset_id(**names)  # type: ignore[arg-type]  # a mapping of mixed types
    others = [asset_id(**{**names, name: b"x" if name == "key" else "x"}) for name in names]  # type: ignore[arg-type]  # the same
    assert len({whole, *others}) == 6
    assert asset_id(workspace="a", connection="bc", bucket="b", key=b"") != asset_id(
        workspace="ab", connection="c", bucket="b", key=b""
    )


def test_an_assets_name_is_for_ever() -> None:
    """Records downstream hold it; it may not change with a release."""
    assert asset_id(workspace="main", connection="acme", bucket="b", key=b"k") == "ce65d0097315250320c40cd1f743c505"


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"", None), (b"a", b"b"), (b"a/", b"a0"), (b"a\xff", b"b"), (b"\xff\xff", None)]
)
def test_the_end_of_a_prefix_is_the_first_key_after_it(prefix: bytes, end: bytes | None) -> None:
    assert prefix_end(prefix) == end


def test_a_mass_is_one_however_many_prefixes_it_is_spread_over() -> None:
    limits = Limits(removals_most=10_000, removals_share=0.3, removals_min=20)
    folders = [SourceSums(listed=1, known=21, missing=20) for _ in range(10)]
    assert brake("r", folders[:1], limits) is None, "a small one can be synced"
    assert "200 of 210 known assets are gone" in str(brake("r", folders, limits))
    whole = SourceSums(listed=10_000, known=10_000)
    assert brake("r", [*folders, whole], limits) is None
