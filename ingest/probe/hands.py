"""Probes of one shard at the same time; hides that they are taken in turn from every span that is being probed.

Keys that are neighbours often live on one partition of the storage: probed in key order, they would hammer it and leave the rest idle.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(slots=True, eq=False)
class _Batch(Generic[In, Out]):
    things: Sequence[In]
    done: asyncio.Future[None]
    results: dict[int, Out] = field(default_factory=dict)
    """By place."""
    taken: int = 0


class Hands(Generic[In, Out]):
    """At most `most` calls of `work` at once, over all batches. What a call raises ends the task group."""

    def __init__(self, group: asyncio.TaskGroup, work: Callable[[In], Awaitable[Out]], *, most: int) -> None:
        self._group, self._work, self._most = group, work, most
        self._batches: deque[_Batch[In, Out]] = deque()
        self._hands = 0

    async def each(self, things: Sequence[In]) -> list[Out]:
        """What `work` makes of each, in their order."""
        if not things:
            return []
        batch = _Batch[In, Out](things, asyncio.get_running_loop().create_future())
        self._batches.append(batch)
        for _ in range(min(len(things), self._most - self._hands)):
            self._hands += 1
            self._group.create_task(self._hand())
        await batch.done
        return [batch.results[place] for place in range(len(things))]

    async def _hand(self) -> None:
        """Take the next thing of the batch that waits longest, until there is none."""
        try:
            while self._batches:
                batch = self._batches.popleft()
                place = batch.taken
                batch.taken += 1
                if batch.taken < len(batch.things):
                    self._batches.append(batch)
                batch.results[place] = await self._work(batch.things[place])
                if len(batch.results) == len(batch.things) and not batch.done.done():
                    batch.done.set_result(None)
        finally:
            self._hands -= 1
