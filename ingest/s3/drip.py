"""How long a body is waited for in all: hides that a server may send a byte now and then, and hold a probe for ever."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from config.limits import Limits
from ingest.s3.transport import TransportError


class Drip:
    """Of one body: `idle_s`, and as long as what came may take at `body_slowest` bytes a second. A reader's own time is not counted."""

    __slots__ = ("_bytes", "_clock", "_limits", "_waited_s")

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._limits, self._clock = limits, clock
        self._waited_s = 0.0
        self._bytes = 0

    async def next(self, more: Callable[[], Awaitable[bytes]]) -> bytes:
        """The next piece. `more` itself bounds the wait for one. Raises TransportError."""
        began = self._clock()
        part = await more()
        self._waited_s += self._clock() - began
        self._bytes += len(part)
        slowest = self._limits.body_slowest
        if part and slowest and self._waited_s > self._limits.idle_s + self._bytes / slowest:
            why = f"the body comes at less than {slowest} bytes a second ({self._bytes} in {self._waited_s:.0f} s)"
            raise TransportError("TimedOut", why)
        return part
