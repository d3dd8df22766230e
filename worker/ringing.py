"""Rings for shards that were handed over: hides that Redis may be slow or away, which must not hold up whoever gives."""

from __future__ import annotations

import asyncio
from typing import Protocol


class RingsForIdle(Protocol):
    """Tells other workers. `worker.queue.Bell` is one."""

    async def ring(self, times: int = 1, *, idle: bool = False) -> bool: ...


class Ringer:
    """`ring` returns at once; `run` does it, until it is cancelled."""

    def __init__(self) -> None:
        self._wanted = 0
        self._asked = asyncio.Event()

    def ring(self, shards: int) -> None:
        """So many idle workers have something to do."""
        self._wanted += shards
        self._asked.set()

    async def run(self, bell: RingsForIdle) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            wanted, self._wanted = self._wanted, 0
            await bell.ring(wanted, idle=True)
