"""How a server behaves beside its answers: hides latency, the limit on requests, faults, and what is counted."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

FAULTS: Final = ("error", "reset", "cut")
"""500 InternalError; the connection reset before the answer; the body cut off in the middle."""
_COUNTED: Final = frozenset({"list", "head", "get"})


class TokenBucket:
    """Lets `rate` requests per second through, and `burst_s` seconds' worth at once. A rate of 0 lets everything through."""

    def __init__(self, rate: float, *, burst_s: float = 0.1, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._most = max(1.0, rate * burst_s)
        self._tokens = self._most
        self._clock = clock
        self._then = clock()

    def take(self) -> bool:
        if not self._rate:
            return True
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._then) * self._rate)
        self._then = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Stats:
    """What was asked and answered since the last reset."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    """By class (list, head, get, other) and status; 0: reset on purpose."""
    bytes_sent: int = 0
    connections: int = 0
    first_s: float = 0.0
    last_s: float = 0.0
    """Unix time of the first and the last request that was counted."""
    cpu_s: float = field(default_factory=time.process_time)

    def count(self, request: str, status: int, size: int) -> None:
        now = time.time()
        self.first_s = self.first_s or now
        self.last_s = now
        self.requests[request, status] += 1
        self.bytes_sent += size

    def told(self) -> dict[str, Any]:
        by_class: dict[str, dict[str, int]] = {}
        for (request, status), number in sorted(self.requests.items()):
            by_class.setdefault(request, {})[str(status)] = number
        return {
            "requests": by_class,
            "bytes": self.bytes_sent,
            "connections": self.connections,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "server_cpu_s": round(time.process_time() - self.cpu_s, 3),
            "pid": os.getpid(),
        }


@dataclass(slots=True, kw_only=True)
class Conduct:
    """What befalls a request, decided when it arrives."""

    latency_s: float = 0.0
    """The median; 0: answered at once."""
    jitter: float = 0.0
    """Sigma of the lognormal around it; 0: always the same."""
    limit: TokenBucket = field(default_factory=lambda: TokenBucket(0))
    fault_rate: float = 0.0
    random: Random = field(default_factory=lambda: Random(0))
    stats: Stats = field(default_factory=Stats)

    def delay_s(self) -> float:
        if not self.latency_s or not self.jitter:
            return self.latency_s
        return self.latency_s * math.exp(self.random.gauss(0.0, self.jitter))

    def refuses(self, request: str) -> bool:
        """Whether the limit is reached. LIST, HEAD and GET draw on the same one."""
        return request in _COUNTED and not self.limit.take()

    def fault(self, request: str) -> str | None:
        if not self.fault_rate or request not in _COUNTED or self.random.random() >= self.fault_rate:
            return None
        return self.random.choice(FAULTS)
