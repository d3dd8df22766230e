"""The queue's client against a real Valkey, and against one that is away or frozen."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from config.errors import QueueUnavailableError
from config.settings import Settings
from ingest.job import IngestJob
from tests.harness import Valkey
from worker import queue
from worker.queue import Bell, open_bell

JOB = IngestJob.read({"uris": ["s3://bucket/a/"]})


@asynccontextmanager
async def a_bell(folder: Path, *, persist: bool = True) -> AsyncGenerator[tuple[Bell, Valkey]]:
    with Valkey(folder, persist=persist) as valkey:
        async with open_bell(Settings(redis_url=valkey.url)) as bell:
            yield bell, valkey


async def test_a_job_id_is_taken_until_its_job_is_done(tmp_path: Path) -> None:
    async with a_bell(tmp_path) as (bell, _):
        assert await bell.enqueue(JOB, job_id="order-1") == "order-1"
        assert await bell.enqueue(JOB, job_id="order-1") is None
        assert await bell.enqueue(JOB) is not None


async def test_each_ring_is_a_job_of_its_own_without_a_word_of_the_work(tmp_path: Path) -> None:
    async with a_bell(tmp_path) as (bell, valkey), Redis.from_url(valkey.url) as redis:
        assert await bell.ring(3)
        ids = await redis.zrange("longshore", 0, -1)
        assert len(ids) == 3
        for ring in ids:
            call = queue.loads(await redis.get(b"arq:job:" + ring))
            assert (call["f"], call["a"], call["k"]) == ("work", [], {})


async def test_a_redis_that_may_lose_jobs_is_told(tmp_path: Path) -> None:
    async with a_bell(tmp_path, persist=False) as (bell, valkey), Redis.from_url(valkey.url) as redis:
        await redis.config_set("maxmemory-policy", "allkeys-lru")
        first, second = await bell.concerns()
        assert "noeviction" in first
        assert "append-only" in second
    async with a_bell(tmp_path / "durable") as (bell, _):
        assert await bell.concerns() == []


async def test_without_redis_a_ring_says_so_and_a_job_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    async with a_bell(tmp_path) as (bell, valkey):
        valkey.kill()
        assert not await bell.ring()
        assert await bell.concerns() == []
        where = valkey.url.removeprefix("redis://").removesuffix("/0")
        for failing in (bell.enqueue(JOB), bell.ping()):
            with pytest.raises(QueueUnavailableError, match=f"{where}.*LONGSHORE_REDIS_URL"):
                await failing
        valkey.start()
        await bell.ping()
        assert await bell.ring()


async def test_a_frozen_redis_holds_no_producer_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "_ANSWER_S", 0.3)
    async with a_bell(tmp_path) as (bell, valkey):
        await bell.ping()
        os.kill(valkey.pid, signal.SIGSTOP)
        assert not await bell.ring()
        with pytest.raises(QueueUnavailableError):
            await bell.enqueue(JOB)
        os.kill(valkey.pid, signal.SIGCONT)
        monkeypatch.setattr(queue, "_ANSWER_S", 10.0)
        assert await bell.ring()
