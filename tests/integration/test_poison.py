"""Things on the queue that arq would die of, on a real Valkey, and the good job behind each of them."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from config.settings import Settings
from tests.harness import BUCKET, Deployment, Valkey, WorkerProcess, deployment, until
from worker.main import worker_settings
from worker.poison import ProofRedis

ARQ = ("arq", "worker.main.WorkerSettings")
LONGSHORE = ("console", "worker")
QUEUE = "longshore"
JOB = json.dumps({"f": "ingest", "a": [{}], "k": {}, "t": None, "et": 1})


async def no_utf8(redis: Redis) -> None:
    await redis.set(b"arq:job:\xff\xfe", JOB)
    await redis.zadd(QUEUE, {b"\xff\xfe": 1})


async def job_of_another_type(redis: Redis) -> None:
    await redis.hset("arq:job:list", "x", "y")  # type: ignore[misc]  # redis-py: Awaitable or not
    await redis.zadd(QUEUE, {"list": 1})


async def tries_of_another_type(redis: Redis) -> None:
    await redis.set("arq:job:tries", JOB)
    await redis.hset("arq:retry:tries", "x", "y")  # type: ignore[misc]  # the same
    await redis.zadd(QUEUE, {"tries": 1})


async def tries_that_are_no_number(redis: Redis) -> None:
    await redis.set("arq:job:many", JOB)
    await redis.set("arq:retry:many", "many")
    await redis.zadd(QUEUE, {"many": 1})


async def tries_beyond_count(redis: Redis) -> None:
    await redis.set("arq:job:most", JOB)
    await redis.set("arq:retry:most", (1 << 63) - 1)
    await redis.zadd(QUEUE, {"most": 1})


async def no_time(redis: Redis) -> None:
    for job_id, score in {"ever": float("-inf"), "zero": 0, "before": -5}.items():
        await redis.set(f"arq:job:{job_id}", JOB)
        await redis.zadd(QUEUE, {job_id: score})


async def aborts_of_another_type(redis: Redis) -> None:
    """arq writes this one at the end of every job."""
    await redis.set("arq:abort", "x")


async def a_huge_job(redis: Redis) -> None:
    await redis.set("arq:job:huge", JOB.replace("{}", json.dumps({"options": ["x" * 100] * 5000}), 1))
    await redis.zadd(QUEUE, {"huge": 1})


async def a_deep_job(redis: Redis) -> None:
    await redis.set("arq:job:deep", JOB.replace("{}", "[" * 985 + "]" * 985, 1))
    await redis.zadd(QUEUE, {"deep": 1})


POISON: tuple[Callable[[Redis], Awaitable[None]], ...] = (
    no_utf8,
    job_of_another_type,
    tries_of_another_type,
    tries_that_are_no_number,
    tries_beyond_count,
    no_time,
    aborts_of_another_type,
    a_huge_job,
    a_deep_job,
)
BECOME_RUNS = {"tries", "many", "most", "ever", "zero", "before", "huge", "deep"}
"""Their payload is bad, too, so that they fail for that reason: it was read."""


async def served(d: Deployment, worker: WorkerProcess, job_id: str) -> None:
    run, _ = await d.ended(await d.submitted(job_id, depth="list"))
    assert run.state == "complete"
    assert worker.process.poll() is None


@pytest.mark.parametrize("command", [ARQ, LONGSHORE])
async def test_a_worker_outlives_what_it_can_not_use_and_takes_the_good_job_behind(
    tmp_path: Path, cloud: str, command: tuple[str, ...]
) -> None:
    async with deployment(tmp_path, cloud) as d, Redis.from_url(d.valkey.url) as redis:
        await d.connection()
        d.fill(1)
        for poison in POISON:
            await poison(redis)
        worker = await d.worker(command=command)
        await served(d, worker, "good")
        for job_id in BECOME_RUNS:
            run, _ = await d.ended(await d.accepted(job_id))
            assert (run.state, run.error_code) == ("failed", "BadJob")
        await until(lambda: len(worker.events("a key that arq keeps is not what arq writes")) >= 4, what="complaints")
        (taken_out,) = worker.events("entries that can't be used were taken out of the queue: their job ID is no UTF-8")
        assert (taken_out["count"], taken_out["first"]) == (1, "b'\\xff\\xfe'")
        assert worker.events("arq's worker died; starting another") == []
        assert "more than 262144" in str((await d.ended(d.run_ids("huge")[0]))[0].error)
        assert await redis.zcard(QUEUE) == 0
        assert await redis.keys("arq:job:*") + await redis.keys("arq:retry:*") == []
        assert await worker.end() == 0


async def test_a_key_that_is_no_queue_is_told_and_when_it_is_gone_jobs_are_taken(tmp_path: Path, cloud: str) -> None:
    async with deployment(tmp_path, cloud) as d, Redis.from_url(d.valkey.url) as redis:
        await d.connection()
        d.fill(1)
        await redis.set(QUEUE, "x")
        worker = await d.worker()
        said = "another kind of key has the queue's name; delete it, or set LONGSHORE_QUEUE"
        await until(lambda: bool(worker.events(said)), what="a complaint")
        await redis.delete(QUEUE)
        await served(d, worker, "good")
        assert len(worker.events(said)) == 1


async def test_a_job_whose_payload_was_refused_is_the_same_run_when_it_comes_again(tmp_path: Path, cloud: str) -> None:
    """Even if what was wrong has been put right since: an ID is one run."""
    async with deployment(tmp_path, cloud) as d, Redis.from_url(d.valkey.url) as redis:
        d.fill(1)
        worker = await d.worker()
        body: dict[str, Any] = {"connection": "role", "uris": [f"s3://{BUCKET}/in/"]}
        run, _ = await d.ended(await d.submitted("order-1"))
        assert run.error_code == "UnknownConnection"
        await d.connection()
        await redis.delete("arq:result:order-1")
        assert await d.bell.enqueue(body, job_id="order-1") == "order-1"
        await until(lambda: bool(worker.events("job known already")), what="the job")
        assert d.run_ids("order-1") == [run.id]
        assert worker.events("job refused") == []


async def test_other_troubles_of_redis_are_not_taken_for_poison(tmp_path: Path) -> None:
    """Out of memory, for one: the job is good and comes again."""
    with Valkey(tmp_path) as valkey:
        options = vars(worker_settings(Settings(redis_url=valkey.url)))
        redis = options["redis_pool"]
        assert isinstance(redis, ProofRedis)
        await redis.set("job", "x")
        await redis.config_set("maxmemory", 1)
        async with redis.pipeline(transaction=True) as pipe:
            pipe.get("job")
            pipe.incr("tries")
            with pytest.raises(ResponseError, match="maxmemory"):
                await pipe.execute()
        await redis.config_set("maxmemory", 0)
        await redis.zadd(QUEUE, {"good": time.time_ns() // 1_000_000})
        assert await redis.zrangebyscore(QUEUE, min="-inf", max="+inf", start=0, num=10) == [b"good"]
        await redis.aclose(close_connection_pool=True)
