"""Who may send a request now: hides places, pacing and the queue before them. How many is decided in pace.py.

One gate per endpoint, bucket and class, for all runs of a process; whoever waits is served in order of arrival.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from config.limits import Limits
from ingest.events import GateChanged, GateClass, Observe, ignore
from ingest.pace import QUIET_S, Pace, Verdict

log = structlog.get_logger(__name__)

_BEHIND_S: Final = 0.02
"""What a loop that was busy for so long may catch up on. Far below the tenth of a second that servers allow."""
_TICK_S: Final = 0.002
"""Shortest wait of the timer; several are let through at once then, as timers are no finer than a millisecond."""


class Timer(Protocol):
    """What asyncio's TimerHandle is."""

    def cancel(self) -> None: ...


Later = Callable[[float, Callable[[], None]], Timer]


def verdict(status: int) -> Verdict:
    """What an HTTP status says of the storage's load. A HEAD has no more than that."""
    if status in (429, 503):
        return "throttled"
    return "failed" if status >= 500 else "ok"


def call_later(seconds: float, call: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, call)


class Gate:
    """Every request enters, and leaves; in between, its answer is shown to `saw` as soon as its status is known."""

    def __init__(
        self,
        *,
        bucket: str,
        request: GateClass,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        later: Later = call_later,
        observe: Observe = ignore,
    ) -> None:
        """`clock` and `later` must count the same seconds."""
        self._bucket = bucket
        self._request: GateClass = request
        self._clock = clock
        self._later = later
        self._observe = observe
        self._pace = Pace(limits, now=clock())
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[float]] = deque()
        self._free_at = float("-inf")
        """When the rate lets the next one through."""
        self._wake: Timer | None = None
        self._calm: Timer | None = None

    @property
    def rate(self) -> float | None:
        """Requests per second; None: as many as there are places for."""
        return self._pace.rate

    @property
    def places(self) -> int:
        return self._pace.places

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def idle(self) -> bool:
        return not self._in_flight and not self._waiting

    async def enter(self) -> float:
        """Wait for a turn; the time of it, for `saw`. Without a wait it never gives up control. `leave` must follow, once."""
        now = self._clock()
        if self._waiting or not self._is_open(now):
            return await self._turn()
        self._let_in(now)
        return now

    def saw(self, verdict: Verdict, *, admitted: float, seconds: float) -> None:
        """An answer, `seconds` after it was asked for. Not for requests that were lost or cancelled: they say nothing."""
        now = self._clock()
        limited = self._pace.rate is not None
        if not self._pace.saw(verdict, admitted=admitted, seconds=seconds, now=now):
            return
        self.tell()
        if self._pace.rate is not None and not limited:
            log.warning(
                "the storage refuses or fails too much; requests are paced",
                bucket=self._bucket,
                request=self._request,
                per_second_at_first=round(self._pace.rate, 1),
            )
            self._calm = self._later(QUIET_S, self._calmed)
        self._serve()

    def leave(self) -> None:
        """Give the place back."""
        self._in_flight -= 1
        if self._waiting:
            self._serve()

    def close(self) -> None:
        """Forget; nobody may be inside."""
        for timer in (self._wake, self._calm):
            if timer is not None:
                timer.cancel()
        self._pace.forget()
        self.tell()

    async def _turn(self) -> float:
        turn: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._serve()
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # its turn had come in the same moment
                self._in_flight -= 1
            elif turn in self._waiting:
                self._waiting.remove(turn)
            self._serve()
            raise

    def _is_open(self, now: float) -> bool:
        return self._in_flight < self._pace.places and (self._pace.rate is None or self._free_at <= now)

    def _let_in(self, now: float) -> None:
        self._in_flight += 1
        if self._in_flight >= self._pace.places:
            self._pace.crowded()
        if self._pace.rate is not None:
            self._free_at = max(self._free_at, now - _BEHIND_S) + 1 / self._pace.rate

    def _serve(self) -> None:
        """Let in those whose turn it is, and see to it that the next ones are not forgotten."""
        now = self._clock()
        while self._waiting:
            if self._waiting[0].done():  # cancelled, and its task has not run yet
                self._waiting.popleft()
            elif self._is_open(now):
                self._let_in(now)
                self._waiting.popleft().set_result(now)
            else:
                if self._in_flight < self._pace.places:
                    self._wait_for_the_rate(now)
                return

    def _wait_for_the_rate(self, now: float) -> None:
        self._pace.paced()
        if self._wake is None:
            self._wake = self._later(max(self._free_at - now, _TICK_S), self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._serve()

    def _calmed(self) -> None:
        self._calm = None
        left = QUIET_S - self._pace.quiet_for(self._clock())
        if left > _TICK_S:
            self._calm = self._later(left, self._calmed)
            return
        log.info("the storage refuses no more; requests are not paced", bucket=self._bucket, request=self._request)
        self._pace.forget()
        self.tell()
        self._serve()

    def tell(self) -> None:
        """Say how many it lets in."""
        changed = GateChanged(bucket=self._bucket, request=self._request, places=self.places, rate=self.rate)
        self._observe(changed)


class Gates:
    """The gates of one process. Beyond `limits.gates`, the one that was idle for longest gives way."""

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        later: Later = call_later,
        observe: Observe = ignore,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._later = later
        self._observe = observe
        self._gates: OrderedDict[tuple[str, str, GateClass], Gate] = OrderedDict()

    def __len__(self) -> int:
        return len(self._gates)

    def of(self, origin: str, bucket: str, request: GateClass) -> Gate:
        """Ask for each request anew, and enter at once: an idle gate may be forgotten."""
        key = (origin, bucket, request)
        gate = self._gates.get(key)
        if gate is not None:
            self._gates.move_to_end(key)
            return gate
        if len(self._gates) >= self._limits.gates:
            self._make_room()
        gate = self._gates[key] = Gate(
            bucket=bucket,
            request=request,
            limits=self._limits,
            clock=self._clock,
            later=self._later,
            observe=self._observe,
        )
        gate.tell()
        return gate

    def _make_room(self) -> None:
        """If none is idle there are too many for once: no more than there are requests in flight."""
        for key, gate in self._gates.items():
            if gate.idle:
                gate.close()
                del self._gates[key]
                return
