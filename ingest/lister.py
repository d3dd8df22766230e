"""Lists the ranges of one prefix that are still to do, many at once; hides which stream brings which page, and how ranges are cut.

A small prefix costs one request. When a page says that there is more, idle streams take pieces cut off from what is ahead.
A server that ignores start-after is found out by its first answer; then one stream of continuation tokens lists all that is left.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from config.errors import ListingError, RequestRefusedError, SourceError
from ingest.cutting import cut, cut_up, expected
from ingest.model import Entries, Page, Range, Recall
from ingest.remembered import NOTHING, Remembered
from ingest.shelf import Shelf
from ingest.territory import Part, Territory

_WAIT_PAGES = 3
"""Nothing is cut blindly while folders are asked for, unless that takes longer than so many pages."""


class Pages(Protocol):
    """What a lister asks. `ingest.s3.client.S3Client` is one."""

    def pages(
        self, *, prefix: bytes, within: Range | None = None, recall: Recall | None = None
    ) -> AsyncGenerator[Page]: ...

    async def list_page(self, *, prefix: bytes, start_after: bytes | None = None, delimiter: bytes = b"") -> Page: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of the key space that was listed whole: `entries` are all there is of it."""

    within: Range
    entries: Entries


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Chunk:
    """A range that may be given away."""

    within: Range
    keys: float
    """That it holds, about."""
    let_go: Callable[[], None]
    """Makes sure that nobody here works on it."""


class PieceSource(Protocol):
    """Where pieces come from. `Lister` is one, and so are the names of a job that names its objects."""

    def started(self) -> AbstractAsyncContextManager[object]: ...

    async def next(self) -> Piece | None: ...

    @property
    def has_spread(self) -> bool: ...

    def offers(self, shares: int, *, listed: bool) -> tuple[list[Chunk], float]: ...

    def joined(self, parts: Iterable[Range]) -> list[Range]: ...


