"""A slice at work: outcomes, re-runs, odd keys, bad objects, storms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from config.database import Database
from config.errors import (
    AccessDeniedError,
    AccessLostError,
    BucketMissingError,
    ListingError,
    LongshoreError,
    ObjectMissingError,
    ProtocolError,
    SourceUnavailableError,
    UnknownConnectionError,
)
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Usage
from ingest.events import Event, SpanCommitted
from ingest.model import Entries, Page, Range, Recall
from tests.fakes.access import FakeAccess
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_slice, claimed, closed, engines, new_run
from tests.postgres import Kind

LIMITS = Limits(span_probes=50, denied_window=20, heartbeat_s=60, lease_s=600)


@pytest.fixture(name="here")
async def _here(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


async def ingest(catalog: Catalog, bucket: FakeBucket, *, access: FakeAccess | None = None, **job: object) -> Run:
    run_id = await new_run(catalog, **job)
    shard, run = await claimed(catalog, run_id=run_id)
    work = a_slice(catalog, shard, run, bucket, LIMITS, access=access)
    await work.work()
    assert work.shard.todo == ()
    return await closed(catalog, run_id)


async def counts(catalog: Catalog, run: Run) -> dict[str, int]:
    totals = (await catalog.run(run.id))[1]
    return {
        name: count
        for name, count in {"listed": totals.listed, **totals.outcomes, "removed": totals.removed}.items()
        if count
    }


async def rows(catalog: Catalog) -> dict[bytes, Any]:
    return {row["key"]: row for row in await catalog.find_assets(["c"])}


async def test_a_first_run_adds_every_object_with_what_its_head_says(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(120):
        bucket.put(f"k{number:03}".encode(), size=number)
    run = await ingest(catalog, bucket)

    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 120, "added": 120})
    row = (await rows(catalog))[b"k007"]
    assert (row["size"], row["content_type"], row["probed_version_id"], row["version_id"]) == (
        7,
        "text/plain",
        "v1",
        "",
    )
    assert json.loads(row["metadata"]) == {"who": "me"}
    assert (row["state"], row["depth"], row["run_id"]) == ("present", "head", run.id)


@pytest.mark.parametrize("depth", ["list", "head"])
@pytest.mark.acceptance("LS-04", "CR-01")
async def test_an_unchanged_bucket_costs_its_pages_and_no_write(here: tuple[Catalog, Database], depth: str) -> None:
    """LIST gives milliseconds and HEAD seconds, and only HEAD knows the version: neither makes an object look changed."""
    catalog, database = here
    bucket = FakeBucket()
    for number in range(30):
        bucket.put(f"k{number}".encode(), at="2026-01-01T00:00:00.123Z")
    await ingest(catalog, bucket, depth=depth)
    before = await rows(catalog)
    written: list[str] = []
    event.listen(
        engines(database)[0], "before_cursor_execute", lambda _c, _cu, statement, *_: written.append(statement)
    )
    bucket.requests.clear()
    run = await ingest(catalog, bucket, depth=depth)

    assert await counts(catalog, run) == {"listed": 30, "unchanged": 30}
    assert bucket.requests == [("list", b"")]
    assert not [statement for statement in written if statement.startswith(("INSERT INTO assets", "UPDATE assets"))]
    assert await rows(catalog) == before


async def test_only_what_changed_is_probed(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(100):
        bucket.put(f"k{number:02}".encode())
    await ingest(catalog, bucket)
    first_seen = (await rows(catalog))[b"k05"]["first_seen_at"]
    bucket.put(b"k05", etag="new")
    bucket.put(b"new")
    del bucket.objects[b"k07"]
    bucket.requests.clear()
    run = await ingest(catalog, bucket)

    assert await counts(catalog, run) == {"listed": 100, "unchanged": 98, "changed": 1, "added": 1, "removed": 1}
    assert sorted(key for name, key in bucket.requests if name == "head") == [b"k05", b"new"]
    after = await rows(catalog)
    assert (after[b"k05"]["etag"], after[b"k05"]["first_seen_at"], after[b"k07"]["state"]) == (
        "new",
        first_seen,
        "removed",
    )


async def test_a_deeper_job_looks_again_and_a_shallower_one_does_not(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")
    await ingest(catalog, bucket, depth="list")
    assert await counts(catalog, await ingest(catalog, bucket, depth="head")) == {"listed": 1, "changed": 1}
    assert await counts(catalog, await ingest(catalog, bucket, depth="list")) == {"listed": 1, "unchanged": 1}
    assert (await rows(catalog))[b"a"]["content_type"] == "text/plain"


async def test_a_change_at_a_shallower_depth_keeps_nothing_of_the_former_object(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")
    await ingest(catalog, bucket)
    bucket.put(b"a", etag="new")
    await ingest(catalog, bucket, depth="list")
    row = (await rows(catalog))[b"a"]
    assert (row["etag"], row["content_type"], row["metadata"], row["depth"]) == ("new", None, None, "list")


async def test_what_is_filtered_is_counted_and_never_taken_for_removed(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for key in (b"a.jpg", b"b.txt", b"c.txt"):
        bucket.put(key)
    await ingest(catalog, bucket)
    run = await ingest(catalog, bucket, include=["*.jpg"])
    assert await counts(catalog, run) == {"listed": 3, "unchanged": 1, "filtered": 2}
    assert {row["state"] for row in (await rows(catalog)).values()} == {"present"}


async def test_archived_objects_are_a_state_of_their_own(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"cold", storage="DEEP_ARCHIVE")
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 1, "archived": 1})
    assert (await rows(catalog))[b"cold"]["state"] == "archived"
    assert await counts(catalog, await ingest(catalog, bucket)) == {"listed": 1, "unchanged": 1}


async def test_an_object_that_goes_between_list_and_probe_is_vanished(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")
    bucket.put(b"b")
    bucket.before = lambda request, key: bucket.objects.pop(b"b", None) and None if request == "head" else None
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 2, "added": 1, "vanished": 1})
    assert set(await rows(catalog)) == {b"a"}


async def test_an_object_that_changes_between_list_and_probe_is_recorded_as_it_is_now(
    here: tuple[Catalog, Database],
) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a", etag="old", size=1)
    changes = iter([lambda: bucket.put(b"a", etag="new", size=2)])
    bucket.before = lambda request, _key: next(changes, lambda: None)() if request == "head" else None
    run = await ingest(catalog, bucket)
    row = (await rows(catalog))[b"a"]
    assert (await counts(catalog, run), row["etag"], row["size"]) == ({"listed": 1, "added": 1}, "new", 2)
    assert await counts(catalog, await ingest(catalog, bucket)) == {"listed": 1, "unchanged": 1}


async def test_one_denied_object_is_a_record_and_is_tried_again(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for key in (b"a", b"b", b"c"):
        bucket.put(key)

    def deny(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"b"):
            raise AccessDeniedError("no", code="AccessDenied")

    bucket.before = deny
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("partial", {"listed": 3, "added": 2, "failed": 1})
    row = (await rows(catalog))[b"b"]
    assert (row["state"], row["error_code"]) == ("failed", "AccessDenied")
    bucket.before = lambda _request, _key: None
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 3, "unchanged": 2, "changed": 1})


async def test_a_denial_of_what_is_gone_is_vanished(here: tuple[Catalog, Database]) -> None:
    """Under a ListBucket that is limited to a prefix, S3 answers 403 for a missing key."""
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")

    def deny(request: str, _key: bytes) -> None:
        if request == "head":
            bucket.objects.clear()
            raise AccessDeniedError("no")

    bucket.before = deny
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 1, "vanished": 1})


@pytest.mark.parametrize("gone", [True, False])
async def test_what_became_of_an_object_whose_key_may_not_be_listed_can_not_be_told(
    here: tuple[Catalog, Database], gone: bool
) -> None:
    """A condition on s3:prefix may allow folders and no key in them."""
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"d/a")
    bucket.put(b"d/b")

    def change(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"d/a"):
            if gone:
                bucket.objects.pop(b"d/a", None)
            else:
                bucket.put(b"d/a", etag="new")
        if (request, key) == ("list", b"d/a"):
            raise AccessDeniedError("no", code="AccessDenied")

    bucket.before = change
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("partial", {"listed": 2, "added": 1, "failed": 1})
    row = (await rows(catalog))[b"d/a"]
    assert (row["state"], row["error_code"]) == ("failed", "AccessDenied")


@pytest.mark.parametrize("objects", [12, 1000])
@pytest.mark.acceptance("CG-17")
async def test_a_storm_of_denials_ends_the_run_after_one_fresh_session(
    here: tuple[Catalog, Database], objects: int
) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(objects):
        bucket.put(f"k{number:03}".encode())

    def deny(request: str, _key: bytes) -> None:
        if request == "head":
            raise AccessDeniedError("no")

    bucket.before = deny
    access = FakeAccess()
    with pytest.raises(AccessLostError, match=r"connection 'c'.*s3:GetObject"):
        await ingest(catalog, bucket, access=access)
    assert access.renewed >= 1
    assert bucket.asked("head") < 400  # what was in flight when the window filled


async def test_a_storm_that_a_fresh_session_ends_does_not_stop_the_run(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(100):
        bucket.put(f"k{number:03}".encode())
    access = FakeAccess()

    def deny(request: str, _key: bytes) -> None:
        if request == "head" and not access.renewed:
            raise AccessDeniedError("no")

    bucket.before = deny
    run = await ingest(catalog, bucket, access=access)
    assert run.state == "partial"
    assert (await counts(catalog, run))["added"] > 0


async def test_one_object_that_always_breaks_is_a_record(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(30):
        bucket.put(f"k{number:02}".encode())

    def broken(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"k11"):
            raise SourceUnavailableError("broken", code="InternalError")

    bucket.before = broken
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("partial", {"listed": 30, "added": 29, "failed": 1})
    assert (await rows(catalog))[b"k11"]["error_code"] == "InternalError"


async def test_an_outage_is_no_heap_of_bad_objects(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(30):
        bucket.put(f"k{number:02}".encode())

    def down(request: str, _key: bytes) -> None:
        if request == "head":
            raise SourceUnavailableError("down")

    bucket.before = down
    with pytest.raises(SourceUnavailableError):
        await ingest(catalog, bucket)
    assert await rows(catalog) == {}


@pytest.mark.parametrize(
    "error", [BucketMissingError("none"), ListingError("token twice"), AccessDeniedError("no list")]
)
async def test_a_listing_that_breaks_never_becomes_an_empty_success(
    here: tuple[Catalog, Database], error: Exception
) -> None:
    catalog, _ = here
    bucket = FakeBucket(page_keys=2)
    for key in (b"a", b"b", b"c"):
        bucket.put(key)
    await ingest(catalog, bucket)
    pages = iter([None, error])

    def breaks(request: str, _key: bytes) -> None:
        if request == "list" and (raised := next(pages)) is not None:
            raise raised

    bucket.before = breaks
    with pytest.raises(type(error)):
        await ingest(catalog, bucket)
    assert {row["state"] for row in (await rows(catalog)).values()} == {"present"}


async def test_any_key_is_stored_ordered_bytewise_and_found_again(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    keys = [
        b"p/",
        b"p/\x00",
        b"p/\x00a",
        b"p/a\x00b",
        b"p/\xed\xa0\x80",
        b"p/\xff",
        b"p/\xf0\x9f\x98\x80",
        b"p/\xef\xbf\xbd",
        b"p//",
        b"p/" + b"z" * 1022,
    ]
    bucket = FakeBucket(page_keys=3)
    for key in keys:
        bucket.put(key)
    bucket.put(b"p")
    bucket.put(b"q")
    run = await ingest(catalog, bucket, uris=["s3://bucket-a/p/"])
    assert await counts(catalog, run) == {"listed": len(keys), "added": len(keys)}
    assert [row["key"] for row in await catalog.find_assets(["c"], bucket="bucket-a", prefix=b"p/")] == sorted(keys)
    assert await counts(catalog, await ingest(catalog, bucket, uris=["s3://bucket-a/p/"])) == {
        "listed": len(keys),
        "unchanged": len(keys),
    }
    del bucket.objects[b"p/\x00a"]
    run = await ingest(catalog, bucket, uris=["s3://bucket-a/p/"])
    assert (await counts(catalog, run))["removed"] == 1


async def test_a_bucket_of_which_much_is_gone_is_compared_in_bounded_pieces(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = FakeBucket()
    for number in range(40):
        bucket.put(f"k{number:02}".encode())
    await ingest(catalog, bucket, depth="list")
    for number in range(5, 35):
        del bucket.objects[f"k{number:02}".encode()]
    limits = Limits(known_rows=7, removals_share=1, heartbeat_s=60, lease_s=600)
    run_id = await new_run(catalog, depth="list")
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, limits).work()
    totals = (await catalog.run(run_id))[1]
    assert (totals.listed, totals.outcomes["unchanged"], totals.missing, totals.known) == (10, 10, 30, 40)
    most = await database.read(
        lambda tx: tx.execute(sa.text("SELECT max(known) FROM spans WHERE run_id = :run"), {"run": run_id}).scalar_one()
    )
    assert most <= 7


async def test_an_object_that_is_listed_and_can_not_be_found_is_a_failure(here: tuple[Catalog, Database]) -> None:
    """Not one that vanished: a gateway that does not know HEAD would lose every object in silence."""
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")

    def missing(request: str, _key: bytes) -> None:
        if request == "head":
            raise ObjectMissingError("none")

    bucket.before = missing
    run = await ingest(catalog, bucket)
    assert (run.state, await counts(catalog, run)) == ("partial", {"listed": 1, "failed": 1})
    assert (await rows(catalog))[b"a"]["error_code"] == "ListedButMissing"


async def test_a_known_object_that_changes_and_vanishes_is_removed(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a")
    bucket.put(b"b")
    await ingest(catalog, bucket)
    bucket.put(b"a", etag="new")
    bucket.before = lambda request, _key: bucket.objects.pop(b"a", None) and None if request == "head" else None
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": 2, "unchanged": 1, "vanished": 1, "removed": 1}


async def test_nonsense_about_one_object_is_a_record(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(30):
        bucket.put(f"k{number:02}".encode())

    def nonsense(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"k03"):
            raise ProtocolError("no ETag", code="NoEtag")

    bucket.before = nonsense
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": 30, "added": 29, "failed": 1}


@pytest.mark.parametrize("rested", [0, 3])
async def test_when_all_of_a_few_are_lost_it_is_an_outage_until_it_lasts(
    here: tuple[Catalog, Database], rested: int
) -> None:
    catalog, database = here
    bucket = FakeBucket()
    bucket.put(b"a")

    def down(request: str, _key: bytes) -> None:
        if request == "head":
            raise SourceUnavailableError("down", code="SlowDown")

    bucket.before = down
    run_id = await new_run(catalog)
    await database.transaction(lambda tx: tx.exec_driver_sql(f"UPDATE shards SET failures = {rested}"))
    shard, run = await claimed(catalog, run_id=run_id)
    if rested:
        await a_slice(catalog, shard, run, bucket, LIMITS).work()
        assert (await rows(catalog))[b"a"]["error_code"] == "SlowDown"
    else:
        with pytest.raises(SourceUnavailableError):
            await a_slice(catalog, shard, run, bucket, LIMITS).work()
        assert await rows(catalog) == {}


async def test_what_was_missing_and_is_listed_but_filtered_is_present_again(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for key in (b"a", b"b"):
        bucket.put(key)
    await ingest(catalog, bucket)
    objects, bucket.objects = bucket.objects, {}
    asked = await ingest(catalog, bucket)
    assert asked.state == "needs_confirmation"
    bucket.objects = objects
    await ingest(catalog, bucket, include=["nothing"])
    with pytest.raises(LongshoreError, match="nothing is left"):
        await catalog.closings.confirm(asked.id)
    assert {row["state"] for row in (await rows(catalog)).values()} == {"present"}


async def test_denied_throughout_is_found_out_before_the_shard_is_done(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    for number in range(12):
        bucket.put(f"k{number:02}".encode())

    def deny(request: str, _key: bytes) -> None:
        if request == "head":
            raise AccessDeniedError("no")

    bucket.before = deny
    run_id = await new_run(catalog)
    shard, run = await claimed(catalog, run_id=run_id)
    with pytest.raises(AccessLostError):
        await a_slice(catalog, shard, run, bucket, LIMITS).work()
    assert (await catalog.run(run_id))[0].state == "running"


class Hangs(FakeBucket):
    """Answers with one page and no other."""

    async def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]:
        async for page in super().pages(prefix=prefix, within=within, delimiter=delimiter, recall=recall):
            yield page
            await asyncio.Event().wait()


async def test_a_connection_that_changes_ends_the_slice(here: tuple[Catalog, Database]) -> None:
    """The next claim looks at it anew; one that is removed ends it at once."""
    catalog, _ = here
    bucket = Hangs(page_keys=1)
    bucket.put(b"a")
    bucket.put(b"b")
    bucket.put(b"c")

    async def changed() -> bool:
        return True

    async def removed() -> bool:
        raise UnknownConnectionError("gone")

    limits = Limits(heartbeat_s=0.02, lease_s=600)
    await new_run(catalog)
    shard, run = await claimed(catalog)
    work = a_slice(catalog, shard, run, bucket, limits, connection_changed=changed)
    await work.work()
    assert work.shard.todo != ()
    with pytest.raises(UnknownConnectionError):
        await a_slice(catalog, work.shard, run, bucket, limits, connection_changed=removed).work()


async def test_a_slice_that_is_asked_to_stop_keeps_what_it_did_and_leaves_the_rest(
    here: tuple[Catalog, Database],
) -> None:
    catalog, _ = here
    bucket = FakeBucket(page_keys=10)
    for number in range(100):
        bucket.put(f"k{number:02}".encode())
    run_id = await new_run(catalog)
    shard, run = await claimed(catalog)
    work = a_slice(catalog, shard, run, bucket, LIMITS, stop=lambda: bucket.asked("head") >= 20)
    await work.work()
    done = set(await rows(catalog))
    assert 20 <= len(done) < 100
    assert {key for key in bucket.objects if not any(key in part for _, part in work.shard.todo)} == done

    await catalog.give_back(work.shard, usage=Usage())
    shard, run = await claimed(catalog)
    await a_slice(catalog, shard, run, bucket, LIMITS).work()
    assert (await catalog.run(run_id))[1].outcomes["added"] == 100
    assert bucket.asked("head") == 100


async def test_a_page_that_hangs_holds_up_neither_the_commit_of_others_nor_the_stop(
    here: tuple[Catalog, Database],
) -> None:
    catalog, _ = here
    committed, stopping = asyncio.Event(), False

    bucket = Hangs(page_keys=10)
    for number in range(30):
        bucket.put(f"k{number:02}".encode())
    await new_run(catalog)
    shard, run = await claimed(catalog)
    limits = LIMITS.model_copy(update={"list_streams": 1})
    work = a_slice(
        catalog, shard, run, bucket, limits, stop=lambda: stopping, observe=lambda event: _told(event, committed)
    )
    working = asyncio.create_task(work.work())
    await committed.wait()
    stopping = True
    await working
    assert work.shard.todo == ((0, Range(b"k09", None)),)
    assert len(await rows(catalog)) == 10


def _told(event: Event, committed: asyncio.Event) -> None:
    if isinstance(event, SpanCommitted):
        committed.set()


async def test_a_lease_that_is_lost_ends_the_slice(here: tuple[Catalog, Database]) -> None:
    """The heartbeat finds out even while a page is being waited for."""
    catalog, _ = here
    waiting = asyncio.Event()

    class Stuck(FakeBucket):
        async def pages(
            self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
        ) -> AsyncGenerator[Page]:
            waiting.set()
            await asyncio.Event().wait()
            yield Page(entries=Entries())

    run_id = await new_run(catalog)
    shard, run = await claimed(catalog)
    limits = Limits(heartbeat_s=0.01)
    working = asyncio.create_task(a_slice(catalog, shard, run, Stuck(), limits).work())
    await waiting.wait()
    await catalog.cancel(run_id)
    with pytest.raises(Exception, match="no longer this worker's"):
        await working
