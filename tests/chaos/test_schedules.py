"""Schedules with real workers: several look at once, and each time makes one run, which is worked on at once."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from ingest.cron import Cron
from ingest.job import IngestJob
from tests.harness import BUCKET, Deployment, deployment, until

JOB = IngestJob(connection="role", uris=[f"s3://{BUCKET}/in/"])
RUNS = "SELECT id FROM runs WHERE schedule_id LIKE 'hourly-%' ORDER BY number"


def an_hour_later(d: Deployment) -> None:
    with contextlib.closing(sqlite3.connect(d.folder / "catalog.db", timeout=10)) as catalog, catalog:
        catalog.execute("UPDATE schedules SET due_at = due_at - 3600000")


async def test_each_time_makes_one_run_whoever_looks(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud) as d:
        await d.connection()
        d.fill(50)
        await d.service.schedule("hourly", JOB, Cron.read("0 * * * *"))
        for _ in range(2):
            await d.worker()
        for count in (1, 2):
            an_hour_later(d)
            await until(lambda count=count: len(d.rows(RUNS)) == count, what="a run")  # type: ignore[misc]  # a default argument
            run, total = await d.ended(d.rows(RUNS)[-1][0])
            assert (run.state, run.schedule, total.listed) == ("complete", "hourly", 50)
        d.valkey.kill()
        an_hour_later(d)
        await until(lambda: len(d.rows(RUNS)) == 3, what="a run without Redis")
        await d.ended(d.rows(RUNS)[-1][0])
        assert sum(len(worker.events("schedule made a run")) for worker in d.workers) == 3
        d.assert_exact(50)
