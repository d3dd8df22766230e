"""Where listed pieces wait to be taken: a bounded queue that can be looked into, and that gives back what is needed elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    thing: T
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """There is room for it, or it is there no more."""


class Shelf(Generic[T]):
    """At most `room` things wait; whoever brings one more waits with it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._places: deque[_Place[T]] = deque()
        self._ended = False
        self._filled = asyncio.Event()

    def __iter__(self) -> Iterator[T]:
        return iter([place.thing for place in self._places])

    @property
    def over(self) -> int:
        """Things beyond the room: as many callers of `put` wait."""
        return max(0, len(self._places) - self._room)

    async def put(self, thing: T) -> None:
        """Returns when there is room for it, which is at once for most."""
        place = _Place(thing)
        self._places.append(place)
        self._filled.set()
        if self.over:
            await place.room.wait()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._filled.set()

    async def get(self) -> T | None:
        """The next thing; None when all have been taken and nothing more comes. A cancelled caller has taken nothing."""
        while not self._places:
            if self._ended:
                return None
            self._filled.clear()
            await self._filled.wait()
        return self._without(self._places[0])

    def take_back(self, thing: T) -> None:
        """Nobody gets it, if it is still there."""
        place = next((place for place in self._places if place.thing is thing), None)
        if place is not None:
            self._without(place)

    def _without(self, place: _Place[T]) -> T:
        self._places.remove(place)
        place.room.set()
        for other in islice(self._places, self._room):
            other.room.set()
        return place.thing
