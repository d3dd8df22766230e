"""Rings for what was handed over: whoever gives does not wait for Redis."""

from __future__ import annotations

import asyncio

from tests.fakes.shifts import until
from worker.ringing import Ringer


class SlowBell:
    def __init__(self) -> None:
        self.rings: list[tuple[int, bool]] = []
        self.answers = asyncio.Event()

    async def ring(self, times: int = 1, *, idle: bool = False) -> bool:
        self.rings.append((times, idle))
        await self.answers.wait()
        return True


async def test_what_is_wanted_while_redis_is_slow_is_rung_for_at_once_afterwards() -> None:
    bell, ringer = SlowBell(), Ringer()
    running = asyncio.create_task(ringer.run(bell))
    ringer.ring(2)
    await until(lambda: bell.rings == [(2, True)])
    ringer.ring(1)
    ringer.ring(3)
    bell.answers.set()
    await until(lambda: bell.rings == [(2, True), (4, True)])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
