"""The certificate holds for every honest run, and fails when a row, a span or a count is not as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.database import Database
from config.errors import AccessDeniedError, LongshoreError
from config.limits import Limits
from ingest.catalog import recounting
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Usage, dump
from ingest.catalog.tables import OUTCOMES, assets, runs, shards, spans
from ingest.certificate import Audit, Rows, Tile, readable
from ingest.job import PrefixSource
from ingest.model import Range
from ingest.verifying import Verified, verified
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import (
    a_catalog,
    a_slice,
    claimed,
    closed,
    confirmed,
    new_run,
    rejected,
    work_all,
)
from tests.unit.ingest.test_remembered import CHANGES, JOBS, KEYS, fresh

LIMITS = Limits(
    page_keys=4,
    span_probes=4,
    known_rows=5,
    list_streams=3,
    removals_min=2,
    removals_share=0.3,
    removals_per_commit=2,
    recount_rows=7,
    heartbeat_s=60,
    lease_s=600,
)
OUT_OF_REACH = st.dictionaries(KEYS, st.sampled_from(["denied", "vanishes"]), max_size=3)
STEPS = st.lists(
    st.tuples(CHANGES, JOBS, OUT_OF_REACH, st.sampled_from(["confirm", "reject", "leave", "cancel"])),
    min_size=1,
    max_size=5,
)


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


async def ingest(catalog: Catalog, bucket: FakeBucket, **job: object) -> Run:
    return await work_all(catalog, bucket, LIMITS, await new_run(catalog, **{"depth": "list", **job}))


async def listed(catalog: Catalog, bucket: FakeBucket, **job: object) -> str:
    """A run of which all is listed; it is not closed."""
    run_id = await new_run(catalog, **{"depth": "list", **job})
    shard, run = await claimed(catalog, run_id=run_id)
    await a_slice(catalog, shard, run, bucket, LIMITS).work()
    return run_id


async def look(catalog: Catalog, run_id: str) -> Verified:
    return await verified(catalog.closings, *await catalog.run(run_id))


async def states(catalog: Catalog) -> dict[bytes, str]:
    return {row["key"]: row["state"] for row in await catalog.find_assets(["c"])}


def a_bucket(count: int = 23) -> FakeBucket:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for number in range(count):
        bucket.put(b"k%03d" % number)
    return bucket


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
@pytest.mark.acceptance("LS-06")
def test_it_holds_for_every_honest_run_and_goes_on_to(steps: list[Any]) -> None:
    async def follow(catalog: Catalog, _database: Database) -> None:
        bucket, every = FakeBucket(page_keys=LIMITS.page_keys), list[str]()
        for changes, job, out_of_reach, decision in steps:
            for key, etag in changes:
                if etag == "gone":
                    bucket.objects.pop(key, None)
                else:
                    bucket.put(key, etag=etag, storage="GLACIER" if key[-1:] == b"4" else "STANDARD")
            bucket.before = _out_of_reach(bucket, out_of_reach)
            run = await ingest(catalog, bucket, **job)
            every.append(run.id)
            assert run.state in ("complete", "partial", "needs_confirmation"), run.error
            assert run.certificate is not None
            assert run.certificate["holds"]
            await _holds(catalog, run.id)
            if run.state == "needs_confirmation":
                await _decide(catalog, run.id, decision)
                await _holds(catalog, run.id)
        for run_id in every:  # what later runs wrote is no fault of the earlier ones
            found = await look(catalog, run_id)
            assert found.holds or found.superseded

    asyncio.run(fresh(follow))


async def _decide(catalog: Catalog, run_id: str, decision: str) -> None:
    if decision == "cancel":
        await catalog.cancel(run_id)
    elif decision != "leave":
        ended = await (confirmed if decision == "confirm" else rejected)(catalog, run_id)
        assert ended.state in ("complete", "partial")
        totals = (await catalog.run(run_id))[1]
        assert totals.removed == (totals.missing if decision == "confirm" else 0)


async def _holds(catalog: Catalog, run_id: str) -> None:
    found = (await look(catalog, run_id)).certificate
    assert found.problems == ()
    assert (found.superseded, found.purged, found.uncounted) == (0, 0, 0)


def _out_of_reach(bucket: FakeBucket, keys: dict[bytes, str]) -> Any:
    def before(request: str, key: bytes) -> None:
        if request == "head" and keys.get(key) == "denied":
            raise AccessDeniedError("not for you")
        if request == "head" and keys.get(key) == "vanishes":
            bucket.objects.pop(key, None)

    return before


OTHER = "'20200101-000000-00000000'"
TAMPERED = {
    "a row deleted": ("DELETE FROM assets WHERE key = x'6b303035'", "live"),
    "a row added": ("INSERT INTO assets SELECT {columns} FROM assets WHERE key = x'6b303035'", "live"),
    "a row removed": ("UPDATE assets SET state = 'removed' WHERE key = x'6b303035'", "live"),
    "a row marked": (f"UPDATE assets SET state = 'missing', run_id = {OTHER} WHERE key = x'6b303035'", "live"),
    "a row overwritten": (f"UPDATE assets SET run_id = {OTHER} WHERE key = x'6b303033'", "written"),
    "a row claimed": ("UPDATE assets SET run_id = '{run}' WHERE key = x'6b303035'", "written"),
    "a mark that is another's": (f"UPDATE assets SET run_id = {OTHER} WHERE key = x'6b303032'", "missing"),
    "a mark taken back": (f"UPDATE assets SET state = 'present', run_id = {OTHER} WHERE key = x'6b303032'", "live"),
    "a mark removed": ("UPDATE assets SET state = 'removed' WHERE key = x'6b303032'", "missing"),
    "a first span lost": ("DELETE FROM spans WHERE lo IS NULL AND run_id = '{run}'", "gap"),
    "a span lost": ("DELETE FROM spans WHERE lo = {lo} AND run_id = '{run}'", "gap"),
    "a last span lost": ("DELETE FROM spans WHERE hi IS NULL AND run_id = '{run}'", "gap"),
    "a span doubled": ("INSERT INTO spans SELECT {span} FROM spans WHERE lo = {lo} AND run_id = '{run}'", "spans"),
    "a first span doubled": (
        "INSERT INTO spans SELECT {span} FROM spans WHERE lo IS NULL AND run_id = '{run}'",
        "spans",
    ),
    "a span shortened": (
        "UPDATE spans SET hi = CAST({lo} || x'21' AS BLOB) WHERE lo = {lo} AND run_id = '{run}'",
        "gap",
    ),
    "a span grown": ("UPDATE spans SET hi = x'6b303939' WHERE lo = {lo} AND run_id = '{run}'", "overlap"),
    "a span of another source": ("UPDATE spans SET source = 7 WHERE lo = {lo} AND run_id = '{run}'", "gap"),
    **{
        f"{name} off by {by}": (f"UPDATE spans SET {name} = {name} + {by} WHERE lo = {{lo}} AND run_id = '{{run}}'", "")
        for name in ("listed", "known", "missing", "new", *OUTCOMES)
        for by in (1, -1)
    },
}


@pytest.mark.parametrize("what", TAMPERED)
@pytest.mark.acceptance("LS-06")
async def test_it_fails_and_nothing_is_removed_once_anything_is_not_as_it_was(
    here: tuple[Catalog, Database], what: str
) -> None:
    catalog, database = here
    bucket = a_bucket()
    await ingest(catalog, bucket)
    bucket.objects.pop(b"k002")
    bucket.put(b"k003", etag="another")
    bucket.put(b"k100")
    run_id = await listed(catalog, bucket)
    statement, check = TAMPERED[what]
    await tampered(database, statement, run_id)
    before = await states(catalog)

    run = await closed(catalog, run_id)
    assert (run.state, run.error_code) == ("failed", "CertificateFailed")
    assert run.certificate is not None
    assert not run.certificate["holds"]
    assert check in {"", *(problem["check"] for problem in run.certificate["problems"])}
    assert "expected" in str(run.error)
    assert check == "spans" or "s3://bucket-a/" in str(run.error)
    assert await states(catalog) == before
    assert (await catalog.run(run_id))[1].removed == 0
    assert await catalog.claim(owner="another") is None

    mended = await ingest(catalog, bucket)  # it compares every row
    assert mended.state == "complete"
    assert {key for key, state in (await states(catalog)).items() if state == "present"} == set(bucket.objects)


async def tampered(database: Database, statement: str, run_id: str) -> None:
    """Behind the back of a run. `lo` is where its second span begins."""
    second = (
        sa.select(spans.c.lo).where(spans.c.run_id == run_id, spans.c.lo.is_not(None)).order_by(spans.c.lo).limit(1)
    )
    lo = await database.read(lambda tx: tx.execute(second).scalar_one())
    names = {
        "run": run_id,
        "lo": f"x'{lo.hex()}'",
        "columns": ", ".join("x'6b30303578'" if c.name == "key" else c.name for c in assets.c),
        "span": ", ".join("seq + 1000" if c.name == "seq" else c.name for c in spans.c),
    }
    text = sa.text(statement.format(**names))
    assert await database.transaction(lambda tx: tx.execute(text).rowcount) >= 1


async def test_a_span_doubled_where_one_read_ends_is_found(
    here: tuple[Catalog, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recounting, "_SPANS", 1)
    catalog, database = here
    run_id = await listed(catalog, a_bucket())
    await tampered(database, TAMPERED["a span doubled"][0], run_id)
    run = await closed(catalog, run_id)
    assert run.certificate is not None
    assert [problem["check"] for problem in run.certificate["problems"]] == ["spans"]


async def test_fewer_removed_than_were_missing_is_no_complete_run(here: tuple[Catalog, Database]) -> None:
    """Somebody took a mark away between the recount and the removal."""
    catalog, database = here
    bucket = a_bucket()
    await ingest(catalog, bucket)
    for number in range(3):
        bucket.objects.pop(b"k%03d" % number)
    run_id = await listed(catalog, bucket)
    shard, run = await claimed(catalog, run_id=run_id)
    audit = Audit(run_id=run_id, sources=run.sources)
    found = await catalog.closings.recounted(run, 0, after=None)
    while found:
        for tile, rows in found:
            audit.see(tile, rows)
        found = await catalog.closings.recounted(run, 0, after=found[-1][0])
    spans_in_all = await catalog.closings.spans(run_id)
    step = await catalog.closings.settle(shard, audit, audit.certificate(spans=spans_in_all))
    step = await catalog.closings.remove(step.shard)
    assert step.left
    await tampered(database, "DELETE FROM assets WHERE state = 'missing'", run_id)
    step = await catalog.closings.end(step.shard)
    assert (step.run.state, step.run.error_code) == ("failed", "CertificateFailed")
    assert "expected 3, found 2; 2 were removed" in str(step.run.error)


async def test_only_what_was_asked_must_be_tiled(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    run_id = await new_run(catalog, depth="list")
    asked = [(0, Range(b"k004", b"k010")), (0, Range(b"k010", b"k012"))]

    def ask(tx: sa.Connection, todo: list[tuple[int, Range]]) -> None:
        tx.execute(sa.update(runs).where(runs.c.id == run_id).values(asked=dump(asked)))
        tx.execute(sa.update(shards).where(shards.c.kind == "list").values(ranges=dump(todo)))

    await database.transaction(lambda tx: ask(tx, asked))
    run = await work_all(catalog, a_bucket(), LIMITS, run_id)
    assert run.state == "complete"
    assert run.certificate is not None
    assert run.certificate["rows"] == 8

    run_id = await new_run(catalog, depth="list")
    await database.transaction(lambda tx: ask(tx, asked[:1]))
    run = await work_all(catalog, a_bucket(), LIMITS, run_id)
    assert (run.state, run.error_code) == ("failed", "CertificateFailed")
    assert "gap at s3://bucket-a/, behind k010 to k012: expected spans, found none" in str(run.error)


async def test_a_span_of_an_older_version_says_nothing_of_new_rows(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    run_id = await listed(catalog, a_bucket())
    await tampered(database, "UPDATE spans SET new = NULL", run_id)
    run = await closed(catalog, run_id)
    assert run.state == "complete"
    assert run.certificate is not None
    assert run.certificate["uncounted"] == run.certificate["spans"]


async def test_what_a_later_run_listed_again_can_not_be_told_and_the_rest_can(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = a_bucket()
    first = await ingest(catalog, bucket)
    bucket.put(b"k001", etag="another")
    await ingest(catalog, bucket, uris=["s3://bucket-a/k00"])
    found = await look(catalog, first.id)
    assert found.holds
    assert 0 < found.certificate.superseded < found.certificate.spans
    await tampered(database, "DELETE FROM assets WHERE key = x'6b303032'", first.id)
    assert (await look(catalog, first.id)).holds
    await tampered(database, "DELETE FROM assets WHERE key = x'6b303232'", first.id)
    found = await look(catalog, first.id)
    assert not found.holds
    assert [problem.check for problem in found.certificate.problems] == ["live", "written"]
    await ingest(catalog, bucket)
    found = await look(catalog, first.id)
    assert (found.certificate.holds, found.superseded, found.holds) == (True, True, False)


async def test_purged_spans_and_purged_rows_are_no_fault_and_no_proof(here: tuple[Catalog, Database]) -> None:
    catalog, database = here
    bucket = a_bucket()
    await ingest(catalog, bucket)
    bucket.objects.pop(b"k002")
    run = await ingest(catalog, bucket)
    totals = (await catalog.run(run.id))[1]
    assert totals.removed == 1
    await tampered(database, "DELETE FROM assets WHERE state = 'removed'", run.id)
    found = await look(catalog, run.id)
    assert (found.holds, found.certificate.purged) == (True, 1)
    await tampered(database, "DELETE FROM spans WHERE run_id = '{run}'", run.id)
    found = await look(catalog, run.id)
    assert (found.holds, found.spans_purged) == (False, True)
    assert (await catalog.run(run.id))[1] == totals


@pytest.mark.parametrize("how", ["cancelled", "failed"])
async def test_of_a_run_that_was_broken_off_what_it_committed_is_looked_at(
    here: tuple[Catalog, Database], how: str
) -> None:
    catalog, database = here
    bucket = a_bucket()
    await ingest(catalog, bucket)
    bucket.objects.pop(b"k002")
    run_id = await listed(catalog, bucket)
    with pytest.raises(LongshoreError, match="is running; it can be verified once it has ended"):
        await look(catalog, run_id)
    totals = (await catalog.run(run_id))[1]
    if how == "cancelled":
        await catalog.cancel(run_id)
    else:
        shard, _ = await claimed(catalog, run_id=run_id)
        await catalog.fail(shard, LongshoreError("no more"), usage=Usage())
    await tampered(database, "DELETE FROM spans WHERE hi IS NULL AND run_id = '{run}'", run_id)
    found = await look(catalog, run_id)
    assert (found.holds, found.whole) == (True, False)
    assert (await catalog.run(run_id))[1] == totals
    await tampered(database, "DELETE FROM assets WHERE key = x'6b303035'", run_id)
    assert not (await look(catalog, run_id)).holds


ENDS = st.lists(st.binary(min_size=1, max_size=1), unique=True, max_size=6).map(sorted)


@given(ENDS, st.data())
def test_tiles_are_whole_exactly_if_each_place_is_covered_once(ends: list[bytes], data: st.DataObject) -> None:
    bounds = [None, *ends, None]
    pieces = list(pairwise(bounds))
    times = data.draw(st.lists(st.integers(0, 2), min_size=len(pieces), max_size=len(pieces)))
    audit = Audit(run_id="r", sources=[PrefixSource("b", b"")])
    tiles = [piece for piece, count in zip(pieces, times, strict=True) for _ in range(count)]
    for lo, hi in tiles:
        tile = Tile(0, lo, hi, listed=0, outcomes=dict.fromkeys(OUTCOMES, 0), known=0, missing=0, new=0)
        audit.see(tile, Rows(0, 0, 0, 0, 0))
    found = audit.certificate(spans=len(tiles))
    assert found.holds == (set(times) == {1})
    assert {"gap" for one in times if one == 0} | {"overlap" for one in times if one == 2} == {
        problem.check for problem in found.problems
    } or found.wrong > len(found.problems)


def test_a_key_in_a_message_is_one_line_of_bounded_length() -> None:
    assert readable(b"a\n\xff\xc3\xa9") == "a\\n\\xffé"
    assert len(readable(b"x" * 1024)) < 130
