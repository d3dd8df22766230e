"""Runs over versions: each version and each delete marker is a record, beside those of objects; what only ages is not looked at again."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.database import Database
from config.errors import AccessDeniedError, AccessLostError, SourceUnavailableError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.retrying import Retries
from ingest.catalog.runs import Run
from ingest.verifying import verified
from tests.fakes.running import a_catalog, a_slice, claimed, confirmed, expire_leases, new_run, work_all
from tests.fakes.versioned import VersionedBucket
from tests.postgres import Kind

LIMITS = Limits(span_probes=20, known_rows=30, denied_window=20, heartbeat_s=60, lease_s=600)


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


@pytest.fixture(name="anywhere")
async def _anywhere(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


async def ingest(catalog: Catalog, bucket: VersionedBucket, *, limits: Limits = LIMITS, **job: object) -> Run:
    """A run of all versions unless said otherwise; what it asks of the bucket is noted anew."""
    bucket.requests.clear()
    bucket.named.clear()
    run = await work_all(catalog, bucket, limits, await new_run(catalog, **{"versions": "all", **job}))
    assert run.state == "complete", run.error
    assert run.certificate is not None
    assert run.certificate["holds"], run.certificate
    return run


async def counts(catalog: Catalog, run: Run) -> dict[str, int]:
    totals = (await catalog.run(run.id))[1]
    found = {"listed": totals.listed, **totals.outcomes, "removed": totals.removed}
    return {name: count for name, count in found.items() if count}


async def rows(catalog: Catalog, **which: Any) -> dict[tuple[bytes, str], Any]:
    found = await catalog.find_assets(["c"], versions=True, **which)
    return {(row["key"], row["version_id"]): row for row in found}


async def agrees(catalog: Catalog, bucket: VersionedBucket) -> dict[tuple[bytes, str], Any]:
    """Every version has its record, and nothing else has a live one; returns them."""
    found = {name: row for name, row in (await rows(catalog)).items() if name[1] and row["state"] != "removed"}
    assert {
        name: (row["size"], row["etag"], bool(row["is_latest"]), bool(row["is_delete_marker"]), row["state"])
        for name, row in found.items()
    } == {
        (one.key, one.version_id): (one.size, one.etag, one.is_latest, one.is_delete_marker, "present")
        for one in bucket.every()
    }
    return found


def a_bucket() -> VersionedBucket:
    bucket = VersionedBucket(page_keys=7)
    for number in range(25):
        for version in range(number % 4 + 1):
            bucket.put(b"k%02d" % number, size=version + 1, etag=f"e{version}")
    bucket.delete(b"k03")
    bucket.put(b"k04", etag="again")
    return bucket


@pytest.mark.acceptance("KO-09")
async def test_every_version_becomes_a_record_and_a_second_run_only_lists(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    run = await ingest(catalog, bucket)
    every = bucket.every()
    assert await counts(catalog, run) == {"listed": len(every), "added": len(every)}
    found = await agrees(catalog, bucket)
    probed = {(key, version_id) for _, key, version_id in bucket.named}
    assert probed == {(one.key, one.version_id) for one in every if not one.is_delete_marker}
    assert len(bucket.named) == len(probed)
    oldest = found[b"k03", bucket.ids(b"k03")[-1]]
    assert (oldest["content_type"], oldest["depth"]) == (f"text/{oldest['version_id']}", "head")
    marker = found[b"k03", bucket.ids(b"k03")[0]]
    assert (marker["is_delete_marker"], marker["content_type"], marker["depth"]) == (True, None, "list")

    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": len(every), "unchanged": len(every)}
    assert bucket.asked("head") == 0
    assert await rows(catalog) == found
    assert await catalog.find_assets(["c"]) == []


async def test_what_becomes_of_a_key_costs_no_second_probe_of_its_older_versions(
    anywhere: tuple[Catalog, Database],
) -> None:
    catalog, _ = anywhere
    bucket = a_bucket()
    await ingest(catalog, bucket)
    total, old = len(bucket.every()), bucket.ids(b"k10")[0]

    bucket.put(b"k10", etag="newer")
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": total + 1, "added": 1, "changed": 1, "unchanged": total - 1}
    assert bucket.named == [("head", b"k10", bucket.ids(b"k10")[0])]
    found = await agrees(catalog, bucket)
    assert (found[b"k10", old]["content_type"], found[b"k10", old]["run_id"]) == (f"text/{old}", run.id)

    marker = bucket.delete(b"k10")
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": total + 2, "added": 1, "changed": 1, "unchanged": total}
    assert bucket.named == []
    await agrees(catalog, bucket)

    bucket.expire(b"k10", marker)
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": total + 1, "changed": 1, "unchanged": total, "removed": 1}
    assert bucket.named == []
    await agrees(catalog, bucket)
    assert (await rows(catalog, state="removed")).keys() == {(b"k10", marker)}

    bucket.expire(b"k10", old)
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": total, "unchanged": total, "removed": 1}
    assert bucket.named == []
    await agrees(catalog, bucket)


async def test_records_of_objects_and_of_versions_stand_side_by_side(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    current = await ingest(catalog, bucket, versions="current")
    objects = len(bucket.objects)
    assert await counts(catalog, current) == {"listed": objects, "added": objects}
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": len(bucket.every()), "added": len(bucket.every())}

    bucket.delete(b"k20")
    run = await ingest(catalog, bucket, versions="current")
    assert await counts(catalog, run) == {"listed": objects - 1, "unchanged": objects - 1, "removed": 1}
    assert bucket.recalled > 0, "the run over versions in between is not what is remembered"
    run = await ingest(catalog, bucket)
    every = len(bucket.every())
    assert await counts(catalog, run) == {"listed": every, "added": 1, "changed": 1, "unchanged": every - 2}
    await agrees(catalog, bucket)
    bucket.put(b"k21")
    await ingest(catalog, bucket, versions="current")
    again = await verified(catalog.closings, *(await catalog.run(run.id)))
    assert (again.holds, again.certificate.superseded) == (True, 0), "later runs over objects wrote no version"
    live = [row for row in await catalog.find_assets(["c"]) if row["state"] == "present"]
    assert {row["key"] for row in live} == set(bucket.objects)
    assert all(row["is_latest"] is row["is_delete_marker"] is None for row in live)


async def test_a_deeper_run_looks_at_every_version_but_at_no_delete_marker(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    await ingest(catalog, bucket, depth="list")
    assert bucket.asked("head") == 0
    await agrees(catalog, bucket)
    versions = [one for one in bucket.every() if not one.is_delete_marker]
    for depth, request in (("head", "head"), ("media", "get")):
        run = await ingest(catalog, bucket, depth=depth)
        assert bucket.asked(request) == len(versions)
        assert (await counts(catalog, run))["changed"] == len(versions)
        await agrees(catalog, bucket)
    run = await ingest(catalog, bucket, depth="list")
    assert (await counts(catalog, run)).keys() == {"listed", "unchanged"}


async def test_filters_keep_what_they_drop_from_being_removed(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    await ingest(catalog, bucket)
    bucket.put(b"k05")
    run = await ingest(catalog, bucket, exclude=["k05", "k06"])
    dropped = len(bucket.ids(b"k05")) + len(bucket.ids(b"k06"))
    assert await counts(catalog, run) == {
        "listed": len(bucket.every()),
        "filtered": dropped,
        "unchanged": len(bucket.every()) - dropped,
    }


async def test_a_version_that_goes_while_it_is_looked_at_is_no_failure(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    await ingest(catalog, bucket, depth="list")
    gone = bucket.ids(b"k07")[1]

    def expire(request: str, key: bytes) -> None:
        if request == "head" and key == b"k07" and gone in bucket.ids(b"k07"):
            bucket.expire(b"k07", gone)

    bucket.before = expire
    run = await ingest(catalog, bucket)
    found = await counts(catalog, run)
    assert (found["vanished"], found["removed"]) == (1, 1)
    await agrees(catalog, bucket)


async def test_a_run_that_breaks_off_goes_on_where_it_was(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = a_bucket()
    run_id = await new_run(catalog, versions="all")
    lists = 0

    def die(request: str, _key: bytes) -> None:
        nonlocal lists
        lists += request == "list"
        if lists == 6:
            raise SourceUnavailableError("the network is away")

    bucket.before = die
    shard, run = await claimed(catalog, run_id=run_id)
    with pytest.raises(SourceUnavailableError):
        await a_slice(catalog, shard, run, bucket, LIMITS).work()
    await expire_leases(database)
    await catalog.sweep()
    run = await work_all(catalog, bucket, LIMITS, run_id)
    assert (run.state, (run.certificate or {})["holds"]) == ("complete", True)
    every = len(bucket.every())
    assert await counts(catalog, run) == {"listed": every, "added": every}
    await agrees(catalog, bucket)


async def test_versions_that_can_not_be_read_are_tried_again_with_their_key(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = a_bucket()
    bad = bucket.ids(b"k11")[2]

    def refuse(request: str, key: bytes) -> None:
        if request == "head" and bucket.named[-1][1:] == (b"k11", bad):
            raise AccessDeniedError("no", code="KmsDenied")

    bucket.before = refuse
    run = await work_all(catalog, bucket, LIMITS, await new_run(catalog, versions="all"))
    assert (run.state, (await counts(catalog, run))["failed"]) == ("partial", 1)
    assert (run.certificate or {})["holds"]

    bucket.before = lambda _request, _key: None
    bucket.named.clear()
    retries = Retries(database=database, workspace="main", limits=LIMITS)
    again = await retries.create(run, what="failed", connection_id="c")
    run = await work_all(catalog, bucket, LIMITS, again.id)
    assert (run.state, bucket.named) == ("complete", [("head", b"k11", bad)])
    await agrees(catalog, bucket)


async def test_a_role_that_may_read_no_version_is_told_so(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()

    def refuse(request: str, _key: bytes) -> None:
        if request == "head":
            raise AccessDeniedError("no")

    bucket.before = refuse
    shard, run = await claimed(catalog, run_id=await new_run(catalog, versions="all"))
    with pytest.raises(AccessLostError, match="s3:GetObjectVersion"):
        await a_slice(catalog, shard, run, bucket, LIMITS).work()


async def test_many_versions_that_go_at_once_need_a_person(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = VersionedBucket(page_keys=7)
    for _ in range(60):
        bucket.put(b"state")
    await ingest(catalog, bucket, depth="list")
    for version_id in bucket.ids(b"state")[20:]:
        bucket.expire(b"state", version_id)
    run = await work_all(catalog, bucket, LIMITS, await new_run(catalog, versions="all", depth="list"))
    assert (run.state, "40 of 60 known" in (run.error or "")) == ("needs_confirmation", True)
    run = await confirmed(catalog, run.id)
    assert (run.state, (run.certificate or {})["removed"]) == ("complete", 40)
    await agrees(catalog, bucket)


EDITS = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "expire"]), st.integers(0, 5), st.integers(0, 9)), max_size=12
)


@settings(max_examples=15, deadline=None)
@given(edits=st.lists(EDITS, min_size=1, max_size=3), page_keys=st.integers(1, 6), known_rows=st.integers(1, 6))
async def test_any_history_ends_in_the_records_of_what_there_is(
    edits: list[list[tuple[str, int, int]]], page_keys: int, known_rows: int
) -> None:
    bucket = VersionedBucket(page_keys=page_keys)
    limits = LIMITS.model_copy(update={"known_rows": known_rows, "span_probes": 3})
    with TemporaryDirectory() as folder:
        async with a_catalog(folder, limits) as (catalog, _):
            for batch in edits:
                for what, number, place in batch:
                    edit(bucket, what, b"%d" % number, place)
                await ingest(catalog, bucket, limits=limits)
                await agrees(catalog, bucket)
            every = len(bucket.every())
            assert (await counts(catalog, await ingest(catalog, bucket, limits=limits))).get("unchanged", 0) == every


def edit(bucket: VersionedBucket, what: str, key: bytes, place: int) -> None:
    if what == "put":
        bucket.put(key, etag=f"e{bucket.numbered}")
    elif what == "delete":
        bucket.delete(key)
    elif ids := bucket.ids(key):
        bucket.expire(key, ids[place % len(ids)])
