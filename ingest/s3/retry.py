"""When a request is tried again, and how long before: the one place that repeats. Hides jitter, the budget and the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from config.errors import ClockSkewError, SessionExpiredError, SourceError
from config.limits import Limits

T = TypeVar("T")

_NOT_HERE = (ClockSkewError, SessionExpiredError)
"""Transient, but not by asking again in a moment."""

_THROTTLED = frozenset({429, 503})
"""Statuses that spend no budget: the gate, which every attempt passes, keeps their storm away (ingest/gate.py). Were it spent on
them, a bucket that refuses a few hundred at once would fail objects that it gives a second later."""


class Retry:
    """Full jitter under a budget that all requests of a client share, so that an outage is not answered with a storm.

    Source: "Exponential Backoff And Jitter" (AWS Architecture Blog); the budget is that of gRPC's retry throttling.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        """`random` gives numbers in [0, 1)."""
        self._limits = limits
        self._monotonic = monotonic
        self._sleep = sleep
        self._random = random
        self._budget = float(limits.retry_reserve)

    async def run(self, attempt: Callable[[], Awaitable[T]], *, repair: Callable[[SourceError], Awaitable[bool]]) -> T:
        """`repair` is asked first about every error: True means that its cause is gone, and the repetition costs nothing."""
        began = self._monotonic()
        self._budget = min(self._budget + self._limits.retry_budget, float(self._limits.retry_reserve))
        failures = 0
        while True:
            try:
                return await attempt()
            except SourceError as error:
                if await repair(error):
                    continue
                failures += 1
                pause = self._pause(failures, error)
                if not self._may(failures, error, self._monotonic() - began + pause):
                    raise
                if not _is_throttled(error):
                    self._budget -= 1
            await self._sleep(pause)

    def _may(self, failures: int, error: SourceError, after_s: float) -> bool:
        return (
            error.transient
            and not isinstance(error, _NOT_HERE)
            and failures < self._limits.attempts
            and after_s < self._limits.retry_s
            and (self._budget >= 1 or _is_throttled(error))
        )

    def _pause(self, failures: int, error: SourceError) -> float:
        most = self._limits.backoff_most_s
        jittered = self._random() * min(self._limits.backoff_first_s * 2.0 ** min(failures - 1, 60), most)
        asked = error.fields.get("retry_after_s", 0.0)
        return max(jittered, min(float(asked), most))


def _is_throttled(error: SourceError) -> bool:
    return error.fields.get("status") in _THROTTLED
