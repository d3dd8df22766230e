"""Requests are repeated only when it may help, and never without bound."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from config.errors import (
    AccessDeniedError,
    ClockSkewError,
    ListingError,
    ProtocolError,
    SessionExpiredError,
    SourceError,
    SourceUnavailableError,
)
from config.limits import Limits
from ingest.s3.retry import Retry


class Script:
    """Attempts that fail with these errors in turn, then succeed; time passes only in pauses."""

    def __init__(self, limits: Limits, *, random: float = 1.0) -> None:
        self.pauses: list[float] = []
        self.attempts = 0
        self.repairs: list[SourceError] = []
        self.repairable = 0
        self._errors: list[SourceError] = []
        self.retry = Retry(limits, monotonic=lambda: sum(self.pauses), sleep=self._sleep, random=lambda: random)

    async def run(self, errors: Sequence[SourceError]) -> str:
        self._errors = list(errors)
        self.attempts = 0
        return await self.retry.run(self._attempt, repair=self._repair)

    async def _attempt(self) -> str:
        self.attempts += 1
        if self._errors:
            raise self._errors.pop(0)
        return "done"

    async def _repair(self, error: SourceError) -> bool:
        self.repairs.append(error)
        self.repairable -= 1
        return self.repairable >= 0

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


async def test_pauses_double_up_to_their_bound() -> None:
    script = Script(Limits(attempts=6, backoff_first_s=1, backoff_most_s=5))
    assert await script.run([SourceUnavailableError()] * 5) == "done"
    assert script.pauses == [1, 2, 4, 5, 5]


async def test_a_pause_is_anything_between_nothing_and_its_bound() -> None:
    script = Script(Limits(attempts=6, backoff_first_s=1), random=0.25)
    await script.run([SourceUnavailableError()] * 2)
    assert script.pauses == [0.25, 0.5]


async def test_the_last_attempt_raises_what_it_met() -> None:
    script = Script(Limits(attempts=3))
    with pytest.raises(ProtocolError):
        await script.run([SourceUnavailableError(), SourceUnavailableError(), ProtocolError()])
    assert script.attempts == 3


@pytest.mark.parametrize("error", [AccessDeniedError(), ListingError(), ClockSkewError(), SessionExpiredError()])
async def test_what_will_not_pass_by_itself_is_not_repeated(error: SourceError) -> None:
    script = Script(Limits())
    with pytest.raises(type(error)):
        await script.run([error])
    assert script.attempts == 1


async def test_what_was_repaired_costs_no_attempt_and_no_pause() -> None:
    script = Script(Limits(attempts=1))
    script.repairable = 2
    assert await script.run([SessionExpiredError(), SourceUnavailableError()]) == "done"
    assert script.pauses == []


async def test_no_attempt_begins_after_the_deadline() -> None:
    script = Script(Limits(attempts=100, backoff_first_s=10, backoff_most_s=10, retry_s=35))
    with pytest.raises(SourceUnavailableError):
        await script.run([SourceUnavailableError()] * 50)
    assert sum(script.pauses) == 30


async def test_a_server_that_names_a_pause_gets_it_within_bounds() -> None:
    script = Script(Limits(attempts=4, backoff_most_s=7))
    await script.run([SourceUnavailableError(retry_after_s=3.0), SourceUnavailableError(retry_after_s=900.0)])
    assert script.pauses == [3.0, 7.0]


async def test_an_outage_spends_the_budget_and_then_each_request_is_sent_once() -> None:
    """With a reserve of 10 and a fifth of a retry per request, 100 requests are repeated 30 times at the most."""
    script = Script(Limits(attempts=8, retry_reserve=10, retry_budget=0.2))
    sent = 0
    for _ in range(100):
        with pytest.raises(SourceUnavailableError):
            await script.run([SourceUnavailableError()] * 8)
        sent += script.attempts
    assert 110 <= sent <= 130


@pytest.mark.parametrize("status", [429, 503])
async def test_what_is_throttled_spends_no_budget_and_needs_none(status: int) -> None:
    """A bucket that refuses many at once must not fail them: the gate slows them down, attempts and deadline still bound them."""
    script = Script(Limits(attempts=8, retry_reserve=10, retry_budget=0.2))
    throttled = [SourceUnavailableError(status=status)] * 7
    for _ in range(20):
        assert await script.run(throttled) == "done"
    with pytest.raises(SourceUnavailableError):
        await script.run([*throttled, SourceUnavailableError(status=status)])
    assert script.attempts == 8
    for _ in range(20):
        with pytest.raises(SourceUnavailableError):
            await script.run([SourceUnavailableError(status=500)] * 8)
    assert script.attempts == 1
    assert await script.run(throttled) == "done"
