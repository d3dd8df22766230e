"""Whole ingestion: a producer's job on a real Valkey, a real worker process, an assumed role, rows in the catalog."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from credentials.sessions import session_name
from credentials.trust import RIGHT, WITHOUT, WRONG
from tests.harness import BUCKET, ROLE, Deployment, WorkerProcess, deployment, until
from tests.servers import tell

COUNT = 60


@asynccontextmanager
async def plain_arq(d: Deployment, serializer: Callable[[Any], bytes] | None) -> AsyncGenerator[ArqRedis]:
    """A producer who knows nothing of longshore but arq, the queue's name and JSON."""
    settings = RedisSettings.from_dsn(d.valkey.url)
    redis = await create_pool(settings, default_queue_name="longshore", job_serializer=serializer)
    try:
        yield redis
    finally:
        await redis.aclose(close_connection_pool=True)


def as_json(data: Any) -> bytes:
    return json.dumps(data).encode()


@pytest.mark.acceptance("CO-01", "LS-04", "LS-15")
async def test_a_job_enqueued_with_bare_arq_and_json_is_ingested_through_an_assumed_role(
    tmp_path: Path, cloud: str
) -> None:
    async with deployment(tmp_path, cloud) as d:
        await d.connection()
        d.fill(COUNT)
        worker = await d.worker()
        async with plain_arq(d, as_json) as redis:
            body = {"connection": "role", "uris": [f"s3://{BUCKET}/in/"]}
            queued = await redis.enqueue_job("ingest", body, _job_id="order-1")
        assert queued is not None
        run, total = await d.ended(await d.accepted("order-1"))
        assert (run.state, total.listed, total.outcomes["added"]) == ("complete", COUNT, COUNT)
        assert total.requests["head"] == COUNT
        d.assert_exact(COUNT)
        calls = [
            call["parameters"]["RoleSessionName"] for call in tell(cloud, "calls") if call["action"] == "AssumeRole"
        ]
        assert calls[:3] == [RIGHT, WITHOUT, WRONG]  # the role's trust is looked at before its first session
        (call,) = [
            call for call in tell(cloud, "calls") if call["parameters"].get("RoleSessionName") == session_name(run.id)
        ]
        assert call["parameters"]["RoleArn"] == ROLE
        assert run.id in call["parameters"]["RoleSessionName"]

        again, total = await d.ended(await d.submitted("order-2"))
        assert (again.state, total.outcomes["unchanged"], total.requests["head"]) == ("complete", COUNT, 0)

        assert worker.metric("runs_total", connection="role", state="complete") == 2
        assert worker.metric("objects_total", connection="role", outcome="added") == COUNT
        assert worker.metric("requests_total", bucket=BUCKET, class_="head", outcome="ok") == COUNT
        assert worker.metric("request_seconds_count", class_="list", outcome="ok") == 2
        assert worker.metric("rows_written_total", connection="role") == COUNT
        assert worker.metric("session_refreshes_total", connection="role", outcome="ok") >= 1
        assert 0 < worker.metric("session_usable_seconds", connection="role") <= 3600
        assert worker.metric("redis_up") == 1
        status, text = worker.get("/healthz")
        assert (status, json.loads(text)["status"]) == (200, "ok")
        assert await worker.end() == 0


REASONS = {
    "pickled": ("BadJob", "not JSON"),
    "misspelt": ("BadJob", "depht"),
    "stranger": ("UnknownConnection", "nobody-s"),
    "outside": ("OutOfScope", "another-bucket"),
    "spread": ("BadJob", "one argument"),
    "not-a-job": ("BadJob", "enqueue_job"),
    "odd-times": ("BadJob", "enqueue_job"),
}


async def enqueue_nonsense(d: Deployment) -> None:
    good = {"connection": "role", "uris": [f"s3://{BUCKET}/in/"]}
    async with plain_arq(d, None) as pickling:
        await pickling.enqueue_job("ingest", good, _job_id="pickled")
    async with plain_arq(d, as_json) as redis:
        await redis.enqueue_job("ingest", {**good, "depht": "list"}, _job_id="misspelt")
        await redis.enqueue_job("ingest", {**good, "connection": "nobody-s"}, _job_id="stranger")
        await redis.enqueue_job("ingest", {**good, "uris": ["s3://another-bucket"]}, _job_id="outside")
        await redis.enqueue_job("ingest", _job_id="spread", connection="role", uris=good["uris"])
        await redis.enqueue_job("no-such-function", 1, _job_id="unknown")
        odd = {"not-a-job": b"[1]", "odd-times": b'{"f":"ingest","a":[],"k":{},"t":"x","et":1e99}'}
        for job_id, body in odd.items():
            await redis.set(f"arq:job:{job_id}", body)
            await redis.zadd("longshore", {job_id: 1})


