"""What lies in Redis that no worker can use: hides what arq would die of, and after each restart again, since it stays first."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import structlog
from arq.constants import job_key_prefix, retry_key_prefix
from redis.asyncio.client import Pipeline
from redis.exceptions import ResponseError

from worker.patience import PatientPipeline, PatientRedis

log = structlog.get_logger(__name__)

_PREFIXES = (job_key_prefix, retry_key_prefix)
_MOST_SHOWN = 64
_REMIND_S = 30.0


class ProofRedis(PatientRedis):
    """arq's client with patience, for a worker: it takes entries out of the queue that would end arq."""

    _complained_at = -_REMIND_S

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:  # noqa: FBT001, FBT002 - redis-py's
        return _ProofPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)

    async def zrangebyscore(self, name: Any, *args: Any, **options: Any) -> list[bytes]:
        """Job IDs that arq can start."""
        try:
            entries = await super().zrangebyscore(name, *args, **{**options, "withscores": True})
        except ResponseError as error:
            self._is_no_queue(name, error)
            return []
        unreadable = [member for member, _ in entries if not _is_text(member)]
        timeless = [member for member, score in entries if score <= 0 and _is_text(member)]
        if unreadable:
            log.error(
                "entries that can't be used were taken out of the queue: their job ID is no UTF-8",
                count=len(unreadable),
                first=_shown(unreadable[0]),
            )
            await self.zrem(name, *unreadable)
            await self.delete(*(prefix.encode() + member for member in unreadable for prefix in _PREFIXES))
        if timeless:  # arq passes over a time of zero, and dies of minus infinity
            log.error("jobs without a time are due now", count=len(timeless), first=_shown(timeless[0]))
            await self.zadd(name, dict.fromkeys(timeless, time.time_ns() // 1_000_000), xx=True)
        unusable = {*unreadable, *timeless}
        return [member for member, _ in entries if member not in unusable]

    async def zcard(self, name: Any) -> int:
        try:
            return int(await super().zcard(name))
        except ResponseError as error:
            self._is_no_queue(name, error)
            return 0

    def _is_no_queue(self, name: Any, error: ResponseError) -> None:
        """Raises the error again if it is another one."""
        if not _is_wrong(error):
            raise error
        if time.monotonic() - self._complained_at >= _REMIND_S:
            self._complained_at = time.monotonic()
            log.error("another kind of key has the queue's name; delete it, or set LONGSHORE_QUEUE", queue=name)


class _ProofPipeline(PatientPipeline):
    """What arq does of a job in one piece: keys that are not as arq writes them end the job, or count for nothing."""

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - redis-py's
        stack = self.command_stack
        commands = [args for args, _ in stack]
        results = await super().execute(raise_on_error=False)
        wrong = [number for number, result in enumerate(results) if _is_wrong(result)]
        for number in wrong:
            log.error(
                "a key that arq keeps is not what arq writes",
                command=commands[number][0],
                key=_shown(commands[number][1]),
                reason=str(results[number])[:200],
            )
            results[number] = _instead(commands[number])
        if raise_on_error:
            self.raise_first_error(stack, results)
        return results


def _instead(command: Sequence[Any]) -> Any:
    """What arq reads instead: no job, hence one that expired, which it takes out with all its keys; or the first try of one."""
    return 1 if command[0] == "INCRBY" else None


def _is_wrong(result: Any) -> bool:
    """Whether this is what Redis answers about a key of another type, or a number that is none."""
    said = ("WRONGTYPE", "value is not an integer", "increment or decrement would overflow")
    return isinstance(result, ResponseError) and any(words in str(result) for words in said)


def _is_text(member: bytes) -> bool:
    try:
        member.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(key: Any) -> str:
    """Whatever it is, short and in ASCII."""
    return ascii(key[:_MOST_SHOWN]) if isinstance(key, bytes | str) else type(key).__name__
