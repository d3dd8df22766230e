"""Trying again: which ranges hold the failed objects, what may be tried again, and what the child does."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from config.database import Database
from config.errors import AccessDeniedError, RetryRefusedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.retrying import Failed, Retries, _fewer, chosen, ranges
from ingest.catalog.runs import Run
from ingest.catalog.shards import load
from ingest.catalog.tables import shards
from ingest.model import Range
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, new_run, work_all

LIMITS = Limits(page_keys=4, span_probes=4, heartbeat_s=60, lease_s=600, removals_min=0)
KEYS = st.sets(st.binary(min_size=1, max_size=3).map(lambda tail: b"p/" + tail) | st.just(b"p/"), min_size=1)


def failed(keys: list[bytes], bad: list[bytes]) -> list[Failed]:
    places = [(bisect_left(keys, key), key) for key in bad]
    return [Failed(key, keys[place - 2] if place >= 2 else None, place + 1) for place, key in places]


@given(KEYS, st.data(), st.integers(1, 4), st.integers(1, 6))
def test_ranges_hold_every_failed_key_are_apart_and_can_be_sent(
    found: set[bytes], data: st.DataObject, near: int, most: int
) -> None:
    keys = sorted(found)
    bad = sorted(data.draw(st.sets(st.sampled_from(keys), min_size=1)))
    parts = list(ranges(failed(keys, bad), prefix=b"p/", near=near))
    whole = [Range(part.lo, part.hi) for part in parts]
    few = [part for _, part in _fewer([(0, part) for part in parts], most=most)]
    assert len(few) == min(most, len(whole))
    for some in (whole, few):
        assert all(sum(key in part for part in some) == 1 for key in bad)
        assert all(one.hi is not None and two.lo is not None and one.hi <= two.lo for one, two in pairwise(some))
        assert all(part.lo is None or (part.lo.startswith(b"p/") and part.lo.decode()) for part in some)
        assert {part.hi for part in some} <= set(bad)
    for one, two in pairwise(whole):
        assert sum(one.hi < key for key in keys if key < min(k for k in bad if k > one.hi)) >= near  # type: ignore[operator]  # they have ends
        assert two.lo is not None


def test_the_nearest_are_joined_and_never_across_sources() -> None:
    def part(first: int) -> Any:
        (only,) = ranges([Failed(b"%03d" % first, b"%03d" % (first - 2), first)], prefix=b"", near=1)
        return only

    found = [(0, part(10)), (0, part(40)), (0, part(45)), (1, part(46))]
    assert _fewer(found, most=3) == [(0, Range(b"008", b"010")), (0, Range(b"038", b"045")), (1, Range(b"044", b"046"))]
    assert _fewer(found, most=2) == [(0, Range(b"008", b"045")), (1, Range(b"044", b"046"))]


def holding(count: int) -> FakeBucket:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for number in range(count):
        bucket.put(b"a/%03d" % number)
        bucket.put(b"b/%03d" % number)
    return bucket


def deny(bucket: FakeBucket, *keys: bytes) -> None:
    def before(request: str, key: bytes) -> None:
        if request == "head" and key in keys:
            raise AccessDeniedError("not for you")

    bucket.before = before


async def worked(catalog: Catalog, bucket: FakeBucket, run_id: str) -> Run:
    return await work_all(catalog, bucket, LIMITS, run_id)


async def a_partial_run(catalog: Catalog, bucket: FakeBucket, *bad: bytes) -> Run:
    deny(bucket, *bad)
    run_id = await new_run(catalog, uris=["s3://bucket-a/a/", "s3://bucket-a/b/", "s3://bucket-a/c/"])
    return await worked(catalog, bucket, run_id)


def retries(database: Database, limits: Limits = LIMITS) -> Retries:
    return Retries(database=database, workspace="main", limits=limits)


async def test_only_what_lies_around_failed_objects_is_listed_again(tmp_path: Path) -> None:
    bucket = holding(40)
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        parent = await a_partial_run(catalog, bucket, b"a/000", b"a/020", b"a/023", b"b/030")
        assert parent.state == "partial"
        deny(bucket, b"a/023")
        bucket.requests.clear()
        child = await retries(database).create(parent, what="failed", connection_id="c")
        assert child.asked == (
            (0, Range(None, b"a/000")),
            (0, Range(b"a/018", b"a/023")),
            (1, Range(b"b/028", b"b/030")),
        )
        todo = sa.select(shards.c.ranges).where(shards.c.run_id == child.id, shards.c.kind == "list")
        lists = sorted(
            await database.read(lambda tx: list(map(load, tx.execute(todo).scalars()))), key=lambda one: one[0][0]
        )
        assert lists == [child.asked[:2], child.asked[2:]]
        worse = await worked(catalog, bucket, child.id)
        assert worse.state == "partial"
        assert (worse.error or "").startswith("1 object could not be read; ")
        assert sorted(key for request, key in bucket.requests if request == "head") == [
            b"a/000",
            b"a/020",
            b"a/023",
            b"b/030",
        ]
        run, totals = await catalog.run(child.id)
        assert (run.parent_id, run.job_id, run.origin) == (parent.id, None, "ingest")
        assert (totals.listed, totals.outcomes["changed"], totals.outcomes["failed"]) == (8, 3, 1)
        deny(bucket)
        again = await retries(database).create(run, what=chosen(run, None), connection_id="c")
        assert again.asked == ((0, Range(b"a/021", b"a/023")),)
        assert (await worked(catalog, bucket, again.id)).state == "complete"
        with pytest.raises(RetryRefusedError, match=r"no object of run .* is left"):
            await retries(database).create(parent, what="failed", connection_id="c")
        whole = await retries(database).create(parent, what="all", connection_id="c")
        assert (whole.asked, whole.sources, whole.job) == (None, parent.sources, parent.job)


async def test_ranges_are_no_more_than_the_limit(tmp_path: Path) -> None:
    bucket = holding(40)
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        parent = await a_partial_run(catalog, bucket, b"a/010", b"a/020", b"b/005", b"b/035")
        few = retries(database, LIMITS.model_copy(update={"retry_ranges": 1}))
        child = await few.create(parent, what="failed", connection_id="c")
        assert child.asked == ((0, Range(b"a/008", b"a/020")), (1, Range(b"b/003", b"b/035")))


async def test_a_failed_object_that_is_gone_is_removed_without_a_question(tmp_path: Path) -> None:
    """The row before it is still listed, so the bucket is not empty. What is gone outside of the ranges is not judged."""
    bucket = holding(40)
    async with a_catalog(tmp_path, Limits(heartbeat_s=60, lease_s=600)) as (catalog, database):
        parent = await a_partial_run(catalog, bucket, b"a/020")
        for key in (b"a/020", b"a/030"):
            del bucket.objects[key]
        child = await retries(database).create(parent, what="failed", connection_id="c")
        assert (await worked(catalog, bucket, child.id)).state == "complete"
        states = {row["key"]: row["state"] for row in await catalog.find_assets(["c"])}
        assert (states[b"a/020"], states[b"a/030"]) == ("removed", "present")


async def test_a_range_begins_at_what_can_be_sent(tmp_path: Path) -> None:
    """Keys that are no UTF-8 can't be named as start-after: the range begins before them."""
    bucket = FakeBucket()
    for tail in (b"a", b"b\xff1", b"b\xff2", b"b\xff3", b"c"):
        bucket.put(b"a/" + tail)
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        parent = await a_partial_run(catalog, bucket, b"a/b\xff3")
        child = await retries(database).create(parent, what="failed", connection_id="c")
        assert child.asked == ((0, Range(b"a/b", b"a/b\xff3")),)


