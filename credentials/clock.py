"""Hides where time comes from, so that tests can turn it by hand."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks and a pause. Seconds, all."""

    def now(self) -> float:
        """Unix time. It may jump: never measure a span of time with it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point. It never jumps."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's own clocks. Where the system offers it, the monotonic one also counts the time that it was suspended:
    a session expires at AWS while a laptop sleeps.
    """

    _SOURCE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.clock_gettime(self._SOURCE)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
