"""One run on several real workers: each gets a share of it, nothing is lost or counted twice, also when one of them is killed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.harness import Deployment, deployment, until

COUNT = 1200
SHARES = "SELECT s.id, sum(p.listed) FROM shards s JOIN spans p ON p.shard_id = s.id GROUP BY s.id"


async def idle_ones(d: Deployment, count: int) -> None:
    await until(lambda: len(d.rows("SELECT owner FROM idle")) == count, what="flags of idle workers")


async def test_idle_workers_are_given_shares_of_a_run_that_one_began(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud, probes_at_once=8, gate_first=8, gate_most=8) as d:
        await d.connection()
        d.fill(COUNT)
        d.slow(0.05)
        workers = await asyncio.gather(d.worker(), d.worker(), d.worker())
        await idle_ones(d, 3)
        run_id = await d.submitted("shared")
        run, totals = await d.ended(run_id, within_s=60)
        assert (run.state, totals.listed, totals.outcomes["added"]) == ("complete", COUNT, COUNT)
        assert totals.requests["head"] == COUNT
        d.assert_exact(COUNT)
        shares = {shard: listed for shard, listed in d.rows(SHARES) if listed}
        assert len(shares) >= 3
        assert max(shares.values()) < COUNT * 0.6
        worked = [worker for worker in workers if worker.metric("slices_total", connection="role") >= 1]
        assert len(worked) == 3
        given = [worker.metric("shards_handed_over_total", connection="role") for worker in workers]
        assert sum(given) == d.rows("SELECT count(*) FROM shards WHERE giver IS NOT NULL")[0][0]
        await idle_ones(d, 3)
        for worker in workers:
            assert await worker.end() == 0
        assert d.rows("SELECT owner FROM idle") == []


async def test_a_share_outlives_the_worker_that_gave_it_and_the_one_that_took_it(tmp_path: Path, cloud: str) -> None:
    limits: dict[str, Any] = {"probes_at_once": 8, "gate_first": 8, "gate_most": 8, "lease_s": 1.5, "heartbeat_s": 0.5}
    async with deployment(tmp_path, cloud, **limits) as d:
        await d.connection()
        d.fill(COUNT)
        d.slow(0.05)
        for _ in range(3):
            await d.worker()
        await idle_ones(d, 3)
        run_id = await d.submitted("shared")
        taken = "SELECT count(*) FROM shards WHERE giver IS NOT NULL AND state = 'leased'"
        await until(lambda: d.rows(taken)[0][0] >= 2, what="shares that somebody took")
        (giver,) = d.rows("SELECT DISTINCT giver FROM shards WHERE giver IS NOT NULL")[0]
        (taker,) = d.rows("SELECT owner FROM shards WHERE giver IS NOT NULL AND state = 'leased'")[0]
        for worker in d.workers:
            if any(f"-{worker.process.pid}-" in owner for owner in (giver, taker)):
                worker.kill()
        run, totals = await d.ended(run_id, within_s=60)
        assert (run.state, totals.listed, totals.outcomes["added"]) == ("complete", COUNT, COUNT)
        d.assert_exact(COUNT)
