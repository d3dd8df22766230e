"""Real processes, real signals: workers killed and stopped in mid-run, Redis emptied, killed and restarted."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from redis.asyncio import Redis

from ingest.job import IngestJob
from tests.harness import Deployment, WorkerProcess, deployment, until

COUNT = 400
ARQ = ("arq", "worker.main.WorkerSettings")
LONGSHORE = ("console", "worker")


async def in_the_midst(d: Deployment, *, workers: int = 1, command: tuple[str, ...] = ARQ) -> str:
    """A run that one of the workers is busy with, and that would take some seconds more."""
    await d.connection()
    d.fill(COUNT)
    d.slow(0.25)
    for _ in range(workers):
        await d.worker(command=command)
    run_id = await d.submitted("order-1")
    await d.some_committed(run_id)
    assert lease(d, run_id)[0] == "leased"
    return run_id


async def assert_complete(d: Deployment, run_id: str, *, within_s: float = 30.0) -> None:
    """Rows and counts equal the bucket exactly: nothing lost, nothing twice."""
    run, total = await d.ended(run_id, within_s=within_s)
    assert run.state == "complete", run.error
    assert (total.listed, total.outcomes["added"]) == (COUNT, COUNT)
    d.assert_exact(COUNT)


def lease(d: Deployment, run_id: str) -> tuple[str, str | None]:
    """State and owner of the shard that the run began with."""
    first = "SELECT state, owner FROM shards WHERE run_id = ? AND kind = 'list' AND giver IS NULL"
    (row,) = d.rows(first, run_id)
    return row[0], row[1]


@pytest.mark.acceptance("LS-02", "LS-03")
async def test_a_worker_killed_in_mid_run_costs_seconds_and_another_finishes(tmp_path: Path, cloud: str) -> None:
    """With the limits as they are by default: a lease of 10 s, a sweep every 2 s."""
    async with deployment(tmp_path, cloud, sweep_s=2.0) as d:
        run_id = await in_the_midst(d, workers=2)
        holder = lease(d, run_id)[1]
        victim, heir = sorted(d.workers, key=lambda worker: owner(worker) != holder)
        assert owner(victim) == holder
        victim.kill()
        killed_at = time.monotonic()
        assert lease(d, run_id) == ("leased", holder), "the dead still hold it"
        await until(lambda: lease(d, run_id)[1] == owner(heir), what="an heir", within_s=20)
        recovery_s = time.monotonic() - killed_at
        assert recovery_s < 15
        d.fast()
        await assert_complete(d, run_id)
        assert await heir.end() == 0


async def freeze(d: Deployment, worker: WorkerProcess) -> None:
    """Stop it between two transactions: one that is frozen inside holds SQLite's only write lock, and nobody else can write."""
    for _ in range(100):
        worker.process.send_signal(signal.SIGSTOP)
        try:
            with closing(sqlite3.connect(d.folder / "catalog.db", timeout=0.2, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            worker.process.send_signal(signal.SIGCONT)
            await asyncio.sleep(0.01)
    raise AssertionError("it never stands still between two transactions")


@pytest.mark.acceptance("LS-02")
async def test_a_worker_that_wakes_up_after_its_lease_can_not_write(tmp_path: Path, cloud: str) -> None:
    """It was frozen in mid-run; another has finished the run, and the sleeper's last batch counts for nothing."""
    async with deployment(tmp_path, cloud, lease_s=1.5, heartbeat_s=0.3) as d:
        run_id = await in_the_midst(d)
        sleeper = d.workers[0]
        await freeze(d, sleeper)
        assert not ended(d, run_id)
        d.fast()
        heir = await d.worker()
        await assert_complete(d, run_id)
        before = d.rows("SELECT * FROM spans, runs, shards ORDER BY 1, 2")
        sleeper.process.send_signal(signal.SIGCONT)
        await until(lambda: sleeper.metric("slices_total", outcome="fenced") == 1, what="the fence")
        assert d.rows("SELECT * FROM spans, runs, shards ORDER BY 1, 2") == before
        await assert_complete(d, run_id)
        assert heir.metric("runs_total", state="complete") == 1


def owner(worker: WorkerProcess) -> str:
    return str(worker.events("worker started")[0]["worker"])


def ended(d: Deployment, run_id: str) -> bool:
    return bool(d.rows("SELECT 1 FROM runs WHERE id = ? AND finished_at IS NOT NULL", run_id))


async def test_sigterm_finishes_the_batch_and_gives_the_shard_back_at_once(tmp_path: Path, cloud: str) -> None:
    """No lease has to run out: the next worker goes on where this one stopped, and no object is asked for twice."""
    async with deployment(tmp_path, cloud, lease_s=3600) as d:
        run_id = await in_the_midst(d)
        assert await d.workers[0].end() == 0
        assert lease(d, run_id) == ("ready", None)
        before = d.rows("SELECT count(*) FROM assets")[0][0]
        assert 0 < before < COUNT
        assert before == d.heads(), "what was asked for was committed"
        d.fast()
        await d.worker()
        await assert_complete(d, run_id)
        assert d.heads() == COUNT


async def test_a_second_sigterm_does_not_wait(tmp_path: Path, cloud: str) -> None:
    """The shard is given back all the same; only what was in flight is asked for again."""
    async with deployment(tmp_path, cloud, lease_s=3600, drain_s=60) as d:
        run_id = await in_the_midst(d)
        d.fast()
        d.slow(30.0)
        await until(lambda: d.heads() > 0, what="requests")
        worker = d.workers[0]
        worker.process.send_signal(signal.SIGTERM)
        await until(lambda: bool(worker.events("finishing what is in flight")), what="the drain")
        assert await worker.end() == 0
        assert lease(d, run_id) == ("ready", None)
        d.fast()
        await d.worker()
        await assert_complete(d, run_id)


async def test_redis_emptied_in_mid_run_loses_nothing(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud) as d:
        run_id = await in_the_midst(d)
        redis = Redis.from_url(d.valkey.url)
        await redis.flushall()
        await redis.aclose()
        assert not ended(d, run_id)
        d.fast()
        await assert_complete(d, run_id)
        later, _ = await d.ended(await d.submitted("order-2"))
        assert later.state == "complete"
        assert await d.workers[0].end() == 0


async def test_redis_killed_and_restarted_empty_in_mid_run_ends_no_worker(tmp_path: Path, cloud: str) -> None:
    """The run completes while Redis is away, and the next job is taken when it is back."""
    async with deployment(tmp_path, cloud, persist=False) as d:
        run_id = await in_the_midst(d)
        worker = d.workers[0]
        (concern,) = worker.events("jobs on the queue may be lost before a worker accepts them")
        assert "append-only" in concern["concern"]
        d.valkey.kill()
        await until(lambda: worker.metric("redis_up") == 0, what="a worker that misses Redis")
        assert worker.get("/healthz")[0] == 200
        assert not ended(d, run_id)
        d.fast()
        await assert_complete(d, run_id)
        d.valkey.start()
        later, _ = await d.ended(await d.submitted("order-2"))
        assert later.state == "complete"
        assert worker.metric("redis_up") == 1
        assert await worker.end() == 0


async def test_a_run_that_was_never_rung_for_is_found(tmp_path: Path, cloud: str) -> None:
    """Its writer died between the catalog and the bell."""
    async with deployment(tmp_path, cloud) as d:
        await d.connection()
        d.fill(COUNT)
        await d.worker()
        job = IngestJob.read({"connection": "role", "uris": ["s3://customer-media/in/"]})
        run, _ = await d.service.submit(job, origin="queue")
        await assert_complete(d, run.id)


async def test_sigterm_without_redis_still_gives_the_shard_back(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud, lease_s=3600) as d:
        run_id = await in_the_midst(d)
        d.valkey.kill()
        await d.workers[0].end(within_s=30)
        assert lease(d, run_id) == ("ready", None)


@pytest.mark.parametrize("persist", [True, False])
async def test_longshore_worker_outlives_redis_and_ends_in_order_without_it(
    tmp_path: Path, cloud: str, *, persist: bool
) -> None:
    async with deployment(tmp_path, cloud, persist=persist) as d:
        run_id = await in_the_midst(d, command=LONGSHORE)
        worker = d.workers[0]
        d.valkey.kill()
        await until(lambda: worker.metric("redis_up") == 0, what="a worker that misses Redis")
        assert not ended(d, run_id)
        if persist:
            d.valkey.start()
            d.fast()
            await assert_complete(d, run_id)
        assert await worker.end() == 0
        assert lease(d, run_id)[0] == ("done" if persist else "ready")
