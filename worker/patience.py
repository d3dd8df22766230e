"""How long a worker waits for a Redis that is away: hides what arq would die of when Redis restarts."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import structlog
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, WatchError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.errors import SettingsError

T = TypeVar("T")
log = structlog.get_logger(__name__)

LOST: tuple[type[Exception], ...] = (RedisConnectionError, RedisTimeoutError, OSError, asyncio.TimeoutError)
"""What says that Redis can't be reached, and nothing about the command."""
AWAY: tuple[type[Exception], ...] = (RedisError, *LOST)
"""Whatever may come of a command."""
_PAUSE_FIRST_S = 0.05
_PAUSE_MOST_S = 1.0
_REMIND_S = 30.0
_SOCKET_S = 5.0


class Patience(Retry):
    """A command is tried again until Redis is back, or for `seconds`. Shared by all connections of a client."""

    def __init__(self, *, seconds: float) -> None:
        super().__init__(NoBackoff(), 0)
        self.update_supported_errors(list(LOST))
        self._seconds = seconds
        self._lost_at: float | None = None
        self._reminded_at = 0.0

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Every connection copies its retry; ours is one, so that its patience can end while they wait."""
        return self

    def without_end(self) -> None:
        """From now on wait for as long as it takes."""
        self._seconds = math.inf

    def end(self) -> None:
        """From now on fail at once; what waits now fails within a second."""
        self._seconds = 0.0

    @property
    def reachable(self) -> bool:
        """Whether the last command got through."""
        return self._lost_at is None

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[RedisError], Any]) -> T:
        """Run `do`. Raises what it raised when patience ends, and at once when the password is refused."""
        began, pause_s = time.monotonic(), _PAUSE_FIRST_S
        while True:
            try:
                result = await do()
            except AuthenticationError:
                raise
            except self._supported_errors as error:
                self._lost(error)
                await fail(error)
                _heed_cancellation()
                if time.monotonic() - began >= self._seconds:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1) * pause_s)  # noqa: S311 - jitter
                pause_s = min(_PAUSE_MOST_S, 2 * pause_s)
            else:
                self._found()
                _heed_cancellation()
                return result

    def _lost(self, error: Exception) -> None:
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        elif now - self._reminded_at < _REMIND_S:
            return
        self._reminded_at = now
        seconds = round(now - self._lost_at, 1)
        log.warning("redis is out of reach; work goes on without it", reason=str(error), seconds=seconds)

    def _found(self) -> None:
        if self._lost_at is not None:
            log.info("redis is back", seconds=round(time.monotonic() - self._lost_at, 1))
            self._lost_at = None


def _heed_cancellation() -> None:
    """Before Python 3.12, `asyncio.wait_for`, with which redis-py sends, drops a cancellation that comes as it ends: a worker that
    is told to stop would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class PatientPipeline(Pipeline):
    """arq reads under a WATCH and does not expect Redis to go away in between; for it, such a job runs elsewhere for now."""

    async def exists(self, *names: Any) -> Any:
        try:
            return await super().exists(*names)
        except WatchError:
            return 1

    async def zscore(self, name: Any, value: Any) -> Any:
        try:
            return await super().zscore(name, value)
        except WatchError:
            return None


class PatientRedis(ArqRedis):
    """arq's client with patience."""

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's
        return PatientPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


def connection_pool(url: str, *, retry: Retry) -> ConnectionPool:
    """Connections to the Redis at `url`, which a frozen server can't hold up for ever. Raises SettingsError; opens nothing yet."""
    try:
        return ConnectionPool.from_url(
            url,
            retry=retry,
            retry_on_error=list(LOST),
            socket_timeout=_SOCKET_S,
            socket_connect_timeout=_SOCKET_S,
            socket_keepalive=True,
            health_check_interval=15,
        )
    except ValueError:
        raise SettingsError(
            "LONGSHORE_REDIS_URL is no Redis URL; write redis://[user:password@]host:6379/0, rediss://... or unix:///path"
        ) from None