async def test_bad_payloads_become_failed_runs_with_their_reasons_and_the_worker_lives(
    tmp_path: Path, cloud: str
) -> None:
    async with deployment(tmp_path, cloud) as d:
        await d.connection()
        d.fill(3)
        worker = await d.worker()
        await enqueue_nonsense(d)
        for job_id, (code, reason) in REASONS.items():
            run, _ = await d.ended(await d.accepted(job_id))
            assert (run.state, run.error_code) == ("failed", code), job_id
            assert reason in str(run.error)
        run, _ = await d.ended(await d.submitted("good"))
        assert run.state == "complete"
        assert worker.metric("runs_total", state="failed") == len(REASONS)
        assert await worker.end() == 0
        async with plain_arq(d, as_json) as redis:
            assert await redis.zcard("longshore") == 0


async def told_once(worker: WorkerProcess, event: str) -> None:
    await until(lambda: len(worker.events(event)) == 1, what=event)


async def test_one_job_id_is_one_run(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud) as d, plain_arq(d, as_json) as redis:
        await d.connection()
        d.fill(3)
        worker = await d.worker()
        first, _ = await d.ended(await d.submitted("order-1"))
        for depth, answer in {"head": "job known already", "list": "job refused"}.items():
            body = {"connection": "role", "uris": [f"s3://{BUCKET}/in/"], "depth": depth}
            async with asyncio.timeout(10):  # while its result is kept, arq itself refuses the ID
                while await redis.enqueue_job("ingest", body, _job_id="order-1") is None:
                    await redis.delete("arq:result:order-1")
            await told_once(worker, answer)
        assert d.run_ids("order-1") == [first.id]
        assert (await d.service.catalog.run(first.id))[0] == first


async def test_longshore_worker_does_the_same(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud) as d:
        await d.connection()
        d.fill(COUNT)
        worker = await d.worker(command=("console", "worker"))
        run, _ = await d.ended(await d.submitted("order-1"))
        assert run.state == "complete"
        d.assert_exact(COUNT)
        assert await worker.end() == 0


async def test_no_secret_is_found_anywhere_afterwards(tmp_path: Path, cloud: str) -> None:
    """Keys, session tokens and sealing keys: in logs at DEBUG, Redis, the catalog, metrics and error texts."""
    told = "ToldByAProducerWhoShouldNotHave"
    secret, key_id = "CanarySecretAccessKey0123456789/canary+A", "AKIACANARYCANARY0001"
    async with deployment(tmp_path, cloud) as d:
        tell(cloud, "keys", access_key_id=key_id, secret=secret)
        await d.connection()
        keys = {"kind": "aws_keys", "name": "keys", "access_key_id": key_id, "secret_access_key": secret}
        await d.service.registry.create({**keys, "allow": [f"s3://{BUCKET}"]}, workspace="main", actor="test")
        d.fill(5)
        worker = await d.worker()
        for name in ("keys", "role"):
            run, _ = await d.ended(await d.submitted(f"by-{name}", connection=name))
            assert run.state == "complete", run.error
        tell(cloud, "fault", kind="error", op="any", times=0, status=403, code="AccessDenied", message=f"no {secret}")
        await d.ended(await d.submitted("denied", connection="keys"))
        await d.bell.enqueue({"connection": "keys", "secret_access_key": told}, job_id="leaky")
        await d.ended(await d.accepted("leaky"))
        metrics, health = worker.get("/metrics")[1], worker.get("/healthz")[1]
        assert await worker.end() == 0
        sessions = [one[name] for one in tell(cloud, "grants") for name in ("token", "secret")]
        assert sessions
        places = {
            "log": worker.log.encode(),
            "catalog": d.contents("catalog.db*"),
            "redis": d.contents("data*/**/*.aof"),
            "metrics": metrics.encode(),
            "health": health.encode(),
        }
        sealing = d.environment["LONGSHORE_SECRET_KEYS"].partition(":")[2]
        assert all(places.values())
        for canary in (secret, sealing, *sessions):
            assert not [place for place, content in places.items() if canary.encode() in content], canary
        assert not [place for place, content in places.items() if place != "redis" and told.encode() in content]
