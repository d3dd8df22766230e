"""Runs whose jobs name their objects: each is asked and nothing is listed, what was not named stays, and certificates hold."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.database import Database
from config.errors import (
    AccessDeniedError,
    AccessLostError,
    BucketMissingError,
    LongshoreError,
    ObjectArchivedError,
    ObjectMissingError,
    ProtocolError,
    RequestRefusedError,
    SourceUnavailableError,
)
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.retrying import Retries
from ingest.catalog.runs import Run
from ingest.catalog.shards import Usage
from ingest.handover import Giver
from ingest.model import Range
from ingest.naming import Named
from ingest.sources.named import NamedPieces
from ingest.verifying import verified
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_slice, claimed, new_run, work_all
from tests.postgres import Kind

LIMITS = Limits(span_probes=3, heartbeat_s=60, lease_s=600, denied_window=20)
THERE = [f"k{number:02}" for number in range(10)]


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


@pytest.fixture(name="either")
async def _either(tmp_path: Path, kind: Kind) -> AsyncGenerator[tuple[Catalog, Database]]:
    """A catalog of either kind."""
    async with a_catalog(tmp_path, LIMITS, kind=kind) as both:
        yield both


def a_bucket(*keys: str) -> FakeBucket:
    bucket = FakeBucket()
    for key in keys or THERE:
        bucket.put(key.encode(), size=5, etag=f"e-{key}")
    return bucket


async def ingest(catalog: Catalog, bucket: FakeBucket, *keys: str, **job: object) -> Run:
    """A run of these objects; of the whole bucket if there are none."""
    bucket.requests.clear()
    named = {"uris": [f"s3://bucket-a/{key}" for key in keys], "exact": True} if keys else {}
    return await work_all(catalog, bucket, LIMITS, await new_run(catalog, **named, **job))


async def counts(catalog: Catalog, run: Run) -> dict[str, int]:
    totals = (await catalog.run(run.id))[1]
    told = {"listed": totals.listed, **totals.outcomes, "known": totals.known, "missing": totals.missing}
    return {name: count for name, count in told.items() if count}


async def states(catalog: Catalog) -> dict[str, str]:
    return {
        row["key"].decode(): row["error_code"] if row["state"] == "failed" else row["state"]
        for row in await catalog.find_assets(["c"])
    }


async def row_of(catalog: Catalog, key: str) -> dict[str, Any]:
    return {**{row["key"].decode(): row for row in await catalog.find_assets(["c"])}[key]}


async def proves(catalog: Catalog, run: Run) -> bool:
    """The certificate held, and does so when it is looked at again."""
    found, totals = await catalog.run(run.id)
    assert found.certificate is not None
    return bool(found.certificate["holds"]) and (await verified(catalog.closings, found, totals)).certificate.holds


@pytest.mark.acceptance("CG-01", "CG-02")
@pytest.mark.parametrize("depth", ["head", "media"])
async def test_each_named_object_is_asked_once_and_nothing_is_listed(
    here: tuple[Catalog, Database], depth: str
) -> None:
    catalog, _ = here
    bucket = a_bucket()
    run = await ingest(catalog, bucket, "k03", "k01", "k07", "k01", "k09", depth=depth)
    asked = "head" if depth == "head" else "get"
    assert sorted(bucket.requests) == [(asked, key) for key in (b"k01", b"k03", b"k07", b"k09")]
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 4, "added": 4})
    row = await row_of(catalog, "k03")
    assert (row["size"], row["etag"], row["last_modified"]) == (5, "e-k03", "2026-01-01T00:00:00.000Z")
    assert (row["depth"], row["content_type"]) == (depth, "text/plain")
    assert await proves(catalog, run)


@pytest.mark.parametrize("depth", ["head", "media"])
async def test_the_second_time_headers_tell_what_is_known_and_it_is_not_read_and_not_written(
    either: tuple[Catalog, Database], depth: str
) -> None:
    catalog, _ = either
    bucket = a_bucket()
    await ingest(catalog, bucket, *THERE, depth=depth)
    before = await row_of(catalog, "k03")
    bucket.put(b"k05", size=6, etag="other")
    run = await ingest(catalog, bucket, *THERE, depth=depth)
    assert (bucket.asked("head"), bucket.asked("get")) == (10, int(depth == "media"))
    assert await counts(catalog, run) == {"listed": 10, "unchanged": 9, "changed": 1, "known": 10}
    assert await row_of(catalog, "k03") == before
    assert (await row_of(catalog, "k05"))["etag"] == "other"
    assert await proves(catalog, run)


@pytest.mark.parametrize("depth", ["head", "media", "content"])
@pytest.mark.parametrize(
    "again", [{"at": "2026-01-01T00:00:01.000Z"}, {"storage": "GLACIER"}], ids=["metadata", "storage class"]
)
async def test_the_same_bytes_that_were_put_again_are_another_object(
    here: tuple[Catalog, Database], depth: str, again: dict[str, str]
) -> None:
    """They have the same ETag."""
    catalog, _ = here
    bucket = a_bucket("a")
    bucket.headers[b"a"] = {"x-amz-meta-who": "me"}
    await ingest(catalog, bucket, "a", depth=depth)
    bucket.put(b"a", size=5, etag="e-a", **again)
    bucket.headers[b"a"] = {"x-amz-meta-who": "you"}
    run = await ingest(catalog, bucket, "a", depth=depth)
    change = "archived" if "storage" in again else "changed"
    assert await counts(catalog, run) == {"listed": 1, change: 1, "known": 1}
    asked = ["head"] if depth == "head" or change == "archived" else ["head", "get"]
    assert [request for request, _ in bucket.requests] == asked
    assert "you" in (await row_of(catalog, "a"))["headers"]
    assert await proves(catalog, run)


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_named_and_not_there_has_failed_and_what_was_not_named_stays(
    either: tuple[Catalog, Database], known: bool
) -> None:
    catalog, _ = either
    bucket = a_bucket()
    if known:
        await ingest(catalog, bucket)
    for key in (b"k02", b"k05", b"k06"):
        del bucket.objects[key]
    run = await ingest(catalog, bucket, "k01", "k02", "k03")
    assert (run.state, run.error_code) == ("partial", "FailedObjects")
    assert (await states(catalog))["k02"] == "NoSuchKey"
    told = {"listed": 3, "failed": 1} | ({"unchanged": 2, "known": 3} if known else {"added": 2})
    assert await counts(catalog, run) == told
    assert await proves(catalog, run)
    if known:
        assert {key: state for key, state in (await states(catalog)).items() if key != "k02"} == {
            key: "present" for key in THERE if key != "k02"
        }
        assert (await row_of(catalog, "k02"))["etag"] == "e-k02"  # as it was known
    later = await ingest(catalog, bucket)
    assert {"k02", "k05", "k06"}.isdisjoint(
        key for key, state in (await states(catalog)).items() if state not in ("removed", "missing")
    )
    assert await proves(catalog, later)


async def test_a_listing_finds_what_was_named_unchanged_and_the_other_way_round(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    await ingest(catalog, bucket, "k01", "k04")
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": 10, "unchanged": 2, "added": 8, "known": 2}
    assert bucket.asked("head") == 8
    run = await ingest(catalog, bucket, "k02", "k04")
    assert await counts(catalog, run) == {"listed": 2, "unchanged": 2, "known": 2}


async def test_milliseconds_that_only_a_listing_tells_are_no_change(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a", at="2026-01-01T00:00:00.123Z")
    await ingest(catalog, bucket, depth="list")
    run = await ingest(catalog, bucket, "a")
    assert await counts(catalog, run) == {"listed": 1, "changed": 1, "known": 1}  # it is looked at more deeply
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": 1, "unchanged": 1, "known": 1}


async def test_what_a_named_run_wrote_is_not_taken_for_what_was_listed(here: tuple[Catalog, Database]) -> None:
    """The next listing remembers all but the page that the named object lies on."""
    catalog, _ = here
    bucket = a_bucket()
    bucket.page_keys = 2
    await ingest(catalog, bucket)
    bucket.put(b"k05", size=9, etag="other")
    await ingest(catalog, bucket, "k05")
    bucket.put(b"k05", size=5, etag="e-k05")  # as it was listed
    bucket.recalled = 0
    run = await ingest(catalog, bucket)
    assert await counts(catalog, run) == {"listed": 10, "unchanged": 9, "changed": 1, "known": 10}
    assert (await row_of(catalog, "k05"))["etag"] == "e-k05"
    assert bucket.recalled  # pages that it does not lie on


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AccessDeniedError("no", code="AccessDenied"), "AccessDenied"),
        (ObjectMissingError("gone"), "NoSuchKey"),
        (SourceUnavailableError("down", code="InternalError"), "InternalError"),
        (ProtocolError("304"), "Protocol"),
    ],
)
async def test_one_bad_object_is_a_record_and_is_tried_again(
    either: tuple[Catalog, Database], error: LongshoreError, code: str
) -> None:
    catalog, database = either
    bucket = a_bucket()

    def refuse(_request: str, key: bytes) -> None:
        if key == b"k04":
            raise error

    bucket.before = refuse
    run = await ingest(catalog, bucket, *THERE[:8])
    assert await counts(catalog, run) == {"listed": 8, "added": 7, "failed": 1}
    assert (await states(catalog))["k04"] == code
    assert await proves(catalog, run)

    bucket.before = lambda _request, _key: None
    bucket.requests.clear()
    retries = Retries(database=database, workspace="main", limits=LIMITS)
    again = await retries.create(run, what="failed", connection_id="c")
    done = await work_all(catalog, bucket, LIMITS, again.id)
    assert bucket.requests == [("head", b"k04")]
    assert (done.state, await counts(catalog, done)) == ("complete", {"listed": 1, "changed": 1, "known": 1})
    assert (await states(catalog))["k04"] == "present"
    assert await proves(catalog, done)


async def test_archived_objects_are_told_by_their_headers(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"cold", storage="GLACIER")

    def archived(request: str, _key: bytes) -> None:
        if request == "get":
            raise ObjectArchivedError("restore it", code="InvalidObjectState")

    bucket.before = archived
    run = await ingest(catalog, bucket, "cold", depth="media")
    assert (run.state, await counts(catalog, run)) == ("complete", {"listed": 1, "archived": 1})
    assert (await row_of(catalog, "cold"))["storage_class"] == "GLACIER"


async def test_a_bucket_that_is_not_there_ends_the_run_by_that_name(here: tuple[Catalog, Database]) -> None:
    """A HEAD's 404 has no words."""
    catalog, _ = here

    def refuse(request: str, _key: bytes) -> None:
        raise ObjectMissingError("404") if request == "head" else BucketMissingError("no bucket", code="NoSuchBucket")

    bucket = a_bucket()
    bucket.before = refuse
    shard, run = await claimed(catalog, run_id=await new_run(catalog, uris=["s3://bucket-a/x"], exact=True))
    with pytest.raises(BucketMissingError):
        await a_slice(catalog, shard, run, bucket, LIMITS).work()


