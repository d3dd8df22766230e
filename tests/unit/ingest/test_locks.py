"""Runs that meet: one holds all of its places or none, nobody overtakes, and all of them end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.database import Database
from config.errors import FencedError
from config.limits import Limits
from ingest.catalog.catalog import Catalog
from ingest.catalog.runs import Run
from ingest.catalog.shards import Shard, Usage
from ingest.catalog.tables import runs
from tests.fakes.bucket import FakeBucket
from tests.fakes.running import a_catalog, a_closing, a_slice, expire_leases, new_run

LIMITS = Limits(heartbeat_s=60, lease_s=600, failures_before_rest=1_000)
Here = tuple[Catalog, Database]


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[Here]:
    async with a_catalog(tmp_path, LIMITS) as both:
        yield both


async def run_at(catalog: Catalog, *places: str) -> str:
    return await new_run(catalog, uris=[f"s3://{place}" for place in places], depth="list")


async def begun(catalog: Catalog, run_id: str | None = None) -> str | None:
    """Which run the next claim is of."""
    taken = await catalog.claim(owner="worker", **({} if run_id is None else {"run_id": run_id}))
    return None if taken is None else taken[1].id


async def work(catalog: Catalog, shard: Shard, run: Run) -> None:
    """Of an empty bucket, to the end."""
    closing = a_closing(catalog, shard, run) if shard.kind == "close" else None
    await (closing or a_slice(catalog, shard, run, FakeBucket(), LIMITS)).work()


async def work_all(catalog: Catalog, run_id: str) -> None:
    while (taken := await catalog.claim(owner="worker", run_id=run_id)) is not None:
        await work(catalog, *taken)
    assert (await catalog.run(run_id))[0].state == "complete"


async def put(database: Database, run_id: str, **values: Any) -> None:
    change = sa.update(runs).where(runs.c.id == run_id).values(values)
    await database.transaction(lambda tx: tx.execute(change))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("bucket-a/a/", "bucket-a", True),
        ("bucket-a", "bucket-a/a/", True),
        ("bucket-a/a/", "bucket-a/a/b/", True),
        ("bucket-a/a", "bucket-a/ab/", True),  # a prefix is a string and no folder
        ("bucket-a/a/", "bucket-a/b/", False),
        ("bucket-a", "bucket-b", False),
        ("bucket-a/é", "bucket-a/è", False),  # they begin with the same byte
    ],
)
async def test_runs_meet_where_they_may_have_a_key_in_common(here: Here, one: str, other: str, meet: bool) -> None:
    catalog, _ = here
    first, second = await run_at(catalog, one), await run_at(catalog, other)
    assert await begun(catalog, first) == first
    assert await begun(catalog, second) == (None if meet else second)
    assert await catalog.waits_for(second) == ([first] if meet else [])


async def test_of_a_run_that_must_wait_for_one_of_its_places_none_is_taken(here: Here) -> None:
    catalog, _ = here
    first = await run_at(catalog, "bucket-a/a/")
    both = await run_at(catalog, "bucket-a/a/x/", "bucket-a/b/")
    later = await run_at(catalog, "bucket-a/b/")
    assert await begun(catalog, both) is None
    assert await begun(catalog, later) is None, "it would overtake"
    await work_all(catalog, first)
    assert await begun(catalog) == both
    assert await begun(catalog) == both
    assert await begun(catalog) is None


async def test_other_connections_are_not_waited_for(here: Here) -> None:
    catalog, database = here
    first, second = await run_at(catalog, "bucket-a"), await run_at(catalog, "bucket-a")
    await put(database, second, connection_id="d")
    assert {await begun(catalog), await begun(catalog)} == {first, second}


async def test_a_run_under_way_goes_on_whatever_older_one_waits(here: Here) -> None:
    """An older one may come to wait again: somebody decided on its removals."""
    catalog, database = here
    decided, going = await run_at(catalog, "bucket-a"), await run_at(catalog, "bucket-a/a/")
    await put(database, decided, state="needs_confirmation")
    taken = await catalog.claim(owner="worker", run_id=going)
    assert taken is not None
    await put(database, decided, state="queued")
    await catalog.give_back(taken[0], usage=Usage())
    assert await begun(catalog, decided) is None
    assert await begun(catalog) == going


async def test_a_run_that_needs_a_decision_holds_up_nobody(here: Here) -> None:
    catalog, database = here
    asks, next_one = await run_at(catalog, "bucket-a"), await run_at(catalog, "bucket-a")
    assert await begun(catalog) == asks
    assert await catalog.waits_for(next_one) == [asks]
    await put(database, asks, state="needs_confirmation")
    assert await catalog.waits_for(next_one) == []
    assert await begun(catalog) == next_one


async def test_those_that_wait_come_in_the_order_in_which_they_were_written(here: Here) -> None:
    """A wide one is not starved by small ones that come after it, nor they by it."""
    catalog, _ = here
    order = [await run_at(catalog, place) for place in ("bucket-a/a/", "bucket-a", "bucket-a/b/", "bucket-a/a/")]
    elsewhere = await run_at(catalog, "bucket-b")
    assert await begun(catalog) == order[0]
    assert await begun(catalog) == elsewhere
    assert await begun(catalog) is None
    await expire_leases(here[1])
    await work_all(catalog, order[0])
    await work_all(catalog, order[1])
    assert {await begun(catalog), await begun(catalog)} == set(order[2:]), "they don't meet"


async def test_an_ended_run_lets_others_go_on(here: Here) -> None:
    catalog, _ = here
    first, second = await run_at(catalog, "bucket-a"), await run_at(catalog, "bucket-a/a/")
    await begun(catalog, first)
    assert await begun(catalog, second) is None
    await catalog.cancel(first)
    assert await begun(catalog, second) == second


PLACES = st.sets(
    st.sampled_from(["bucket-a", "bucket-a/a/", "bucket-a/b/", "bucket-a/a/x/", "bucket-b", "bucket-b/a/"]),
    min_size=1,
    max_size=3,
)
STEPS = st.lists(
    st.tuples(st.just("write"), PLACES)
    | st.tuples(
        st.sampled_from(["claim", "claim", "work", "work", "give back", "expire", "cancel"]), st.integers(0, 20)
    ),
    min_size=5,
    max_size=25,
)


class History:
    """Runs as they come and go, and the shards that somebody holds or believes to hold."""

    def __init__(self, catalog: Catalog, database: Database) -> None:
        self.catalog, self.database = catalog, database
        self.held: list[tuple[Shard, Run]] = []
        self.written: list[str] = []

    async def follow(self, what: str, which: Any) -> None:
        if what == "write":
            self.written.append(await run_at(self.catalog, *sorted(which)))
        elif what == "claim":
            if (taken := await self.catalog.claim(owner=f"worker-{which}")) is not None:
                self.held.append(taken)
        elif what == "expire":
            await expire_leases(self.database)
        elif what == "cancel":
            if self.written:
                await self.catalog.cancel(self.written[which % len(self.written)])
        elif self.held:
            shard, run = self.held.pop(which % len(self.held))
            with suppress(FencedError):  # the lease was lost
                await (
                    work(self.catalog, shard, run) if what == "work" else self.catalog.give_back(shard, usage=Usage())
                )

    async def check(self) -> None:
        going = [run for run, _ in await self.catalog.newest_runs(100) if run.state == "running"]
        for one, other in combinations(going, 2):
            assert not any(mine.meets(theirs) for mine in one.sources for theirs in other.sources)
        assert not await self.database.read(
            lambda tx: list(
                tx.execute(
                    sa.text(
                        "SELECT 1 FROM shards s JOIN runs r ON r.id = s.run_id WHERE s.state = 'leased' AND r.state <> 'running'"
                    )
                )
            )
        )


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_no_two_runs_that_meet_are_ever_under_way_and_every_run_ends(steps: list[tuple[str, Any]]) -> None:
    async def follow() -> None:
        with TemporaryDirectory() as folder:
            async with a_catalog(Path(folder), LIMITS) as both:
                history = History(*both)
                for step in steps:
                    await history.follow(*step)
                    await history.check()
                await expire_leases(history.database)
                while (taken := await history.catalog.claim(owner="last")) is not None:
                    await history.check()
                    await work(history.catalog, *taken)
                assert all(run.ended for run, _ in await history.catalog.newest_runs(100))

    asyncio.run(follow())
