"""Lists folder by folder where a policy allows no other way: hides a walk with a delimiter behind pages like those of a flat listing.

Policies with conditions on s3:prefix and s3:delimiter (StringEquals) allow `prefix=videos/&delimiter=/` and refuse `prefix=videos/`
alone. Every request of a walk has the delimiter `/` and a prefix that is empty or ends with it.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

from config.errors import AccessDeniedError, ListingError
from ingest.listable import DELIMITER, folder_of, may_be_condition, no_such_folder
from ingest.model import Entries, Page, Range, Recall
from ingest.pipeline import BucketSource
from ingest.s3.errors import uri

_LISTS_MOST = 16
"""So many requests of a walk make one page, if they bring fewer keys than a page holds, and so many folders of a level are listed
ahead: at first one, then ever more, so that a short range is not read far beyond its end and a long one is not cut into crumbs."""
_AHEAD_KEYS = 8_000
"""When as many keys wait to be walked into, over all walks, no further folder is listed ahead."""
_EMPTY_MOST = 100_000
"""Folders in a row without a key: an honest storage names only those that are emptied meanwhile."""
_WAITING_MOST = 100_000
"""Folders that were named, on the way down to where a walk is, and are still to be walked into."""
_MORE = "walk"
"""Stands where a page would have a token: what has none is the last one."""


class FolderSource(BucketSource, Protocol):
    """A bucket that can be listed with a delimiter. `ingest.s3.client.S3Client` is one."""

    def pages(
        self, *, prefix: bytes, within: Range | None = None, delimiter: bytes = b"", recall: Recall | None = None
    ) -> AsyncGenerator[Page]: ...


@dataclass(slots=True)
class Flight:
    """The requests of all walks over one bucket: a walk lists ahead only as long as others leave room."""

    most: int
    now: int = 0
    keys: int = 0
    """That were listed ahead, and wait."""

    @property
    def room(self) -> bool:
        """Whether there is any beside a request that has to be made now."""
        return self.now + 1 < self.most and self.keys < _AHEAD_KEYS

    async def page(self, pages: AsyncGenerator[Page]) -> Page:
        self.now += 1
        try:
            return await anext(pages)
        finally:
            self.now -= 1

    def ahead(self, pages: AsyncGenerator[Page]) -> asyncio.Task[Page]:
        """Takes its room at once. Whoever has the task calls `taken` or `dropped`."""
        self.now += 1
        task: asyncio.Task[Page] = asyncio.ensure_future(anext(pages))
        task.add_done_callback(self._landed)
        return task

    async def taken(self, task: asyncio.Task[Page]) -> Page:
        try:
            return await task
        finally:
            self.keys -= _keys(task)

    async def dropped(self, task: asyncio.Task[Page]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.keys -= _keys(task)

    def _landed(self, task: asyncio.Task[Page]) -> None:
        self.now -= 1
        self.keys += _keys(task)


def _keys(task: asyncio.Task[Page]) -> int:
    """That an ended task has brought."""
    return 0 if task.cancelled() or task.exception() else len(task.result().entries)


class _Folder:
    """One folder on the way down: the page of it that is at hand, and what of that was not looked at yet."""

    __slots__ = (
        "_common",
        "_entries",
        "_first",
        "_flight",
        "_folder_at",
        "_key_at",
        "_pages",
        "begun",
        "last",
        "prefix",
    )

    def __init__(self, prefix: bytes, pages: AsyncGenerator[Page], flight: Flight) -> None:
        self.prefix, self._pages, self._flight = prefix, pages, flight
        self.last = False
        """Whether no further page is wanted."""
        self.begun: dict[bytes, _Folder] = {}
        """The folders in it that are listed ahead."""
        self._first: asyncio.Task[Page] | None = None
        self._entries, self._common = Entries(), [b""][:0]
        self._key_at = self._folder_at = 0

    def begin(self) -> None:
        """List it ahead."""
        self._first = self._flight.ahead(self._pages)

    async def page(self) -> Page:
        """The next one."""
        if self._first is None:
            return await self._flight.page(self._pages)
        first, self._first = self._first, None
        return await self._flight.taken(first)

    def waiting(self) -> int:
        """Folders of the page at hand that are still to come."""
        return len(self._common) - self._folder_at

    def coming(self, most: int) -> list[bytes]:
        """The next folders in it."""
        return self._common[self._folder_at : self._folder_at + most]

    async def aclose(self) -> None:
        for folder in self.begun.values():
            await folder.aclose()
        if self._first is not None:
            await self._flight.dropped(self._first)
        await self._pages.aclose()

    def turn(self, page: Page, *, prefix: bytes, within: Range) -> None:
        """Go on to the next page; of it counts what begins with `prefix` and lies within."""
        keys, lo, hi = page.entries.keys, within.lo, within.hi
        start = bisect_left(keys, prefix) if lo is None else max(bisect_left(keys, prefix), bisect_right(keys, lo))
        stop = len(keys) if hi is None else bisect_right(keys, hi)
        stop = bisect_left(keys, 1, start, max(start, stop), key=lambda key: not key.startswith(prefix))
        self._entries, self._key_at = page.entries[start:stop], 0
        behind = self._common[-1:]
        self._common = [
            folder
            for folder in page.common_prefixes
            if folder.startswith(prefix)
            and (lo is None or folder > lo or lo.startswith(folder))
            and (hi is None or folder <= hi)
            and not (behind and folder <= behind[0])
        ]
        self._folder_at = 0
        ends = [*keys[-1:], *page.common_prefixes[-1:]]
        left_behind = any(end > prefix and not end.startswith(prefix) for end in ends)
        reached = hi is not None and any(end >= hi or hi.startswith(end) for end in page.common_prefixes[-1:])
        self.last = page.next_token is None or left_behind or reached

    def step(self) -> Entries | bytes | None:
        """The entries up to the next folder, or else that folder; None if the page has no more."""
        folder = self._common[self._folder_at] if self._folder_at < len(self._common) else None
        stop = len(self._entries) if folder is None else bisect_left(self._entries.keys, folder, self._key_at)
        if stop > self._key_at:
            found, self._key_at = self._entries[self._key_at : stop], stop
            return found
        self._folder_at += 1
        return folder


class _Walk:
    """Depth first, in key order. Holds one page for each folder between the root and where it is."""

    def __init__(self, source: FolderSource, *, bucket: str, prefix: bytes, within: Range, flight: Flight) -> None:
        self._source, self._bucket, self._prefix, self._within = source, bucket, prefix, within
        self._flight = flight
        self._open: list[_Folder] = []
        self._empty = 0
        self._whole: bytes | None = None
        """The last folder that was listed to its end."""
        self._open.append(self._folder(folder_of(prefix)))

    async def at_hand(self) -> Entries | None:
        """The next entries that are had without a request; None if it takes one, or nothing is left."""
        while self._open:
            folder = self._open[-1]
            found = folder.step()
            if isinstance(found, Entries):
                self._empty = 0
                return found
            if found is not None:
                self._check_honest(found)
                self._open.append(folder.begun.pop(found) if found in folder.begun else self._folder(found))
            elif not folder.last:
                return None
            else:
                await self._open.pop().aclose()
                self._whole = folder.prefix
        return None

    def _check_honest(self, folder: bytes) -> None:
        """Folders that hold nothing, or ever more of them, would never end. Raises ListingError."""
        self._empty += 1
        if self._empty > _EMPTY_MOST or sum(one.waiting() for one in self._open) > _WAITING_MOST:
            raise ListingError(
                f"LIST {uri(self._bucket, folder)}: the storage names folders without end and no keys in them, so the listing can't be "
                "trusted to be complete; check the endpoint",
                code="UnorderedListing",
            )

    @property
    def over(self) -> bool:
        return not self._open

    async def aclose(self) -> None:
        while self._open:
            await self._open.pop().aclose()

    def _folder(self, prefix: bytes) -> _Folder:
        within = Range(_start(prefix, self._within.lo, self._prefix), self._within.hi)
        return _Folder(prefix, self._source.pages(prefix=prefix, within=within, delimiter=DELIMITER), self._flight)

    def _look_ahead(self, most: int) -> None:
        """Begin the next folders of each level, the nearest first."""
        for one in reversed(self._open):
            for prefix in one.coming(most):
                if not self._flight.room:
                    return
                if prefix not in one.begun:
                    one.begun[prefix] = self._folder(prefix)
                    one.begun[prefix].begin()

    async def more(self, ahead: int) -> None:
        """Make the request that it takes, and those for so many folders ahead on each level."""
        folder = self._open[-1]
        self._look_ahead(ahead)
        try:
            page = await folder.page()
        except AccessDeniedError as error:
            if len(self._open) == 1 or not may_be_condition(error):
                raise
            walked = self._open[0].prefix
            raise no_such_folder(
                error, bucket=self._bucket, walked=walked, folder=folder.prefix, whole=self._whole
            ) from error
        folder.turn(page, prefix=self._prefix, within=self._within)


async def walk(
    source: FolderSource,
    *,
    bucket: str,
    prefix: bytes,
    within: Range | None = None,
    page_keys: int = 1000,
    flight: Flight | None = None,
) -> AsyncGenerator[Page]:
    """The pages of a flat listing of `prefix` inside `within`, brought by a walk: ordered, complete, none empty but the last.

    Where `prefix` does not end with `/`, the folder that it lies in is walked, and what begins otherwise is left out. `flight`: what
    all walks over this bucket share; None: this one lists one folder at a time.
    Raises SourceError, CredentialError; ListConditionError for a folder that may not be listed. Use it under `aclosing`.
    """
    flight = flight or Flight(1)
    async with aclosing(_Walk(source, bucket=bucket, prefix=prefix, within=within or Range(), flight=flight)) as walked:
        held: list[Entries] = []
        count, lists, patience = 0, 0, 1
        while not walked.over:
            found = await walked.at_hand()
            full = lists >= patience if found is None else count + len(found) > page_keys
            if held and full and not walked.over:
                yield Page(entries=Entries.joined(held), next_token=_MORE)
                held, count, lists, patience = [], 0, 0, min(patience + 1, _LISTS_MOST)
            if found is not None:
                held.append(found)
                count += len(found)
            elif not walked.over:
                await walked.more(patience - 1)
                lists += 1
        yield Page(entries=Entries.joined(held))


def _start(folder: bytes, lo: bytes | None, prefix: bytes) -> bytes | None:
    """Behind which name to begin in a folder, so that all counts that lies behind `lo` and begins with `prefix`.

    If `lo` lies deeper, that is just before the folder which holds it: this is named then if it exists, whatever a server makes
    of a start in the midst of a folder, and what may not exist is never asked for.
    """
    starts = []
    if lo is not None and lo.startswith(folder):
        starts.append(folder + lo[len(folder) :].split(DELIMITER, 1)[0])
    if len(prefix) > len(folder):
        starts.append(prefix.decode(errors="surrogateescape")[:-1].encode(errors="surrogateescape"))
    return max(starts, default=b"") or None
