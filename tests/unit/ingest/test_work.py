"""A worker's turn: what becomes of a shard whatever happens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.database import Database
from config.errors import (
    LongshoreError,
    OutOfScopeError,
    RoleDeniedError,
    SourceUnavailableError,
    UnknownConnectionError,
)
from config.limits import Limits
from credentials.session import Access
from ingest.catalog.catalog import Catalog
from ingest.events import Event, Observe, RequestMade, RunEnded, SliceEnded
from ingest.work import Worker
from tests.fakes.access import FakeAccess
from tests.fakes.bucket import FakeBucket
from tests.fakes.database import FlakyDatabase
from tests.fakes.running import a_catalog, expire_leases, new_run
from tests.fakes.shifts import until

LIMITS = Limits(failures_before_rest=3, heartbeat_s=60, lease_s=600)


@dataclass
class FakeConnection:
    """As much of a connection as a worker asks for."""

    id: str = "c"
    version: int = 1
    outside: bool = False
    open_to_view: bool = True

    def permits_all(self, bucket: str, keys: Sequence[bytes]) -> None:
        if self.outside:
            raise OutOfScopeError(f"{bucket} is outside")


@dataclass
class FakeStorage:
    """One connection, one bucket; `denied` says what opening the access raises."""

    held: FakeBucket
    found: FakeConnection = field(default_factory=FakeConnection)
    denied: LongshoreError | None = None

    async def connection(self, name: str) -> FakeConnection:
        return self.found

    async def access(
        self, connection: object, *, run_id: str, places: object, copy_to: object, sts_asked: Callable[[], None]
    ) -> Access:
        if self.denied is not None:
            raise self.denied
        sts_asked()
        return FakeAccess()

    def bucket(self, connection: object, access: Access, bucket: str, *, observe: Observe) -> FakeBucket:
        self.held.before = lambda _request, _key: observe(
            RequestMade(bucket=bucket, request="list", outcome="ok", seconds=0.1, bytes_read=7)
        )
        return self.held


class Here:
    """A worker, its storage, its catalog, and what it told."""

    def __init__(self, catalog: Catalog, database: Database) -> None:
        self.catalog, self.database = catalog, database
        self.told: list[Event] = []
        self.storage = FakeStorage(FakeBucket())
        self.storage.held.put(b"a")
        self.worker = Worker(
            owner="w",
            catalog=catalog,
            storage=self.storage,  # type: ignore[arg-type]  # its connection is a fake one
            limits=LIMITS,
            observe=self.told.append,
        )

    async def turn(self) -> str | None:
        return await self.worker.work_next(stop=lambda: False)

    async def rested(self) -> None:
        await self.database.transaction(lambda tx: tx.exec_driver_sql("UPDATE shards SET rest_until = 0"))


@pytest.fixture(name="here")
async def _here(tmp_path: Path) -> AsyncGenerator[Here]:
    async with a_catalog(tmp_path, LIMITS) as (catalog, database):
        yield Here(catalog, database)


async def test_a_turn_works_a_shard_and_ends_its_run(here: Here) -> None:
    run_id = await new_run(here.catalog)
    assert [await here.turn(), await here.turn()] == ["done", "done"]
    run, totals = await here.catalog.run(run_id)
    assert (run.state, totals.outcomes["added"]) == ("complete", 1)
    assert (totals.requests, totals.bytes) == ({"list": 2, "head": 0, "get": 0, "tags": 0, "copy": 0, "sts": 1}, 14)
    slices, runs = (
        [e for e in here.told if isinstance(e, SliceEnded)],
        [e for e in here.told if isinstance(e, RunEnded)],
    )
    assert ([e.outcome for e in slices], [e.state for e in runs]) == (["done", "done"], ["complete"])
    assert await here.turn() is None


async def test_a_closing_needs_no_access_and_is_given_back_by_a_worker_that_stops(here: Here) -> None:
    run_id = await new_run(here.catalog)
    assert await here.turn() == "done"
    here.storage.denied = RoleDeniedError("the role refuses us")
    assert await here.worker.work_next(stop=lambda: True) == "paused"
    assert (await here.catalog.waiting())[0] == 1
    assert await here.turn() == "done"
    assert (await here.catalog.run(run_id))[0].state == "complete"


async def test_a_closing_that_ended_worker_after_worker_ends_its_run(here: Here) -> None:
    run_id = await new_run(here.catalog)
    assert await here.turn() == "done"
    for _ in range(LIMITS.failures_before_rest):
        assert await here.catalog.claim(owner="killed") is not None
        await expire_leases(here.database)
    assert await here.turn() == "failed"
    run, totals = await here.catalog.run(run_id)
    assert (run.error_code, totals.listed) == ("NoProgress", 1)


@pytest.mark.parametrize(
    "error",
    [
        RoleDeniedError("the role refuses us", code="AccessDenied"),
        UnknownConnectionError("no connection 'c'; it was removed"),
    ],
)
@pytest.mark.acceptance("CG-17")
async def test_what_time_does_not_mend_ends_the_run_with_its_name(here: Here, error: LongshoreError) -> None:
    run_id = await new_run(here.catalog, uris=["s3://bucket-a", "s3://bucket-b"])
    here.storage.denied = error
    assert await here.turn() == "failed"
    run, _ = await here.catalog.run(run_id)
    assert (run.state, run.error_code, run.error) == ("failed", error.code, error.message)
    assert await here.turn() is None


async def test_a_source_outside_the_connection_is_refused_before_any_request(here: Here) -> None:
    run_id = await new_run(here.catalog)
    here.storage.found.outside = True
    assert await here.turn() == "failed"
    assert (await here.catalog.run(run_id))[0].error_code == "OutOfScope"
    assert here.storage.held.requests == []


async def test_a_connection_that_was_replaced_is_not_used_for_an_older_run(here: Here) -> None:
    run_id = await new_run(here.catalog)
    here.storage.found = FakeConnection(id="another")
    assert await here.turn() == "failed"
    assert "replaced" in str((await here.catalog.run(run_id))[0].error)


async def test_what_time_may_mend_lets_the_shard_rest_and_gives_up_in_the_end(here: Here) -> None:
    run_id = await new_run(here.catalog)
    here.storage.denied = SourceUnavailableError("down", code="SlowDown")
    assert await here.turn() == "resting"
    assert await here.turn() is None
    await here.rested()
    assert await here.turn() == "resting"
    await here.rested()
    assert await here.turn() == "failed"
    run, _ = await here.catalog.run(run_id)
    assert (run.state, run.error_code) == ("failed", "SlowDown")


async def test_a_rest_is_over_once_something_commits(here: Here) -> None:
    run_id = await new_run(here.catalog)
    here.storage.denied = SourceUnavailableError("down")
    for _ in range(2):
        assert await here.turn() == "resting"
        await here.rested()
    here.storage.denied = None
    assert [await here.turn(), await here.turn()] == ["done", "done"]
    assert (await here.catalog.run(run_id))[0].state == "complete"


async def test_a_bug_rests_like_an_outage_and_is_named_in_the_end(here: Here) -> None:
    run_id = await new_run(here.catalog)
    here.storage.denied = ZeroDivisionError("canary-secret")  # type: ignore[assignment]  # a bug has any type
    for _ in range(2):
        assert await here.turn() == "resting"
        await here.rested()
    assert await here.turn() == "failed"
    run, _ = await here.catalog.run(run_id)
    assert run.error_code == "Internal"
    assert "ZeroDivisionError" in str(run.error)
    assert "canary" not in str(run.error)


async def test_a_shard_that_ended_worker_after_worker_ends_its_run(here: Here) -> None:
    run_id = await new_run(here.catalog)
    for _ in range(LIMITS.failures_before_rest):
        assert await here.catalog.claim(owner="killed") is not None
        await expire_leases(here.database)
    assert await here.turn() == "failed"
    assert (await here.catalog.run(run_id))[0].error_code == "NoProgress"


async def test_a_job_that_this_version_can_not_read_fails_its_run(here: Here) -> None:
    run_id = await new_run(here.catalog)
    await here.database.transaction(lambda tx: tx.exec_driver_sql("UPDATE runs SET job = '[]'"))
    assert await here.turn() == "failed"
    assert "another version" in str((await here.catalog.run(run_id))[0].error)


async def test_a_cancelled_turn_gives_its_shard_back_at_once(here: Here) -> None:
    run_id = await new_run(here.catalog)
    listing = asyncio.Event()

    async def access(_connection: object, **_: object) -> Access:
        listing.set()
        await asyncio.Event().wait()
        return FakeAccess()

    here.storage.access = access  # type: ignore[method-assign, assignment]  # never answers
    turn = asyncio.create_task(here.turn())
    await listing.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert (await here.catalog.waiting())[0] == 1
    assert (await here.catalog.run(run_id))[0].state == "running"


async def test_a_turn_that_was_fenced_leaves_everything_to_the_new_owner(here: Here) -> None:
    run_id = await new_run(here.catalog)

    async def access(_connection: object, **_: object) -> Access:
        await expire_leases(here.database)
        await here.catalog.sweep()
        assert await here.catalog.claim(owner="another") is not None
        return FakeAccess()

    here.storage.access = access  # type: ignore[method-assign, assignment]  # takes too long
    assert await here.turn() == "fenced"
    run, totals = await here.catalog.run(run_id)
    assert (run.state, totals.listed) == ("running", 0)


async def test_a_run_that_somebody_cancels_is_let_go_of_within_a_heartbeat_and_is_no_error(here: Here) -> None:
    run_id = await new_run(here.catalog, depth="head")
    reached, let_go = asyncio.Event(), asyncio.Event()

    async def head(_key: bytes, **_: object) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            let_go.set()

    here.storage.held.head = head  # type: ignore[method-assign, assignment]  # never answers
    quick = replace(here.worker, limits=LIMITS.model_copy(update={"heartbeat_s": 0.02}))
    with capture_logs() as logs:
        turn = asyncio.create_task(quick.work_next(stop=lambda: False))
        await reached.wait()
        assert (await here.catalog.cancel(run_id)).state == "cancelled"
        async with asyncio.timeout(5):
            assert await turn == "fenced"
    assert let_go.is_set()
    assert {one["log_level"] for one in logs} == {"info"}
    assert [one["state"] for one in logs if "has been ended" in one["event"]] == ["cancelled"]
    assert (await here.catalog.run(run_id))[0].error_code == "Cancelled"


async def _away(here: Here, flaky: FlakyDatabase, limits: Limits) -> Worker:
    """A worker of the same catalog whose database fails on command."""
    catalog = Catalog(database=flaky, workspace="main", limits=limits)
    return Worker(
        owner="w",
        catalog=catalog,
        storage=here.storage,  # type: ignore[arg-type]  # its connection is a fake one
        limits=limits,
        observe=here.told.append,
    )


async def test_an_outage_of_the_catalog_is_no_failure_of_the_shard_and_the_turn_goes_on(here: Here) -> None:
    run_id = await new_run(here.catalog)
    flaky = FlakyDatabase(here.database)
    worker = await _away(here, flaky, LIMITS.model_copy(update={"catalog_pause_most_s": 0.01}))

    async def access(_connection: object, **_: object) -> Access:
        flaky.away = "connection refused"
        return FakeAccess()

    here.storage.access = access  # type: ignore[method-assign, assignment]  # and then the catalog goes away
    turn = asyncio.create_task(worker.work_next(stop=lambda: False))
    await until(lambda: worker.catalog.patience.waiting > 0)
    flaky.away = None
    assert await turn == "done"
    assert await worker.work_next(stop=lambda: False) == "done"  # which closes the run
    assert (await here.catalog.run(run_id))[0].state == "complete"


@pytest.mark.parametrize("how", ["told", "cancelled"])
async def test_a_worker_that_stops_while_the_catalog_is_away_ends_and_the_shard_is_none_the_worse(
    here: Here, how: str
) -> None:
    await new_run(here.catalog)
    flaky = FlakyDatabase(here.database)
    worker = await _away(here, flaky, LIMITS)

    async def access(_connection: object, **_: object) -> Access:
        flaky.away = "connection refused"
        return FakeAccess()

    here.storage.access = access  # type: ignore[method-assign, assignment]  # and then the catalog goes away
    turn = asyncio.create_task(worker.work_next(stop=lambda: False))
    await until(lambda: worker.catalog.patience.waiting > 0)
    if how == "told":
        worker.catalog.patience.end()
        assert await turn == "resting"
    else:
        turn.cancel()
        await asyncio.wait({turn}, timeout=5)
        assert turn.cancelled()
    failures = await here.database.read(lambda tx: tx.exec_driver_sql("SELECT max(failures) FROM shards").scalar_one())
    assert failures == 0


async def test_a_catalog_that_never_answers_is_not_waited_for_by_a_turn_that_was_cancelled(here: Here) -> None:
    await new_run(here.catalog)
    limits = LIMITS.model_copy(update={"catalog_goodbye_s": 0.01})
    worker = await _away(here, FlakyDatabase(here.database), limits)
    reached = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        reached.set()
        await asyncio.Event().wait()

    here.storage.access = never  # type: ignore[method-assign, assignment]  # hangs
    worker.catalog.give_back = never  # type: ignore[method-assign]  # hangs, too
    turn = asyncio.create_task(worker.work_next(stop=lambda: False))
    await reached.wait()
    turn.cancel()
    await asyncio.wait({turn}, timeout=5)
    assert turn.cancelled()
