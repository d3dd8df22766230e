"""Lists the ranges of one prefix that are still to do, several at once; hides which stream brings which page."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from ingest.model import Entry, Page, Range


class Pages(Protocol):
    """What a lister asks. `ingest.s3.client.S3Client` is one."""

    def pages(self, *, prefix: bytes, within: Range | None = None) -> AsyncGenerator[Page]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the key space that was listed whole: `entries` are all there is of it."""

    within: Range
    entries: list[Entry]


class Lister:
    """Ranges are disjoint, and so are pieces. Pieces of one range come in key order, those of several come as they come."""

    def __init__(self, *, source: Pages, prefix: bytes, todo: Sequence[Range], streams: int, ahead: int) -> None:
        """At most `streams` requests are in flight, and `ahead` pieces wait to be taken."""
        self._source, self._prefix = source, prefix
        self._todo = deque(todo)
        self._streams = min(streams, len(self._todo))
        self._listed: asyncio.Queue[Piece | None] = asyncio.Queue(ahead)

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[Lister]:
        """List as long as this context lasts. A listing that breaks raises its SourceError or CredentialError out of it."""
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._all())
            yield self
            listing.cancel()

    async def next(self) -> Piece | None:
        """The next piece; None when all is listed."""
        return await self._listed.get()

    async def _all(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._streams):
                group.create_task(self._stream())
        await self._listed.put(None)

    async def _stream(self) -> None:
        while self._todo:
            await self._list(self._todo.popleft())

    async def _list(self, part: Range) -> None:
        lo = part.lo
        async with aclosing(self._source.pages(prefix=self._prefix, within=part)) as pages:
            async for page in pages:
                last = page.next_token is None
                if page.entries or last:
                    hi = part.hi if last else page.entries[-1].key
                    await self._listed.put(Piece(within=Range(lo, hi), entries=page.entries))
                    lo = hi
