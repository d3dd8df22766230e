"""Runs over a bucket that can only be walked: whoever goes on with them, nothing is missing and nothing comes twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from config.database import Database
from config.limits import Limits
from ingest.adapting import Adaptive
from ingest.catalog.catalog import Catalog
from ingest.catalog.shards import Usage
from ingest.events import Event, SpanCommitted
from tests.fakes.folders import FolderBucket
from tests.fakes.running import a_catalog, a_slice, claimed, new_run, work_all

LIMITS = Limits(heartbeat_s=60, lease_s=600, list_streams=3, spans_per_commit=2, list_ahead=1, pieces_at_once=1)
KEYS = {f"{top}/{folder:02d}/{key}".encode() for top in "abc" for folder in range(12) for key in range(5)} | {
    b"a",
    b"b0",
}


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[tuple[Catalog, Database]]:
    async with a_catalog(tmp_path, LIMITS) as opened:
        yield opened


def by_folder() -> tuple[FolderBucket, Adaptive]:
    bucket = FolderBucket(KEYS, page_keys=4, allows=lambda _prefix, delimiter: bool(delimiter), turns=lambda: 2)
    return bucket, Adaptive(bucket, bucket="bucket-a", permits=lambda _prefix: True, page_keys=7, streams=3)


async def outcomes(catalog: Catalog, run_id: str) -> dict[str, int]:
    run, totals = await catalog.run(run_id)
    assert (run.state, (run.certificate or {})["holds"]) == ("complete", True)
    return {name: count for name, count in totals.outcomes.items() if count}


async def test_a_second_run_finds_all_of_it_unchanged(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    for expected in ("added", "unchanged"):
        bucket, source = by_folder()
        run_id = await new_run(catalog, depth="list")
        await work_all(catalog, source, LIMITS, run_id)
        assert await outcomes(catalog, run_id) == {expected: len(KEYS)}
        assert bucket.open == 0


async def test_others_go_on_where_a_slice_ended(here: tuple[Catalog, Database]) -> None:
    catalog, _ = here
    run_id = await new_run(catalog, depth="list")
    slices = 0
    while True:
        shard, run = await claimed(catalog, run_id=run_id)
        if shard.kind == "close":
            await catalog.give_back(shard, usage=Usage())
            break
        told: list[Event] = []
        bucket, source = by_folder()
        turn = a_slice(
            catalog,
            shard,
            run,
            source,
            LIMITS,
            observe=told.append,
            stop=lambda told=told: any(isinstance(event, SpanCommitted) for event in told),  # type: ignore[misc]  # bound now
        )
        await turn.work()
        assert bucket.open == 0
        if turn.shard.todo:
            await catalog.give_back(turn.shard, usage=Usage())
        slices += 1
    assert slices > 3
    await work_all(catalog, by_folder()[1], LIMITS, run_id)
    assert await outcomes(catalog, run_id) == {"added": len(KEYS)}