async def test_what_can_not_be_tried_again_says_why(tmp_path: Path) -> None:
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        run = (await catalog.run(await new_run(catalog)))[0]
        for state, asked_for, said in [
            ("queued", "all", "still goes on"),
            ("running", None, "still goes on"),
            ("complete", None, "--all.* --archived"),
            ("complete", "failed", "--all"),
            ("needs_confirmation", None, "decision"),
        ]:
            with pytest.raises(RetryRefusedError, match=said):
                chosen(replace(run, state=state), asked_for)  # type: ignore[arg-type]  # None or one of two words
        with pytest.raises(RetryRefusedError, match="no job"):
            chosen(replace(run, state="failed", job=None), "all")
        with pytest.raises(RetryRefusedError, match="replaced"):
            await retries(database).create(replace(run, state="partial"), what="failed", connection_id="another")


@pytest.mark.parametrize(
    ("state", "asked_for", "what"),
    [
        ("partial", None, "failed"),
        ("partial", "all", "all"),
        ("failed", None, "all"),
        ("cancelled", None, "all"),
        ("cancelled", "failed", "failed"),
        ("complete", "all", "all"),
        ("needs_confirmation", "all", "all"),
    ],
)
async def test_what_is_tried_unless_somebody_says_so(tmp_path: Path, state: str, asked_for: Any, what: str) -> None:
    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        run = replace((await catalog.run(await new_run(catalog)))[0], state=state)
        assert chosen(run, asked_for) == what
        assert chosen(replace(run, state="cancelled", asked=()), None) == "failed"
