"""The queue as producers see it: JSON over arq. Hides how a job looks in Redis; needs nothing but a URL."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import structlog
from arq.connections import ArqRedis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from config.errors import QueueUnavailableError
from config.redaction import redact
from config.settings import Settings
from ingest.job import IngestJob
from worker.patience import AWAY, connection_pool

log = structlog.get_logger(__name__)

INGEST: Final = "ingest"
"""The arq function that takes a job. What producers name."""
WORK: Final = "work"
"""The arq function that a ring calls."""
_ATTEMPTS = 3
_ANSWER_S = 6.0
"""A producer waits no longer, however slowly Redis fails."""
_MOST_DEPTH = 200
_DEEP = f"it is nested deeper than {_MOST_DEPTH}"
_LATEST_MS = 32_503_680_000_000
"""The year 3000: arq dies of a time that does not fit a date."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands where a payload should be, in a job that is not what arq writes."""

    reason: str


def dumps(data: Any) -> bytes:
    """Serialize a job or a result for arq, as JSON. An exception becomes its class and its message, redacted."""
    return json.dumps(data, default=_plain).encode()


def _plain(value: Any) -> str:
    if isinstance(value, BaseException):
        return redact(f"{type(value).__name__}: {value}")
    return redact(value.reason) if isinstance(value, Unreadable) else f"<{type(value).__name__}>"


def loads(raw: bytes, *, most: int | None = None) -> dict[str, Any]:
    """Read a job or a result as arq wrote it. Never unpickles, never raises. A worker reads no more than `most` bytes.

    Whatever else is there becomes a call of `ingest` with an Unreadable, hence a failed run with a reason: arq itself would
    end its worker over some of it, and then the next worker.
    """
    if most is not None and len(raw) > most:
        return _unreadable(
            f"it has {len(raw)} bytes, more than {most}; name prefixes instead of objects, or send several jobs"
        )
    try:
        data = json.loads(raw)
    except ValueError:
        return _unreadable("the job is not JSON; producers give arq a JSON serializer, never pickle")
    except RecursionError:
        return _unreadable(_DEEP)
    if _too_deep(data):
        return _unreadable(_DEEP)
    if not isinstance(data, dict):
        return _unreadable("the job is not what arq's enqueue_job writes")
    well_formed = (
        isinstance(data.get("f"), str)
        and isinstance(data.get("a"), list)
        and isinstance(data.get("k"), dict)
        and (data.get("t") is None or _whole(data["t"], most=1 << 31))
        and _whole(data.get("et"), most=_LATEST_MS)
    )
    return data if well_formed else _unreadable("the job is not what arq's enqueue_job writes")


def _too_deep(data: Any) -> bool:
    """arq writes jobs into its log and its results by ways that take no more than Python's stack does."""
    level = [data]
    for _ in range(_MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _whole(value: Any, *, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most


def _unreadable(reason: str) -> dict[str, Any]:
    return {"f": INGEST, "a": [Unreadable(reason)], "k": {}, "t": None, "et": round(time.time() * 1000)}


class Bell:
    """What rings: tells the workers of a queue that the catalog has something for them, or hands them a job."""

    def __init__(self, redis: ArqRedis, *, address: str) -> None:
        self._redis, self._address = redis, address

    async def ring(self, times: int = 1, *, idle: bool = False) -> bool:
        """Ring for shards that wait in the catalog; `idle`: for whoever has nothing else to do. Returns whether Redis heard it; if
        not, workers find them by themselves.
        """
        said = {"idle": True} if idle else {}
        try:
            async with asyncio.timeout(_ANSWER_S):
                for _ in range(times):
                    await self._redis.enqueue_job(WORK, _job_id=f"ring:{uuid4().hex}", **said)  # type: ignore[arg-type]  # arq's own arguments, too, are keywords
        except AWAY as error:
            log.warning("the bell can't be rung; workers will find the work by themselves", reason=redact(str(error)))
            return False
        return True

    async def enqueue(self, job: IngestJob | Mapping[str, Any], *, job_id: str | None = None) -> str | None:
        """Put a job on the queue, as any producer may. Returns its ID; None if this ID is queued or was worked a moment ago.

        Raises QueueUnavailableError.
        """
        payload = job.model_dump(mode="json") if isinstance(job, IngestJob) else dict(job)
        try:
            async with asyncio.timeout(_ANSWER_S):
                queued = await self._redis.enqueue_job(INGEST, payload, _job_id=job_id)
        except AWAY as error:
            raise self._away(error) from error
        return None if queued is None else queued.job_id

    async def ping(self) -> None:
        """Raises QueueUnavailableError."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await self._redis.ping()
        except AWAY as error:
            raise self._away(error) from error

    async def concerns(self) -> list[str]:
        """What an operator should know of how this Redis is set up; nothing if it does not tell."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                policy = (await self._redis.config_get("maxmemory-policy")).get("maxmemory-policy", "noeviction")
                durable = (await self._redis.config_get("appendonly")).get("appendonly", "yes")
        except AWAY:
            return []
        found = []
        if policy != "noeviction":
            found.append(
                f"Redis may drop jobs when memory is short (maxmemory-policy is {policy}); set it to noeviction"
            )
        if durable != "yes":
            found.append("Redis keeps no append-only file: a restart loses jobs that no worker has accepted yet")
        return found

    def _away(self, error: Exception) -> QueueUnavailableError:
        reason = redact(str(error)) or type(error).__name__
        return QueueUnavailableError(
            f"Redis at {self._address} did not take it: {reason}; check LONGSHORE_REDIS_URL and that it runs",
            code="Redis",
        )


@asynccontextmanager
async def open_bell(settings: Settings) -> AsyncGenerator[Bell]:
    """A client of the queue that the settings name. It connects when first used. Raises SettingsError for a bad URL."""
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), _ATTEMPTS)
    pool = connection_pool(settings.redis_url, retry=retry)
    where = pool.connection_kwargs
    address = str(where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}")
    redis = ArqRedis(pool, job_serializer=dumps, job_deserializer=loads, default_queue_name=settings.queue)
    try:
        yield Bell(redis, address=address)
    finally:
        await redis.aclose(close_connection_pool=True)
