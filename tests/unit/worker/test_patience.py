"""How long a command waits for a Redis that is away."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from redis.exceptions import AuthenticationError, RedisError, ResponseError, WatchError
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.fakes.shifts import until
from worker.patience import Patience, PatientRedis, connection_pool


class Command:
    """Fails with each of `errors` in turn, and then gets through."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.attempts = 0

    async def __call__(self) -> str:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "PONG"


async def nothing(_error: RedisError) -> None:
    """redis-py disconnects here."""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = asyncio.sleep
    monkeypatch.setattr("worker.patience.asyncio.sleep", lambda _seconds: turn(0))


@pytest.mark.parametrize("lost", [RedisConnectionError("gone"), TimeoutError(), ConnectionResetError()])
async def test_a_command_is_tried_until_redis_is_back(lost: Exception) -> None:
    patience, command = Patience(seconds=float("inf")), Command(*[lost] * 200)
    assert await patience.call_with_retry(command, nothing) == "PONG"
    assert command.attempts == 201
    assert patience.reachable


async def test_a_command_that_redis_refuses_is_not_repeated() -> None:
    patience, command = Patience(seconds=float("inf")), Command(ResponseError("WRONGTYPE"))
    with pytest.raises(ResponseError):
        await patience.call_with_retry(command, nothing)
    assert command.attempts == 1


async def test_a_refused_password_is_not_tried_for_ever() -> None:
    patience, command = Patience(seconds=float("inf")), Command(AuthenticationError("WRONGPASS"))
    with pytest.raises(AuthenticationError):
        await patience.call_with_retry(command, nothing)


async def test_without_patience_the_first_failure_counts() -> None:
    patience, command = Patience(seconds=0), Command(RedisConnectionError("gone"))
    with pytest.raises(RedisConnectionError):
        await patience.call_with_retry(command, nothing)
    assert not patience.reachable


async def test_patience_ends_for_who_waits_already_and_on_every_connection() -> None:
    """redis-py gives each connection a copy; ours stays one."""
    patience = Patience(seconds=5)
    patience.without_end()
    command = Command(*[RedisConnectionError("gone")] * 100_000)
    waiting = asyncio.create_task(copy.deepcopy(patience).call_with_retry(command, nothing))
    await until(lambda: command.attempts >= 10)
    patience.end()
    with pytest.raises(RedisConnectionError):
        await waiting


@pytest.mark.parametrize("outcome", ["PONG", RedisConnectionError("gone")])
async def test_a_cancellation_that_a_command_swallows_is_heeded_all_the_same(outcome: str | Exception) -> None:
    """As `asyncio.wait_for` of Python 3.11 swallows it: a worker that is told to stop would go on."""
    begun = asyncio.Event()

    async def swallow() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if isinstance(outcome, Exception):
                raise outcome from None
        return str(outcome)

    waiting = asyncio.create_task(Patience(seconds=float("inf")).call_with_retry(swallow, nothing))
    await begun.wait()
    waiting.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({waiting})
    assert waiting.cancelled()


async def test_a_connection_lost_under_watch_reads_as_a_job_that_runs_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """arq does not catch this between its WATCH and its MULTI: it would end the worker."""

    async def lost(*_: Any, **__: Any) -> Any:
        raise WatchError("A ConnectionError occurred on while watching one or more keys")

    pool = connection_pool("redis://127.0.0.1:1", retry=Patience(seconds=0))
    async with PatientRedis(pool).pipeline() as pipe:
        pipe.watching = True
        monkeypatch.setattr(pipe, "immediate_execute_command", lost)
        assert await pipe.exists("arq:in-progress:x")
        assert await pipe.zscore("queue", "x") is None
        pipe.watching = False