async def test_a_storm_of_denials_ends_the_run(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here

    def refuse(_request: str, _key: bytes) -> None:
        raise AccessDeniedError("no", code="AccessDenied")

    bucket = a_bucket()
    bucket.before = refuse
    uris = [f"s3://bucket-a/{number}" for number in range(30)]
    shard, run = await claimed(catalog, run_id=await new_run(catalog, uris=uris, exact=True))
    with pytest.raises(AccessLostError):
        await a_slice(catalog, shard, run, bucket, LIMITS).work()


FILM_BYTES = 2_000_100
FILM = bytes.fromhex("0000001866747970") + b"isom" + bytes(12) + (FILM_BYTES - 124).to_bytes(4, "big") + b"mdat"
"""The beginning of one whose header stands at its end."""


def a_film() -> FakeBucket:
    bucket = FakeBucket()
    bucket.put(b"a.mp4", size=FILM_BYTES, etag="one")
    bucket.bodies[b"a.mp4"] = FILM + bytes(FILM_BYTES - len(FILM))
    return bucket


async def test_an_object_that_changes_while_it_is_looked_at_is_the_new_one(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_film()

    def change(_request: str, key: bytes) -> None:
        if len(bucket.requests) == 2:
            bucket.put(key, size=7, etag="two")
            bucket.bodies[key] = b"changed"

    bucket.before = change
    run = await ingest(catalog, bucket, "a.mp4", depth="media")
    assert (run.state, [request for request, _ in bucket.requests]) == ("complete", ["get", "get", "head", "get"])
    row = await row_of(catalog, "a.mp4")
    assert (row["etag"], row["size"], row["media_type"]) == ("two", 7, "text/plain")


async def test_one_that_goes_while_it_is_looked_at_has_failed(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_film()

    def go(_request: str, key: bytes) -> None:
        if len(bucket.requests) == 2:
            del bucket.objects[key]

    bucket.before = go
    run = await ingest(catalog, bucket, "a.mp4", depth="media")
    assert (run.state, await states(catalog)) == ("partial", {"a.mp4": "NoSuchKey"})
    assert await proves(catalog, run)


async def test_a_server_without_ranges_is_asked_for_no_more_than_it_gives(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_film()

    def ignore_ranges(_request: str, _key: bytes) -> None:
        if len(bucket.requests) > 1:
            raise RequestRefusedError("no ranges", code="RangeIgnored")

    bucket.before = ignore_ranges
    run = await ingest(catalog, bucket, "a.mp4", depth="media")
    row = await row_of(catalog, "a.mp4")
    assert (run.state, row["media_type"]) == ("complete", "video/mp4")
    assert "no ranges" in row["media"]


@pytest.mark.parametrize("size", [0, 5])
async def test_whole_objects_are_read_once(here: tuple[Catalog, Database], size: int) -> None:
    catalog, _ = here
    bucket = FakeBucket()
    bucket.put(b"a", size=size, etag="one")
    run = await ingest(catalog, bucket, "a", depth="content")
    assert (run.state, bucket.requests) == ("complete", [("head", b"a"), ("get", b"a")])
    row = await row_of(catalog, "a")
    assert (row["depth"], row["size"], row["sha256"]) == ("content", size, sha256(bytes(size)).hexdigest())
    run = await ingest(catalog, bucket, "a", depth="content")
    assert await counts(catalog, run) == {"listed": 1, "unchanged": 1, "known": 1}


async def test_what_stops_half_way_goes_on_where_it_was(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket()
    run_id = await new_run(catalog, uris=[f"s3://bucket-a/{key}" for key in THERE], exact=True)
    shard, run = await claimed(catalog, run_id=run_id)
    stopping = False

    def stop(_request: str, key: bytes) -> None:
        nonlocal stopping
        stopping = stopping or key == b"k04"

    bucket.before = stop
    one_by_one = LIMITS.model_copy(update={"pieces_at_once": 1})
    work = a_slice(catalog, shard, run, bucket, one_by_one, stop=lambda: stopping)
    await work.work()
    assert [part for _, part in work.shard.todo] == [Range(b"k05", None)]
    await catalog.give_back(work.shard, usage=Usage())
    stopping, bucket.before = False, lambda _request, _key: None
    await work_all(catalog, bucket, LIMITS, run_id)
    found = (await catalog.run(run_id))[0]
    assert found.state == "complete"
    assert sorted(key for _, key in bucket.requests) == [key.encode() for key in THERE]


@given(
    st.sets(st.binary(min_size=1, max_size=2), min_size=1, max_size=20),
    st.lists(st.binary(max_size=2), max_size=4, unique=True),
    st.integers(1, 5),
)
async def test_pieces_tile_what_is_to_do(keys: set[bytes], ends: list[bytes], most: int) -> None:
    named = Named("b", b"", tuple(sorted(keys)))
    bounds: list[bytes | None] = [None, *sorted(ends), None]
    todo = [Range(lo, hi) for lo, hi in pairwise(bounds)][::2]
    pieces = NamedPieces(named, todo, keys=most)
    found = []
    while (piece := await pieces.next()) is not None:
        assert piece.entries.keys == list(named.within(piece.within))
        assert len(piece.entries) <= most
        found.append(piece.within)
    assert pieces.joined(found) == todo


async def test_what_nobody_has_begun_is_given_to_others() -> None:
    named = Named("b", b"", tuple(f"{number:03}".encode() for number in range(100)))
    limits = Limits(span_probes=5)
    pieces = NamedPieces(named, [Range()], keys=5)
    giver = Giver(source=0, lister=pieces, depth="head", limits=limits)
    first = await pieces.next()
    assert first is not None
    [gift] = giver.gifts(1)
    given_keys = [key for _, part in gift for key in named.within(part)]
    kept = [*first.entries.keys]
    while (piece := await pieces.next()) is not None:
        kept += piece.entries.keys
    assert sorted(given_keys + kept) == list(named.keys)
    assert len(given_keys) >= 30


async def test_named_objects_of_several_buckets_are_sources_of_one_run(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    bucket = a_bucket("x")
    run_id = await new_run(catalog, uris=["s3://bucket-b/x", "s3://bucket-a/x"], exact=True)
    run = await work_all(catalog, bucket, LIMITS, run_id)
    assert [source.uri for source in run.sources] == ["s3://bucket-a/x", "s3://bucket-b/x"]
    assert await counts(catalog, run) == {"listed": 2, "added": 2}
    assert await proves(catalog, run)
