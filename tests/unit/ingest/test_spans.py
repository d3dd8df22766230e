"""The one commit point under crashes at any statement, lost answers and fenced owners."""

from __future__ import annotations

import itertools
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from config.database import Database
from config.errors import CatalogUnavailableError, FencedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Totals
from ingest.catalog.spans import Span, left_after
from ingest.catalog.tables import assets, spans
from ingest.compare import Merged
from ingest.model import Range
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_closing, a_slice, claimed, engines, expire_leases, new_run
from tests.postgres import Kind

LIMITS = Limits(page_keys=4, span_probes=2, known_rows=3, heartbeat_s=60, lease_s=600, catalog_pause_first_s=0.001)


class DiskFullError(Exception):
    """As either database tells it."""

    sqlstate = "53100"


class Faults:
    """Makes the n-th statement of write transactions fail, or the n-th COMMIT do its work and then lose its answer."""

    def __init__(self, database: Database) -> None:
        self.fail_at: int | None = None
        self.lose_commit_at: int | None = None
        self.statements = self.commits = 0
        engine = engines(database)[0]
        event.listen(engine, "before_cursor_execute", self._statement)
        event.listen(engine, "commit", self._commit)

    def _statement(self, _c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        self.statements += 1
        if self.statements == self.fail_at:
            raise OperationalError(statement, {}, DiskFullError("disk I/O error"))

    def _commit(self, connection: sa.Connection) -> None:
        self.commits += 1
        if self.commits == self.lose_commit_at:
            connection.connection.commit()
            raise OperationalError("COMMIT", {}, DiskFullError("disk I/O error"))


async def ingest(database: Database, bucket: FakeBucket, run_id: str, *, patient: bool = True) -> Catalog:
    """Work the run's shard until the run has ended, as one process after another would; an impatient one dies of any trouble."""
    for turn in range(200):
        catalog = Catalog(database=database, workspace="main", limits=LIMITS)
        if not patient:
            catalog.patience.end()
        with suppress(CatalogUnavailableError):
            await catalog.sweep()
            taken = await catalog.claim(owner=f"worker-{turn}", run_id=run_id)
            if taken is not None:
                shard, run = taken
                closing = a_closing(catalog, shard, run) if shard.kind == "close" else None
                await (closing or a_slice(catalog, shard, run, bucket, LIMITS)).work()
        with suppress(CatalogUnavailableError):
            if (await catalog.run(run_id))[0].ended:
                return catalog
            await expire_leases(database)  # a worker died with the shard in its hands, or does not know that it has it
    raise AssertionError("the run does not end")


async def outcome_of(catalog: Catalog, database: Database, run_id: str) -> tuple[str, Totals, list[Any]]:
    """All that a run leaves behind, without what names the run or the time."""
    volatile = {"run_id", "first_seen_at", "changed_at", "content_changed_at"}
    query = sa.select(*(column for column in assets.c if column.name not in volatile)).order_by(assets.c.key)
    rows = await database.read(lambda tx: [tuple(row) for row in tx.execute(query)])
    run, totals = await catalog.run(run_id)
    return run.state, totals, rows


async def tiles_of(database: Database, run_id: str) -> list[tuple[bytes | None, bytes | None]]:
    """The intervals of the run's spans, by their lower ends."""
    query = sa.select(spans.c.lo, spans.c.hi).where(spans.c.run_id == run_id)
    found = await database.read(lambda tx: [(row.lo, row.hi) for row in tx.execute(query)])
    return sorted(found, key=lambda tile: (tile[0] is not None, tile[0] or b""))


def filled(keys: dict[bytes, str]) -> FakeBucket:
    bucket = FakeBucket(page_keys=LIMITS.page_keys)
    for key, etag in keys.items():
        bucket.put(key, etag=etag, storage="GLACIER" if etag == "cold" else "STANDARD")
    return bucket


KEYS = st.dictionaries(st.binary(min_size=1, max_size=2), st.sampled_from(["one", "two", "cold"]), max_size=14)


CRASHES = {
    "before": KEYS,
    "now": KEYS,
    "fail_at": st.integers(1, 120),
    "lose": st.booleans(),
    "patient": st.booleans(),
    "depth": st.sampled_from(["list", "head"]),
}


@given(**CRASHES)
@settings(max_examples=40, deadline=None)
@pytest.mark.acceptance("LS-03")
async def test_any_crash_leaves_what_a_clean_run_leaves(**crash: Any) -> None:
    await crash_and_compare("sqlite", **crash)


@given(**CRASHES)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.acceptance("LS-03")
async def test_any_crash_leaves_the_same_on_postgresql(**crash: Any) -> None:
    """Fewer of them: a database is made for each."""
    await crash_and_compare("postgres", **crash)


async def crash_and_compare(
    kind: Kind,
    *,
    before: dict[bytes, str],
    now: dict[bytes, str],
    fail_at: int,
    lose: bool,
    patient: bool,
    depth: str,
) -> None:
    """Rows, counts and outcomes are equal, and spans tile the prefix, wherever a statement fails or a COMMIT loses its answer,
    whether the worker waits for the catalog or ends.
    """
    job = {"depth": depth, "exclude": ["x*"]}
    results = []
    for broken in (False, True):
        with TemporaryDirectory() as folder:
            async with a_catalog(folder, LIMITS, kind=kind) as (catalog, database):
                await ingest(database, filled(before), await new_run(catalog, **job))
                run_id = await new_run(catalog, **job)
                faults = Faults(database)
                if broken and lose:
                    faults.lose_commit_at = 1 + fail_at % 12
                elif broken:
                    faults.fail_at = fail_at
                last = await ingest(database, filled(now), run_id, patient=patient)
                faults.fail_at = faults.lose_commit_at = None  # what looks at the outcome is not what is tried
                results.append(await outcome_of(last, database, run_id))
    clean, crashed = results
    assert crashed == clean
    listed = clean[1].listed
    assert listed == len(now) == sum(clean[1].outcomes.values())


@pytest.mark.acceptance("LS-02")
async def test_a_worker_that_lost_its_lease_changes_nothing(tmp_path: Path) -> None:
    """The epoch rises when the lease runs out, before anybody else takes the shard."""
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        run_id = await new_run(catalog)
        shard, run = await claimed(catalog)
        await expire_leases(database)
        await catalog.sweep()
        with pytest.raises(FencedError):
            await a_slice(catalog, shard, run, filled({b"a": "one"}), LIMITS).work()
        _, totals, rows = await outcome_of(catalog, database, run_id)
        assert (totals.listed, rows) == (0, [])


@given(st.lists(st.binary(max_size=2), unique=True, max_size=6), st.data())
def test_spans_taken_out_in_any_order_leave_no_gap_and_no_overlap(cuts: list[bytes], data: st.DataObject) -> None:
    ends: list[bytes | None] = [None, *sorted(cuts), None]
    tiles = [Range(lo, hi) for lo, hi in itertools.pairwise(ends)]
    todo: tuple[tuple[int, Range], ...] = ((0, Range()), (1, Range()))
    for tile in data.draw(st.permutations(tiles)):
        todo = left_after(todo, [Span(source=0, merged=Merged(tile))])
        assert (1, Range()) in todo
        assert not any(source == 0 and left == tile for source, left in todo)
    assert todo == ((1, Range()),)


def test_a_span_that_was_not_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="not among"):
        left_after([(0, Range(b"m", None))], [Span(source=0, merged=Merged(Range(None, b"m")))])
