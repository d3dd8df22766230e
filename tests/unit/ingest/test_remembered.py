"""What the last run saw: a page that comes again is known without a look, and never wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.database import Database
from config.errors import AccessDeniedError, RetryRefusedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.remembering import _Touched
from ingest.catalog.retrying import Retries
from ingest.catalog.runs import Run, Totals
from ingest.catalog.tables import runs, spans
from ingest.model import Range
from ingest.remembered import Tile, remember
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, confirmed, engines, new_run, work_all
from tests.postgres import Kind

LIMITS = Limits(
    page_keys=4, span_probes=4, known_rows=5, list_streams=3, removals_min=10_000, heartbeat_s=60, lease_s=600
)


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> tuple[Run, Totals]:
    return await work(catalog, bucket, await new_run(catalog, **job))


async def work(catalog: Catalog, bucket: FakeBucket, run_id: str) -> tuple[Run, Totals]:
    await work_all(catalog, bucket, LIMITS, run_id)
    return await catalog.run(run_id)


async def fresh(work: Callable[[Catalog, Database], Any], kind: Kind = "sqlite") -> Any:
    with TemporaryDirectory() as folder:
        async with a_catalog(Path(folder), LIMITS, kind=kind) as both:
            return await work(*both)


def a_bucket(count: int = 23) -> FakeBucket:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for number in range(count):
        bucket.put(b"k%03d" % number)
    return bucket


KEYS = st.sampled_from([*(b"%s%d" % (folder, number) for folder in (b"", b"a/", b"b") for number in range(7)), b"a/"])
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from(["one", "two", "gone"])), max_size=6)
JOBS = st.fixed_dictionaries(
    {
        "uris": st.sampled_from([["s3://bucket-a"], ["s3://bucket-a/a/"], ["s3://bucket-a/a/", "s3://bucket-a/b"]]),
        "depth": st.sampled_from(["list", "head"]),
        "include": st.sampled_from([[], [], ["*1", "*2", "*3"]]),
    }
)
BOUND = st.none() | st.binary(min_size=1, max_size=2).map(lambda one: bytes(b"ab\xff"[byte % 3] for byte in one))
DENIED = st.sets(KEYS, max_size=2)
STEPS = st.lists(st.tuples(CHANGES, JOBS | st.just("retry"), DENIED), min_size=1, max_size=8)
"""A retry is of the failed objects of the last run that listed all of its places."""


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_runs_came_before_the_catalog_is_what_the_last_one_saw(steps: list[Any]) -> None:
    asyncio.run(fresh(lambda catalog, database: _follow(catalog, database, steps)))


@settings(deadline=None, max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_whatever_runs_came_before_the_same_holds_on_postgresql(steps: list[Any]) -> None:
    """Fewer of them: a database is made for each."""
    asyncio.run(fresh(lambda catalog, database: _follow(catalog, database, steps), "linguistic"))


async def _follow(catalog: Catalog, database: Database, steps: list[Any]) -> None:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    retries = Retries(database=database, workspace="main", limits=LIMITS)
    last: tuple[Run, Any] | None = None
    truth: dict[bytes, tuple[str, str, str]] = {}
    for changes, job, denied in steps:
        for key, etag in changes:
            if etag == "gone":
                bucket.objects.pop(key, None)
            else:
                bucket.put(key, etag=etag)
        bucket.before = _denying(denied)
        if job == "retry":
            if last is None or (part := await _retried(retries, last[0])) is None:
                continue
            run, totals = await work(catalog, bucket, part.id)
            asked = [(part.sources[number].prefix, within) for number, within in part.asked or ()]
        else:
            run, totals = await ingest(catalog, bucket, **job)
            last, asked = (run, job), None
        if run.state == "needs_confirmation":  # nothing at all is left
            await confirmed(catalog, run.id)
        _expect(truth, bucket, last[1], denied, asked)
        assert await _present(catalog) == truth
        assert totals.listed == sum(totals.outcomes.values())


async def _retried(retries: Retries, parent: Run) -> Run | None:
    try:
        return await retries.create(parent, what="failed", connection_id="c")
    except RetryRefusedError:
        return None


async def _present(catalog: Catalog) -> dict[bytes, tuple[str, str, str]]:
    rows = await catalog.find_assets(["c"])
    return {row["key"]: (row["etag"], row["state"], row["depth"]) for row in rows if row["state"] != "removed"}


def _denying(denied: set[bytes]) -> Callable[[str, bytes], None]:
    def before(request: str, key: bytes) -> None:
        if request == "head" and key in denied:
            raise AccessDeniedError("not for you")

    return before


def _expect(
    truth: dict[bytes, tuple[str, str, str]],
    bucket: FakeBucket,
    job: Any,
    denied: set[bytes],
    asked: list[tuple[bytes, Range]] | None,
) -> None:
    """What one run makes of what was known, in the ranges that it is about."""
    prefixes = tuple(uri.removeprefix("s3://bucket-a").lstrip("/").encode() for uri in job["uris"])
    for key in [key for key in {*truth, *bucket.objects} if key.startswith(prefixes)]:
        if asked is not None and not any(key.startswith(prefix) and key in part for prefix, part in asked):
            continue
        if key not in bucket.objects:
            del truth[key]
        elif not job["include"] or key[-1:] in (b"1", b"2", b"3"):
            etag, known = bucket.objects[key][1], truth.get(key)
            settled = (etag, "present", "head"), (etag, "present", job["depth"])
            if known not in settled:
                failed = job["depth"] == "head" and key in denied
                truth[key] = (etag, "failed", "list") if failed else (etag, "present", job["depth"])


async def test_an_unchanged_bucket_is_known_page_by_page_and_rows_are_left_alone(tmp_path: Path, kind: Kind) -> None:
    bucket = a_bucket()
    async with a_catalog(tmp_path, LIMITS, kind=kind) as (catalog, database):
        await ingest(catalog, bucket, depth="list")
        asked: list[str] = []
        sa.event.listen(
            engines(database)[1],
            "before_cursor_execute",
            lambda _c, _cursor, statement, *_rest: asked.append(statement),
        )
        _, totals = await ingest(catalog, bucket, depth="list")
    assert totals.outcomes["unchanged"] == totals.listed == 23
    assert bucket.recalled >= 4  # the last page, and those that were cut short the first time, are looked at
    looked = [statement for statement in asked if "FROM assets" in statement and "UNION ALL" not in statement]
    assert len(looked) <= 3  # without the recount


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"depth": "list"}, {"depth": "head"}),
        ({"depth": "list"}, {"depth": "list", "exclude": ["*9"]}),
        ({"depth": "list"}, {"depth": "list", "uris": ["s3://bucket-a/k"]}),
    ],
)
async def test_what_another_job_saw_is_not_enough(tmp_path: Path, before: Any, now: Any) -> None:
    bucket = a_bucket()
    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        await ingest(catalog, bucket, **before)
        await ingest(catalog, bucket, **now)
    assert bucket.recalled == 0


async def test_a_span_of_which_something_was_filtered_is_looked_at_again(tmp_path: Path) -> None:
    bucket = a_bucket()
    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        await ingest(catalog, bucket, depth="list", exclude=["*9"])
        await ingest(catalog, bucket, depth="list")
        assert sorted(await _present(catalog)) == sorted(bucket.objects)


async def test_a_run_in_between_that_met_the_place_counts(tmp_path: Path) -> None:
    """It may have written any row there."""
    bucket = a_bucket()
    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        await ingest(catalog, bucket, depth="list")
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-a/k00"])
        await ingest(catalog, bucket, depth="list")
        assert bucket.recalled == 0
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-a/elsewhere/", "s3://bucket-b"])
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-c"])
        assert bucket.recalled == 0
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-c"])
    assert bucket.recalled > 0


async def test_an_object_that_was_met_newer_than_it_was_listed_is_looked_at_again(tmp_path: Path) -> None:
    """Should the older one come back, the page would come again, but the record is of the newer one."""
    bucket = a_bucket(8)

    def meanwhile(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"k002"):
            bucket.before = lambda _request, _key: None
            bucket.put(b"k002", etag="newer", at="2026-02-02T00:00:00.000Z")

    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        await ingest(catalog, bucket, depth="head", uris=["s3://bucket-a/k00"])
        bucket.put(b"k002", etag="changed")
        older = dict(bucket.objects)
        bucket.before = meanwhile
        await ingest(catalog, bucket, depth="head", uris=["s3://bucket-a/k00"])
        assert (await _present(catalog))[b"k002"][0] == "newer"
        bucket.objects = older
        await ingest(catalog, bucket, depth="head", uris=["s3://bucket-a/k00"])
        assert (await _present(catalog))[b"k002"][0] == "changed"


async def test_what_is_missing_is_asked_about_again_until_it_is_decided(tmp_path: Path) -> None:
    bucket = a_bucket()
    none_goes = LIMITS.model_copy(update={"removals_most": 0})
    async with a_catalog(tmp_path, none_goes) as (catalog, _):
        await ingest(catalog, bucket, depth="list")
        bucket.objects.pop(b"k002")
        for _ in range(3):
            assert (await ingest(catalog, bucket, depth="list"))[0].state == "needs_confirmation"


async def test_a_clock_that_is_set_back_makes_no_later_run_look_older(tmp_path: Path) -> None:
    """Else the page that the first run saw would hide what the second one removed."""
    bucket = a_bucket(8)
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        await ingest(catalog, bucket, depth="list")
        kept = bucket.objects.pop(b"k001")
        second, _ = await ingest(catalog, bucket, depth="list")
        assert b"k001" not in await _present(catalog)
        earlier = sa.update(runs).where(runs.c.id == second.id).values(created_at=1)
        await database.transaction(lambda tx: tx.execute(earlier))
        bucket.objects[b"k001"] = kept
        await ingest(catalog, bucket, depth="list")
        assert sorted(await _present(catalog)) == sorted(bucket.objects)


async def test_an_object_that_vanished_before_its_probe_and_is_back_is_looked_at(tmp_path: Path) -> None:
    """The page that it ends comes again, but there is no record of the object."""
    bucket = a_bucket(8)
    whole = dict(bucket.objects)

    def goes(request: str, key: bytes) -> None:
        if (request, key) == ("head", b"k003"):
            bucket.objects.pop(key, None)

    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        bucket.before = goes
        await ingest(catalog, bucket, depth="head")
        assert b"k003" not in await _present(catalog)
        bucket.objects, bucket.before = whole, lambda _request, _key: None
        await ingest(catalog, bucket, depth="head")
        assert sorted(await _present(catalog)) == sorted(whole)


async def test_of_older_runs_elsewhere_a_few_are_looked_at(tmp_path: Path) -> None:
    """A connection may have had thousands, and this is asked for every source of every run."""
    bucket = a_bucket()
    async with a_catalog(tmp_path, LIMITS) as (catalog, _):
        await ingest(catalog, bucket, depth="list")
        for number in range(21):
            await ingest(catalog, bucket, depth="list", uris=[f"s3://bucket-a/k0{number:02}x"])
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-b"])
    assert bucket.recalled == 0


async def test_what_a_retry_of_failed_objects_did_not_touch_is_still_known(tmp_path: Path) -> None:
    """Nor is what it did touch: one of the objects changed in its range, and changed back since."""
    bucket = a_bucket(40)
    bucket.before = _denying({b"k021"})
    uris = ["s3://bucket-a/k0"]
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        await ingest(catalog, bucket, depth="list", uris=uris)
        first, _ = await ingest(catalog, bucket, depth="head", uris=uris)
        assert first.state == "partial"
        bucket.before = lambda _request, _key: None
        older = dict(bucket.objects)
        bucket.put(b"k020", etag="changed")
        child = await Retries(database=database, workspace="main", limits=LIMITS).create(
            first, what="failed", connection_id="c"
        )
        assert child.asked == ((0, Range(b"k019", b"k021")),)
        run, totals = await work(catalog, bucket, child.id)
        assert (run.state, run.parent_id, totals.listed) == ("complete", first.id, 2)
        assert (await _present(catalog))[b"k020"][0] == "changed"
        bucket.objects = older
        bucket.recalled = 0
        await ingest(catalog, bucket, depth="head", uris=uris)
        assert bucket.recalled >= 5  # of 10 pages, of which some were cut at first
        assert (await _present(catalog))[b"k020"][0] == "e"


TOUCHED = st.lists(st.tuples(BOUND, BOUND), max_size=4).map(
    lambda ends: [Range(*end) for end in ends if None in end or end[0] < end[1]]  # type: ignore[operator]  # of bytes
)


@given(TOUCHED, BOUND, BOUND)
def test_a_page_that_a_range_reaches_into_is_touched(touched: list[Range], lo: bytes | None, hi: bytes | None) -> None:
    tile = Tile(lo, hi, 1, b"d")
    keys = [bytes(one) for size in (1, 2, 3) for one in product(b"ab\xff", repeat=size)]
    met = any(key in Range(lo, hi) and any(key in part for part in touched) for key in keys)
    assert _Touched(touched).meets(tile) or not met


async def test_more_spans_than_may_be_remembered_are_not(tmp_path: Path) -> None:
    bucket = a_bucket()
    few = LIMITS.model_copy(update={"remembered_spans": 3})
    async with a_catalog(tmp_path, few) as (catalog, _):
        await ingest(catalog, bucket, depth="list")
        await ingest(catalog, bucket, depth="list")
    assert bucket.recalled == 0


async def test_a_span_that_left_something_to_do_has_no_digest(tmp_path: Path) -> None:
    bucket = a_bucket(8)
    bucket.before = _denying({b"k001"})
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        await ingest(catalog, bucket, depth="list", uris=["s3://bucket-a/k00"])
        await ingest(catalog, bucket, depth="head", uris=["s3://bucket-a/k00"])
        query = sa.select(spans.c.digest).where(spans.c.failed > 0)
        assert await database.read(lambda tx: set(tx.execute(query).scalars())) == {None}


BOUNDS = st.lists(st.binary(min_size=1, max_size=2), unique=True, max_size=12).map(sorted)


@given(BOUNDS, st.data(), st.integers(1, 6), st.none() | st.binary(max_size=2), st.none() | st.binary(max_size=2))
def test_pages_that_were_cut_short_are_joined_as_far_as_a_page_holds(
    bounds: list[bytes], data: st.DataObject, page_keys: int, lo: bytes | None, hi: bytes | None
) -> None:
    ends = [None, *bounds, None]
    counts = data.draw(st.lists(st.integers(0, page_keys), min_size=len(ends) - 1, max_size=len(ends) - 1))
    tiles = [Tile(*edge, count, b"d") for edge, count in zip(pairwise(ends), counts, strict=True)]
    found = remember(tiles, page_keys=page_keys)

    held: list[int] = [0]
    for tile in tiles:
        held[-1] += tile.listed
        if tile.hi in found.cuts.ends:
            held.append(0)
    assert all(count <= page_keys for count in held)
    assert all(one + other > page_keys for one, other in pairwise(held) if one < page_keys and other)
    assert set(found.cuts.short) <= set(found.cuts.ends) <= set(bounds)

    pieces = found.cuts.apart(Range(lo, hi))
    assert (pieces[0].lo, pieces[-1].hi) == (lo, hi)
    assert all(one.hi == other.lo for one, other in pairwise(pieces))