class Lister:
    """Ranges are disjoint, and so are pieces; pieces come as they come. A key that is there throughout comes exactly once."""

    def __init__(
        self,
        *,
        source: Pages,
        prefix: bytes,
        todo: Sequence[Range],
        streams: int,
        ahead: int,
        remembered: Remembered = NOTHING,
    ) -> None:
        """At most `streams` requests are in flight, and `ahead` pieces wait to be taken."""
        self._source, self._prefix, self._remembered = source, prefix, remembered
        self._territory = Territory(prefix=prefix, todo=todo, cuts=remembered.cuts)
        self._streams = streams
        self._mapping = False
        self._running = 0
        """Streams."""
        self._shelf: Shelf[Piece] = Shelf(ahead)
        self._in_turn = False
        """Whether start-after can't be relied on."""
        self._first: tuple[AsyncGenerator[Page], Page] | None = None
        """The stream that began at the beginning, and the page it is at: it needs no start-after to go on."""

    @asynccontextmanager
    async def started(self) -> AsyncGenerator[Lister]:
        """List as long as this context lasts. A listing that breaks raises its SourceError or CredentialError out of it."""
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._all())
            yield self
            listing.cancel()

    async def next(self) -> Piece | None:
        """The next piece; None when all is listed."""
        return await self._shelf.get()

    # -- for others

    @property
    def has_spread(self) -> bool:
        """Whether as much is listed at once as can be, or all is listed: what lies ahead is known as well as it will be."""
        known = self._territory
        return self._free <= 0 or not (known.live or known.waiting or self._mapping)

    def offers(self, shares: int, *, listed: bool) -> tuple[list[Chunk], float]:
        """What may be given away, cut so that it can be dealt out to so many others; and about how many keys stay.

        `listed`: pieces that nobody has taken yet may go, too, and are listed again elsewhere. Where ranges can't be begun
        in the midst, nothing may.
        """
        known = self._territory
        if self._in_turn:
            return [], 0.0
        cut_up(known, shares)
        chunks = [
            Chunk(
                within=part.range,
                keys=expected(known, part) * known.page_keys,
                let_go=partial(known.waiting.remove, part),
            )
            for part in known.waiting
        ]
        if listed:
            chunks += [
                Chunk(within=piece.within, keys=len(piece.entries), let_go=partial(self._shelf.take_back, piece))
                for piece in self._shelf
            ]
        return chunks, known.page_keys * sum(expected(known, part) for part in known.live)

    def joined(self, parts: Iterable[Range]) -> list[Range]:
        """Ranges in order, as few as tell the same and are each part of one that was to do."""
        return self._territory.joined(parts)

    # -- listing

    @property
    def _free(self) -> int:
        """Streams with nothing to do. One whose piece finds no room on the shelf is not free."""
        return self._streams - self._running - self._mapping

    async def _all(self) -> None:
        async with AsyncExitStack() as kept:
            async with asyncio.TaskGroup() as group:
                self._spread(group, kept)
            if self._in_turn:
                await self._list_in_turn()
        self._shelf.end()

    def _spread(self, group: asyncio.TaskGroup, kept: AsyncExitStack) -> None:
        """Give every idle stream something to do."""
        if self._in_turn:
            return
        known = self._territory
        idle = self._free
        if idle > 0 and not self._mapping and (after := known.unmapped()) is not None:
            self._mapping = True
            idle -= 1
            group.create_task(self._map(after, group, kept))
        if idle > len(known.waiting) and not (self._mapping and known.pages < _WAIT_PAGES):
            cut(known, idle - len(known.waiting))
        while idle > 0 and known.waiting:
            idle -= 1
            self._running += 1
            group.create_task(self._stream(known.begin(), group, kept))

    async def _map(self, after: bytes, group: asyncio.TaskGroup, kept: AsyncExitStack) -> None:
        """Ask for folders. Whatever goes wrong, the listing goes on without."""
        try:
            page = await self._source.list_page(prefix=self._prefix, start_after=after, delimiter=b"/")
        except SourceError:
            self._territory.no_folders()
        else:
            self._territory.learn_folders(after, page)
        self._mapping = False
        self._spread(group, kept)

    async def _stream(self, part: Part, group: asyncio.TaskGroup, kept: AsyncExitStack) -> None:
        start = part.lo
        pages = self._source.pages(prefix=self._prefix, within=Range(start, None), recall=self._remembered.pages.get)
        async with AsyncExitStack() as stack:
            await (kept if start is None else stack).enter_async_context(aclosing(pages))
            while not part.done and not self._in_turn:
                page = await self._page(pages, start if not part.answered else None)
                if page is None:
                    self._in_turn = True
                    break
                if start is None:
                    self._first = pages, page
                taken = self._territory.take(part, page)
                self._spread(group, kept)
                if taken is not None:
                    await self._shelf.put(Piece(within=taken[0], entries=taken[1]))
        self._running -= 1
        self._spread(group, kept)

    async def _page(self, pages: AsyncGenerator[Page], start: bytes | None) -> Page | None:
        """The next page. None if it shows that the server does not begin where it is asked to, which is `start`."""
        try:
            page = await anext(pages)
        except (ListingError, RequestRefusedError) as error:
            if start is None or (isinstance(error, ListingError) and error.code != "UnorderedListing"):
                raise
            return None
        began = page.entries.keys[0] if page.entries and page.entries.is_read else None
        ignored = start is not None and began is not None and began <= start
        return None if ignored else page

    async def _list_in_turn(self) -> None:
        """List what is left by continuation tokens alone, and keep of each page what was not taken before."""
        left = self._territory.left
        pages, page = self._first or (self._source.pages(prefix=self._prefix, within=Range()), None)
        async with aclosing(pages):
            while left:
                left = await self._keep(page if page is not None else await anext(pages), left)
                page = None

    async def _keep(self, page: Page, left: list[Range]) -> list[Range]:
        """Pass on what a page says of the ranges that are left; what is left then."""
        entries, upto = page.entries, None
        if page.next_token is not None:
            if not entries:
                return left
            upto = entries.last
        while left and (upto is None or left[0].lo is None or left[0].lo < upto):
            part = left.pop(0)
            whole = upto is None or (part.hi is not None and part.hi <= upto)
            within = part if whole else Range(part.lo, upto)
            start = 0 if within.lo is None else bisect_right(entries.keys, within.lo)
            stop = len(entries) if within.hi is None else bisect_right(entries.keys, within.hi)
            await self._shelf.put(Piece(within=within, entries=entries[start:stop]))
            if not whole:
                left.insert(0, Range(upto, part.hi))
        return left
