"""Callers, a gate and a server that gives only so much, on a clock that jumps: hides that a run of minutes takes no time."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from benchmarks.conduct import TokenBucket
from config.limits import Limits
from ingest.events import Event, GateChanged
from ingest.gate import Gate, verdict
from tests.fakes.key_space import run_in_no_time

T = TypeVar("T")


def loop_time() -> float:
    return asyncio.get_running_loop().time()


@dataclass(kw_only=True)
class Server:
    """Answers after `latency_s`, with a status that is decided when the request arrives."""

    rate: float = 0.0
    """Requests per second, by a bucket of 0.1 s; 0: no limit."""
    latency_s: float = 0.0002
    sigma: float = 0.0
    """Of the lognormal around the latency."""
    at_once: int = 0
    """So many are worked on at the same time, others queue; 0: all."""
    noise: float = 0.0
    """Share that is answered with `noise_status`, whatever is asked for."""
    noise_status: int = 503
    seed: int = 1
    plan: Callable[[int], int] = lambda _number: 200
    """The status of the n-th request, if it is not refused otherwise."""
    seen: Counter[int] = field(default_factory=Counter)
    answered_at: list[float] = field(default_factory=list)
    """Of the good answers."""
    took: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.limit(self.rate)
        self.work_at_once(self.at_once)

    def work_at_once(self, at_once: int) -> None:
        """From now on; those who wait still count as before."""
        self._free = asyncio.Semaphore(at_once) if at_once else None

    def limit(self, rate: float) -> None:
        """From now on."""
        self._bucket: TokenBucket | None = None
        self.rate = rate

    async def answer(self) -> int:
        began = loop_time()
        status = self._status()
        latency_s = self.latency_s * self.random.lognormvariate(0.0, self.sigma) if self.sigma else self.latency_s
        if self._free is None:
            await asyncio.sleep(latency_s)
        else:
            async with self._free:
                await asyncio.sleep(latency_s)
        if status == 200:
            self.answered_at.append(loop_time())
            self.took.append(loop_time() - began)
        return status

    def _status(self) -> int:
        number = self.seen.total()
        if self._bucket is None:
            self._bucket = TokenBucket(self.rate, clock=loop_time)
        status = self.plan(number)
        if self.noise and self.random.random() < self.noise:
            status = self.noise_status
        if not self._bucket.take():
            status = 503
        self.seen[status] += 1
        return status

    @property
    def refused(self) -> float:
        """Share of all answers."""
        return 1 - self.seen[200] / self.seen.total()

    def per_second(self, begin: float = 0.0, end: float = float("inf")) -> float:
        """Good answers between two times."""
        end = min(end, self.answered_at[-1])
        return sum(begin <= at < end for at in self.answered_at) / (end - begin)


@dataclass
class Crowd:
    """Callers with so many requests between them; each sends the same one again until it is answered well."""

    gate: Gate | None
    server: Server
    requests: int
    callers: int = 64
    until_s: float = float("inf")
    ended_s: float = 0.0

    async def run(self) -> None:
        work = iter(range(self.requests))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.callers):
                tasks.create_task(self._call(work))
        self.ended_s = loop_time()

    async def _call(self, work: Iterator[int]) -> None:
        for _ in work:
            while await self.once() != 200:
                if loop_time() > self.until_s:
                    return
            if loop_time() > self.until_s:
                return

    async def once(self) -> int:
        if self.gate is None:
            return await self.server.answer()
        admitted = await self.gate.enter()
        try:
            sent = loop_time()
            status = await self.server.answer()
            self.gate.saw(verdict(status), admitted=admitted, seconds=loop_time() - sent)
            return status
        finally:
            self.gate.leave()


@dataclass
class Watch:
    """What a gate tells."""

    events: deque[tuple[float, GateChanged]] = field(default_factory=deque)

    def __call__(self, event: Event) -> None:
        assert isinstance(event, GateChanged)
        self.events.append((loop_time(), event))


MANY = Limits(gate_most=512)
"""Places for what is simulated: far servers, and hundreds of callers."""


def a_gate(limits: Limits | None = None, *, watch: Watch | None = None, bucket: str = "b") -> Gate:
    """On the clock of the running loop."""
    return Gate(bucket=bucket, request="read", limits=limits or MANY, clock=loop_time, observe=watch or Watch())


def simulated(main: Coroutine[Any, Any, T]) -> T:
    return run_in_no_time(main)[0]
