"""How often a body may break off, and how long it rests before it goes on: hides that what comes on spends nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from config.errors import SourceError
from config.limits import Limits

_COMES_ON: Final = 1024 * 1024
"""Bytes more than ever before: a request that brought so many has paid for itself."""
_EACH: Final = 64 * 1024 * 1024

Sleep = Callable[[float], Awaitable[object]]


class Breaks:
    """Of one body; pauses are those of `ingest.s3.retry.Retry`."""

    def __init__(
        self, limits: Limits, *, sleep: Sleep = asyncio.sleep, jitter: Callable[[], float] = random.random
    ) -> None:
        """`jitter` gives numbers in [0, 1)."""
        self._limits, self._sleep, self._jitter = limits, sleep, jitter
        self._furthest = 0
        """Not where it is: a body that begins again comes on only where it never was."""
        self._spent = 0
        self._in_a_row = 0

    async def rest(self, torn: SourceError, *, reached: int) -> None:
        """Until it may go on. Raises `torn` if it broke off too often."""
        if reached - self._furthest >= _COMES_ON:
            self._in_a_row = 0
        else:
            self._spent += 1
            self._in_a_row += 1
        self._furthest = max(self._furthest, reached)
        if self._spent > self._limits.body_breaks * (1 + self._furthest // _EACH):
            raise torn
        most = self._limits.backoff_first_s * 2.0 ** min(max(self._in_a_row - 1, 0), 60)
        await self._sleep(self._jitter() * min(most, self._limits.backoff_most_s))
